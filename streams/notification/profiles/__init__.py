"""The registry: every profile by name, and every tier that their ladders use.

A new profile is one file beside this one and one line here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from streams.notification.ladder import Wait
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

TIERS: Final[tuple[Wait, ...]] = tuple(
    sorted({wait for profile in PROFILES.values() for wait in profile.ladder.waits})
)
"""Every distinct wait, shortest first. Each has one retry topic, shared by the profiles."""
