"""The registry: every profile by name, and what is the same whichever it is.

A new profile is one file beside this one and one line here: `docs/add-a-profile.md`. A wait that no tier has yet is one
entry of `TIERS` more.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from schemas.event import short_text
from streams.notification.ladder import Ladder, Wait
from streams.notification.profile import Profile
from streams.notification.profiles import (
    acquirer_to_alipay_plus,
    alipay_plus_to_acquirer,
    alipay_to_merchant,
    mpp_to_alipay_plus,
    mpp_to_ant,
)

TIERS: Final[tuple[Wait, ...]] = Ladder.of(
    "1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h 15h"
).waits
"""Every wait that was ever released, shortest first: nothing is ever taken out of this list.

Each has one retry topic, shared by the profiles, and all are read, whether a ladder still uses them or not: a notification
that an earlier version put there comes out when it is due.
"""

_USUAL_ORDER_ID: Final = "paymentRequestId"


def registry(*profiles: Profile) -> Mapping[str, Profile]:
    """Return profiles by name, in their order.

    Raises:
        ValueError: two share what must be a profile's own, or one waits where no tier is.
    """
    tiers = {wait.label for wait in TIERS}
    owners: dict[tuple[str, str], Profile] = {}
    for profile in profiles:
        own = {
            "name": profile.name,
            "sample.partner": profile.sample.partner,
            "sample.path": profile.sample.path,
        }
        for attribute, value in own.items():
            if (owner := owners.setdefault((attribute, value), profile)) is not profile:
                message = f"profile {profile.name}: {attribute}: {value!r} is that of profile {owner.name} already"
                raise ValueError(message)
        for wait in profile.ladder.waits:
            if wait.label not in tiers:
                message = (
                    f"profile {profile.name}: ladder: no tier for the wait {wait.label}; "
                    "add it to TIERS in streams/notification/profiles/__init__.py"
                )
                raise ValueError(message)
    return MappingProxyType({profile.name: profile for profile in profiles})


PROFILES: Final = registry(
    mpp_to_alipay_plus.PROFILE,
    mpp_to_ant.PROFILE,
    alipay_plus_to_acquirer.PROFILE,
    acquirer_to_alipay_plus.PROFILE,
    alipay_to_merchant.PROFILE,
)
"""By name, in the order of the source documents."""

RESULT_MEMBERS: Final = tuple(dict.fromkeys(profile.result_member for profile in PROFILES.values()))
"""The members that hold the result in some profile's body."""


def order_id_in(members: Mapping[str, Any] | None, profile: str | None) -> str | None:
    """Return the order id in an event's `payment` or in a body.

    Args:
        members: the payment or the body, which need not be valid.
        profile: whose; of one that nobody knows the usual member is taken.
    """
    known = PROFILES.get(profile or "")
    return short_text((members or {}).get(known.order_id_member if known else _USUAL_ORDER_ID))


def result_in(body: Mapping[str, Any], profile: str | None) -> str | None:
    """Return the result that a body reports: `S:SUCCESS`, `F:RISK_REJECT`; None where it can't be read.

    Args:
        body: which need not be valid.
        profile: whose; of one that nobody knows each member is tried that holds a result somewhere.
    """
    known = PROFILES.get(profile or "")
    for name in (known.result_member,) if known else RESULT_MEMBERS:
        if isinstance(result := body.get(name), dict):
            status = short_text(result.get("resultStatus"))
            code = short_text(result.get("resultCode"))
            return f"{status}:{code}" if status and code else None
    return None
