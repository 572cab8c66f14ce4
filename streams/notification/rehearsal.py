"""A test notification that can't be mistaken for a real one, as an event like any other.

Its order id begins with TEST-, its amount is one unit of XTS (the currency that ISO 4217 keeps for tests), and its
result is F unless something else is asked for, so that nobody delivers goods for it.
"""

import json
import re
from typing import Any, Final

from schemas.fields import required_always, required_on_success
from schemas.iso8601 import is_datetime
from streams.notification.profile import Profile
from streams.notification.reasons import FALLBACK_CODE

_CURRENCY: Final = "XTS"
_ID: Final = re.compile(r"[0-9]{6}")
_MESSAGE: Final = "TEST NOTIFICATION: no payment stands behind it"


def rehearsal_event(  # noqa: PLR0913  # what a test may want to fix
    profile: Profile,
    partner_id: str,
    name: str,
    now: str,
    *,
    outcome: str = "FAILED",
    reason: str | None = None,
    notify_url: str | None = None,
) -> bytes:
    """Return the event of a test notification.

    Args:
        profile: the protocol to speak.
        partner_id: whom to tell.
        name: makes its ids unique; at most 50 characters.
        now: ISO 8601 with offset.
        outcome: how the payment ended.
        reason: payment core's reason for FAILED; the general code PROCESS_FAIL is sent without one.
        notify_url: the event's own, or None for the partner's.
    """
    test_id = f"TEST-{name}"
    told = {*required_always(profile.body), *required_on_success(profile.body)}
    payment = {
        name: _of_a_test(value, test_id, now)
        for name, value in profile.sample.payment.items()
        if name in told
    } | {profile.order_id_member: test_id}
    event: dict[str, Any] = {
        "eventId": f"evt-{test_id}",
        "profile": profile.name,
        "partnerId": partner_id,
        "outcome": outcome,
        "resultMessage": _MESSAGE,
        "occurredAt": now,
        "payment": payment,
    }
    if reason is not None:
        event["reason"] = reason
    elif outcome == "FAILED":
        event["resultCode"] = FALLBACK_CODE
    if notify_url is not None:
        event["notifyUrl"] = notify_url
    return json.dumps(event).encode()


def _of_a_test(value: Any, test_id: str, now: str) -> Any:  # noqa: ANN401  # whatever a sample holds
    """Return a sample's value as a test notification has it: nothing in it may pass for a real payment's."""
    match value:
        case {"currency": str(), "value": str()}:
            return {"currency": _CURRENCY, "value": "1"}
        case dict():
            return {name: _of_a_test(inner, test_id, now) for name, inner in value.items()}
        case list():
            return [_of_a_test(inner, test_id, now) for inner in value]
        case str() if is_datetime(value):
            return now
        case str() if _ID.search(value):
            return test_id[: len(value)]  # some ids may not be long
    return value
