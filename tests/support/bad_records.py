"""Records that no decent program writes: events, tier records and replays, each with what its dead letter must say."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from streams.sandbox.client import encode
from streams.sandbox.payments import order_id

HUGE = 5 * 1024 * 1024
PROFILE = "mpp-to-alipay-plus"
CASE = "x-case"
"""A header that means nothing to the notifier, and is kept: tells which dead letter is whose."""


class Bad:
    """A record that must end as a dead letter.

    Attributes:
        name: what is wrong with it.
        value: its bytes.
        says: what the detail must name.
        reason: of the dead letter.
        headers: its headers, in their order.
        key: its key.
        origin: where it stands, once written.
    """

    def __init__(self, name, value, *says, reason="invalid-event", headers=(), key=b"a key"):
        self.name, self.value, self.says, self.reason = name, value, says, reason
        self.headers, self.key, self.origin = [(CASE, name.encode()), *headers], key, ""


def bad_events(make: Callable[[], Mapping[str, Any]]) -> list[Bad]:
    """Return broken events, each made from another good one of `PROFILE`."""

    def changed(**members):
        return encode(_with(make(), members))

    long = "x" * 65
    wrong = {"eventId": long, "occurredAt": "yesterday", "payment__customerId": 7}
    amount = {"currency": "JPY", "value": "12,50"}
    merchants = {"partnerId": "merchant", "profile": "alipay-to-merchant"}
    huge = {
        "paymentRequestId": order_id(make()),
        "paymentId": "1",
        "paymentAmount": amount | {"value": "1250"},
        "metadata": {"note": "x" * HUGE},
    }
    return [
        Bad("a tombstone", None, "tombstone"),
        Bad("empty", b"", "event"),
        Bad("not JSON", b"<xml/>", "event"),
        Bad("cut off", changed()[:-10], "event"),
        Bad("truncated UTF-8", changed()[:-1] + b"\xe2\x82", "event"),
        Bad("JSON, but no object", b'["event"]', "one JSON object"),
        Bad("a member missing", changed(eventId=None), "eventId"),
        Bad("three faults", changed(**wrong), "eventId", "occurredAt", "payment.customerId"),
        Bad("over-long inside", changed(payment__customerId=long), "payment.customerId"),
        Bad("no order id", changed(payment__paymentRequestId=None), "payment.paymentRequestId"),
        Bad("no digits", changed(payment__paymentAmount=amount), "payment.paymentAmount.value"),
        Bad("an unknown profile", changed(profile="mpp-to-mars"), "profile"),
        Bad("another's profile", changed(partnerId="merchant"), "profile"),
        Bad("not final", changed(outcome="PROCESSING"), "outcome"),
        Bad("a result inside", changed(payment__result={"resultStatus": "S"}), "payment.result"),
        Bad("plain http", changed(notifyUrl="http://127.0.0.1/x"), "notifyUrl"),
        Bad("no such partner", changed(partnerId="nobody"), "partnerId", reason="unknown-partner"),
        Bad("huge rubbish", b"\xff" * HUGE, "UTF-8", reason="oversized"),
        Bad("a huge body", changed(**merchants, payment=huge), "too large", reason="oversized"),
    ]


def _with(event, members):
    """Return an event with other members; `payment__x` is one of the payment, None takes one away."""
    changed = deepcopy(dict(event))
    for name, value in members.items():
        outer, _, inner = name.partition("__")
        place, last = (changed[outer], inner) if inner else (changed, outer)
        if value is None:
            del place[last]
        else:
            place[last] = value
    return changed


def notification_headers(
    event: Mapping[str, Any], now_ms: int, **other: object
) -> list[tuple[str, bytes]]:
    """Return the headers of a tier record after two attempts, due now; some changed, or left out where None."""
    headers: dict[str, object] = {
        "format": 1,
        "notification-id": event["eventId"],
        "profile": event["profile"],
        "partner-id": event["partnerId"],
        "attempt": 2,
        "parks": 0,
        "replays": 0,
        "due-at-ms": now_ms,
        "occurred-at-ms": now_ms - 5000,
        "accepted-at-ms": now_ms - 4000,
        "first-attempt-at-ms": now_ms - 3000,
        "last-outcome": "U:UNKNOWN_EXCEPTION",
        "origin": "elsewhere/0/0",
        "x-tenant": "one",
    }
    changed = headers | {name.replace("_", "-"): value for name, value in other.items()}
    return [
        (name, value if isinstance(value, bytes) else str(value).encode())
        for name, value in changed.items()
        if value is not None
    ]


def success_body(event: Mapping[str, Any], status: str = "S") -> bytes:
    """Return a request body that tells success."""
    return encode(
        {"paymentResult": {"resultCode": "SUCCESS", "resultStatus": status}, **event["payment"]}
    )


def bad_notifications(make: Callable[[], Mapping[str, Any]], now_ms: int, place: str) -> list[Bad]:
    """Return broken tier records, each made from another good event of `PROFILE`; the place goes into their names."""

    def bad(name, *says, reason="invalid-event", **changes):
        event = make()
        value = changes.pop("value", success_body(event))
        key = changes.pop("key", order_id(event))
        given = notification_headers(event, now_ms, **changes)
        raw = key and key.encode()
        return Bad(f"{name}, {place}", value, *says, reason=reason, headers=given, key=raw)

    null = bad("a null header", "attempt")
    null.headers = [(name, value if name != "attempt" else None) for name, value in null.headers]
    twice = bad("a header twice", "attempt")
    twice.headers.append(("attempt", b"3"))
    bare = bad("no headers", "format", "attempt", "due-at-ms")
    del bare.headers[1:]
    return [
        null,
        twice,
        bare,
        bad("two missing", "profile", "origin", profile=None, origin=None),
        bad("no format", "format", format="one"),
        bad("no number", "attempt", "parks", attempt="two", parks="-1"),
        bad("not UTF-8", "partner-id", partner_id=b"\xff\xfe"),
        bad("no profile", "profile", profile="mpp to mars"),
        bad("a shorter ladder", "15 attempts", attempt="15", reason="attempts-exhausted"),
        bad("no first attempt", "first-attempt-at-ms", first_attempt_at_ms=None),
        bad("a URL with a user", "notify-url", notify_url="https://me:x@127.0.0.1/"),
        bad("no key", "key", key=None),
        bad("another's key", "paymentRequestId", key="other"),
        bad("no body", "value", value=None),
        bad("a body that is no JSON", "body", value=b"{"),
        bad("S and F at once", "paymentResult", value=success_body(make(), "F")),
        bad("no such partner", "partner", reason="unknown-partner", partner_id="nobody"),
        bad("another's profile", "profile", partner_id="merchant"),
    ]


def too_far_away(event: Mapping[str, Any], now_ms: int) -> Bad:
    """Return a tier record that wants to wait for an hour where the wait is seconds."""
    headers = notification_headers(event, now_ms, due_at_ms=now_ms + 3_600_000)
    body, key = success_body(event), order_id(event).encode()
    return Bad("too far away", body, "due-at-ms", headers=headers, key=key)
