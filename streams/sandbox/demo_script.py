"""What happens in the demo: which payments become final, how their partner answers, and where each must end."""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from random import Random  # noqa: TID251  # the type only; the generator is passed in

import yaml

from streams.notification.decision import DeadLetterReason
from streams.notification.profile import Profile
from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.keys import PARTNERS, Keys, write_partners_file
from streams.sandbox.ledger import DELIVERED
from streams.sandbox.partner import notify_url
from streams.sandbox.payments import Event, combinations, order_id, payment_event
from streams.sandbox.script import Script

SILENT = "-silent"
"""Ends the names of the partners that don't answer."""
_CYCLE = 60
"""Payments of a profile after which the special cases come again."""


@dataclass(frozen=True, slots=True)
class Case:
    """How a partner behaves towards one payment.

    Attributes:
        script: its answers, see `streams.sandbox.script`.
        silent: whether it keeps calls waiting, so that its entry in the partners file waits 1 s only.
    """

    script: str
    silent: bool = False


_CASES = (
    Case("U,S"),
    Case("F:PROCESS_FAIL"),
    Case("http:500,http:404,retry-after:1,S"),
    Case("F:KEY_NOT_FOUND,F:INVALID_SIGNATURE,S"),
    Case("U:REQUEST_TRAFFIC_EXCEED_LIMIT,U,S"),
    Case("unsigned"),
    Case("F:RISK_REJECT,S"),
    Case("garbage,refuse,drop,oversized,S"),
    Case("wrong-signature"),
    Case("U,S"),
    Case("never", silent=True),
    Case("wrong-signature-F:RISK_REJECT,unsigned-U,S"),
    Case("drop"),
    Case("never,slow:0.2", silent=True),
    Case("U"),
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
        planned.append(_planned(event, ends(PROFILES[profile], case.script)))
    for number, invalid in enumerate(_invalid(rng, now)):
        planned.insert((number + 1) * 7 % (len(planned) + 1), invalid)
    return planned


def ends(profile: Profile, script: str) -> str:
    """Return where a notification must end whose partner answers so: `delivered`, or the dead letter's reason."""
    answers, claimed = Script.parse(script), False
    for attempt in range(1, profile.ladder.attempts + 1):
        answer = answers.at(attempt)
        told = answer.kind in {"result", "slow", "hold"}
        counts = answer.signature == "right" or (
            answer.signature == "none" and not profile.signed_answer
        )
        if told and counts and answer.status == "S":
            return DELIVERED
        if told and counts and answer.status == "F" and profile.f_is_final(answer.code):
            return DeadLetterReason.REJECTED
        claimed = told and not counts and answer.status == "S"
    return (
        DeadLetterReason.UNVERIFIED_ACKNOWLEDGEMENT
        if claimed
        else DeadLetterReason.ATTEMPTS_EXHAUSTED
    )


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
        return payment_event(next(iter(PROFILES)), rng=rng, at=now)

    yield Planned(b"not-json", b'{"eventId": "evt-', "invalid-event")
    yield Planned(b"tombstone", None, "invalid-event")
    yield Planned(b"cut", "완".encode()[:2], "invalid-event")
    yield _planned(good() | {"outcome": "PENDING"}, "invalid-event")
    yield _planned(good() | {"partnerId": "nobody"}, "unknown-partner")
    number = good()
    number["payment"]["orderTotal"] = 12.5
    yield _planned(number, "invalid-event")
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
