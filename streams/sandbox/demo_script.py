"""What happens in the demo: which payments become final, how their partner answers, and where each must end."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from random import Random  # noqa: TID251  # the type only; the generator is passed in

import yaml

from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.keys import PARTNERS, Keys, write_partners_file
from streams.sandbox.ledger import DELIVERED
from streams.sandbox.partner import notify_url
from streams.sandbox.payments import Event, combinations, order_id, payment_event

SILENT = "-silent"
"""Ends the names of the partners that don't answer."""
_CYCLE = 60
"""Payments of a profile after which the special cases come again."""

_ACQUIRER, _MERCHANT = "alipay-plus-to-acquirer", "alipay-to-merchant"


@dataclass(frozen=True, slots=True)
class Case:
    """How a partner behaves towards one payment.

    Attributes:
        script: its answers, see `streams.sandbox.script`.
        ends: where the notification must end: `delivered`, or the dead letter's reason.
        but: where it ends for profiles that take the same answers otherwise.
        silent: whether it keeps calls waiting, so that its entry in the partners file waits 1 s only.
    """

    script: str
    ends: str = DELIVERED
    but: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


_CASES = (
    Case("U,S"),
    Case("F:PROCESS_FAIL", "rejected", {_MERCHANT: "attempts-exhausted"}),
    Case("http:500,http:404,retry-after:1,S"),
    Case("F:KEY_NOT_FOUND,F:INVALID_SIGNATURE,S"),
    Case("U:REQUEST_TRAFFIC_EXCEED_LIMIT,U,S"),
    Case("unsigned", "unverified-acknowledgement", {_MERCHANT: DELIVERED}),
    Case("F:RISK_REJECT,S", "rejected", {_ACQUIRER: DELIVERED, _MERCHANT: DELIVERED}),
    Case("garbage,refuse,drop,oversized,S"),
    Case("wrong-signature", "unverified-acknowledgement"),
    Case("U,S"),
    Case("never", "attempts-exhausted", silent=True),
    Case("wrong-signature-F:RISK_REJECT,unsigned-U,S"),
    Case("drop", "attempts-exhausted"),
    Case("never,slow:0.2", silent=True),
    Case("U", "attempts-exhausted"),
)
_PLAIN = Case("S")


@dataclass(frozen=True, slots=True)
class Planned:
    """A record for the source topic, and where it must end."""

    key: bytes | None
    value: bytes | None
    expected: str
    profile: str = ""
    order_id: str = ""


def plan(count: int, rng: Random, partner_url: str, now: datetime) -> list[Planned]:
    """Return so many payments, round all profiles, outcomes and reasons, and some invalid events between them.

    Args:
        count: how many payments.
        rng: what differs from payment to payment.
        partner_url: scheme, host and port of the partner.
        now: when they became final.
    """
    planned, seen = [], Counter[str]()
    for profile, outcome, reason in islice(cycle(combinations()), count):
        case = _case(profile, seen[profile])
        seen[profile] += 1
        event = payment_event(profile, rng=rng, outcome=outcome, reason=reason, at=now)
        if case is not _PLAIN:
            event["notifyUrl"] = notify_url(partner_url, profile, case.script)
        if case.silent:
            event["partnerId"] += SILENT
        planned.append(_planned(event, case.but.get(profile, case.ends)))
    for number, invalid in enumerate(_invalid(rng, now)):
        planned.insert((number + 1) * 7 % (len(planned) + 1), invalid)
    return planned


def _case(profile: str, number: int) -> Case:
    """Return what happens to a profile's payment; counted from 0. Every second one is special until each case was met."""
    place = number % _CYCLE
    turn = list(PROFILES).index(profile) * 3  # so that a few payments meet many cases
    if place % 2 and place // 2 < len(_CASES):
        return _CASES[(place // 2 + turn) % len(_CASES)]
    return _PLAIN


def _planned(event: Event, expected: str) -> Planned:
    order = order_id(event)
    return Planned(order.encode(), encode(event), expected, event["profile"], order)


def _invalid(rng: Random, now: datetime) -> Iterator[Planned]:
    """Yield events that break a rule: none may reach a partner or hold up the payments behind it."""

    def good() -> Event:
        return payment_event("mpp-to-alipay-plus", rng=rng, at=now)

    yield Planned(b"not-json", b'{"eventId": "evt-', "invalid-event")
    yield Planned(b"tombstone", None, "invalid-event")
    yield Planned(b"cut", "완".encode()[:2], "invalid-event")
    yield _planned(good() | {"outcome": "PENDING"}, "invalid-event")
    yield _planned(good() | {"partnerId": "nobody"}, "unknown-partner")
    amount = good()
    amount["payment"]["paymentAmount"]["value"] = "12.50"
    yield _planned(amount, "invalid-event")
    missing = good()
    del missing["occurredAt"]
    yield _planned(missing, "invalid-event")


def write_partners(directory: Path, partner_url: str, keys: Keys) -> Path:
    """Write the partners file: each profile's partner twice, once with the shortest time-out.

    Request-Time is in milliseconds, so that of two attempts within a second each has a signature of its own.
    """
    urls = {profile: notify_url(partner_url, profile) for profile in PARTNERS}
    options = {name: {"request_time_format": "epoch-ms"} for name in PARTNERS.values()}
    path = write_partners_file(directory, urls, keys, options=options)
    entries = yaml.safe_load(path.read_text("utf-8"))["partners"]
    silent = {
        name + SILENT: deepcopy(entry) | {"attempt_timeout_seconds": 1}
        for name, entry in entries.items()
    }
    path.write_text(
        yaml.safe_dump({"partners": entries | silent}, sort_keys=False, width=1000), "utf-8"
    )
    return path


def moment(now_seconds: float) -> datetime:
    """Return seconds since the epoch as a time with an offset."""
    return datetime.fromtimestamp(now_seconds, UTC)
