"""A sample event of each profile, made of what the profile is rehearsed with."""

from typing import Any

from streams.notification.profile import FByCode, Profile
from streams.notification.profiles import PROFILES

EVENTS: dict[str, dict[str, Any]] = {
    name: {
        "eventId": f"evt-{number}",
        "profile": name,
        "partnerId": f"partner-{number}",
        "notifyUrl": f"https://partner-{number}.example.com/notify?shop=7",
        "outcome": "SUCCESS",
        "resultMessage": "success",
        "occurredAt": "2026-11-22T10:15:29.5+08:30",
        "payment": dict(profile.sample.payment),
    }
    for number, (name, profile) in enumerate(PROFILES.items())
}

_SET_UP_FAULTS = {
    *("INVALID_SIGNATURE", "SIGNATURE_INVALID", "KEY_NOT_FOUND", "INVALID_CLIENT"),
    *("ACCESS_DENIED", "NO_INTERFACE_DEF", "METHOD_NOT_SUPPORTED", "MEDIA_TYPE_NOT_ACCEPTABLE"),
}  # the contract's, section 2, written out once more on purpose


def f_is_final(profile: Profile, code: str) -> bool:
    """Tell whether F with this code ends a notification, by the contract and not by the code under test."""
    if isinstance(profile.on_f, FByCode):
        return code not in _SET_UP_FAULTS
    return code in profile.on_f.but


def fixed_members(profile: Profile) -> dict[str, str]:
    """Return the members that a body has although payment core gave none, each with its value."""
    fields = profile.body.model_fields
    return {
        field.alias or name: field.default
        for name, field in fields.items()
        if isinstance(field.default, str)
    }
