"""A test notification that can't be mistaken for a real one, as an event like any other.

Its order id begins with TEST-, its amount is one unit of XTS (the currency that ISO 4217 keeps for tests), and its
result is F, so that nobody delivers goods for it.
"""

import json
from typing import Final

from streams.notification.profile import Profile

_CURRENCY: Final = "XTS"
_MESSAGE: Final = "TEST NOTIFICATION: no payment stands behind it"


def rehearsal_event(profile: Profile, partner_id: str, name: str, now: str) -> bytes:
    """Return the event of a test notification.

    Args:
        profile: the protocol to speak.
        partner_id: whom to tell.
        name: makes its ids unique; at most 50 characters.
        now: ISO 8601 with offset.
    """
    test_id = f"TEST-{name}"
    amount = {"currency": _CURRENCY, "value": "1"}
    payment = {
        "paymentRequestId": test_id,
        "paymentId": test_id,
        "paymentTime": now,
        "paymentAmount": amount,
        "acquirerId": test_id,
    }
    known = {name: value for name, value in payment.items() if name in profile.body.table}
    event = {
        "eventId": f"evt-{test_id}",
        "profile": profile.name,
        "partnerId": partner_id,
        "outcome": "FAILED",
        "resultCode": "PROCESS_FAIL",
        "resultMessage": _MESSAGE,
        "occurredAt": now,
        "payment": known,
    }
    return json.dumps(event).encode()
