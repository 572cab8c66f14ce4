"""The registry: every profile by name, and every tier there is.

A new profile is one file beside this one and one line here; a wait that no tier has yet is one entry of `TIERS` more.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from streams.notification.ladder import Ladder, Wait
from streams.notification.profile import Profile
from streams.notification.profiles import (
    acquirer_to_alipay_plus,
    alipay_plus_to_acquirer,
    alipay_to_merchant,
    mpp_to_alipay_plus,
    mpp_to_ant,
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        module.PROFILE.name: module.PROFILE
        for module in (
            mpp_to_alipay_plus,
            mpp_to_ant,
            alipay_plus_to_acquirer,
            acquirer_to_alipay_plus,
            alipay_to_merchant,
        )
    }
)
"""By name, in the order of the source documents."""

TIERS: Final[tuple[Wait, ...]] = Ladder.of(
    "1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h 15h"
).waits
"""Every wait that was ever released, shortest first: nothing is ever taken out of this list.

Each has one retry topic, shared by the profiles, and all are read, whether a ladder still uses them or not: a notification
that an earlier version put there comes out when it is due.
"""
