"""Dead letters as the worker writes them."""

from streams.kafka.format.raw import RawRecord
from tests.unit.kit import NOW_MS

ORDER = "20261122190741020001001234567"
ORIGIN = "final/3/42"


def body_of(order=ORDER):
    """Return a body that a worker takes."""
    return (
        b'{"paymentRequestId":"%s","paymentResult":{"resultCode":"X","resultStatus":"F"}}'
        % order.encode()
    )


def dead_letter_of(offset, value=None):
    """Return a dead letter after the last attempt; the first is about the sample event's order, others each about one."""
    order = ORDER if offset == 0 else f"order-{offset}"
    headers = {
        "format": "1",
        "notification-id": "evt-1" if offset == 0 else f"evt-{offset}-more",
        "profile": "mpp-to-ant",
        "partner-id": "partner-1",
        "attempt": "15",
        "parks": "0",
        "replays": "0",
        "due-at-ms": str(NOW_MS),
        "occurred-at-ms": str(NOW_MS),
        "accepted-at-ms": str(NOW_MS),
        "first-attempt-at-ms": str(NOW_MS),
        "last-outcome": "read_timeout",
        "origin": ORIGIN,
        "dead-letter-reason": "attempts-exhausted",
        "dead-letter-detail": "no acknowledgement after 15 attempts",
    }
    pairs = tuple((name, text.encode()) for name, text in headers.items())
    whole = body_of(order) if value is None else value
    return RawRecord("pn-dead-letter", 0, offset, order.encode(), whole, pairs, NOW_MS)
