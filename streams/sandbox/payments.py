"""Payment events as payment core would write them: all profiles, every outcome, every reason; each profile's sample, varied."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain, cycle, islice, zip_longest
from random import Random  # noqa: TID251  # the type only; the generator is passed in
from typing import Any, Literal

from schemas.fields import InvalidBody
from schemas.iso8601 import is_datetime
from streams.notification.body import SUCCESS_CODE, result_of
from streams.notification.profiles import PROFILES
from streams.notification.reasons import FALLBACK_CODE

Outcome = Literal["SUCCESS", "FAILED", "CANCELLED"]
Event = dict[str, Any]
Combination = tuple[str, Outcome, str | None]

_ZONES = (-300, 0, 330, 480, 510, 540)
"""Offsets from UTC in minutes; +08:30 is what the sources' samples have."""
_LARGEST = {"JPY": 300_000, "KRW": 3_000_000, "USD": 250_000, "CNY": 1_500_000, "EUR": 250_000}
"""In the smallest unit of each currency."""
_LONG_NUMBER = re.compile(r"[0-9]{6,}")
"""In a sample's text: what differs from payment to payment."""
_PAIR = re.compile(r"[A-Z]{3}(/[A-Z]{3})?")
"""A currency, or two that are exchanged."""
_PREFIX = re.compile(r".{0,38}[_-](?=[^_-]*$)")
"""Of an order id: `acq-`, `REQ_`; what comes behind differs from order to order."""
_LATEST = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def payment_event(  # noqa: PLR0913  # one argument for each thing a test may want to fix
    profile: str,
    *,
    rng: Random,
    outcome: Outcome = "SUCCESS",
    reason: str | None = None,
    notify_url: str | None = None,
    at: datetime | None = None,
    partner_id: str | None = None,
) -> Event:
    """Make one event.

    Args:
        profile: its name.
        rng: where everything that differs from event to event is drawn from, ids included.
        outcome: how the payment ended.
        reason: payment core's reason; one of the profile's, drawn, when FAILED and None.
        notify_url: the event's own URL, or None for the partner's.
        at: when the payment became final; drawn from the month before 22 November 2026 when None.
        partner_id: the partner; by default the one that stands for the profile.
    """
    moment = at or _LATEST - timedelta(seconds=rng.randrange(30 * 86_400))
    final = moment.astimezone(UTC) + timedelta(minutes=rng.choice(_ZONES))
    shift = round((final - moment.astimezone(UTC)).total_seconds() / 60)
    final_text = _with_offset(final, shift)
    event: Event = {
        "eventId": f"evt-{_token(rng, 24)}",
        "profile": profile,
        "partnerId": partner_id or PROFILES[profile].sample.partner,
        "outcome": outcome,
        "occurredAt": final_text,
        "payment": _payment(profile, rng, final_text, succeeded=outcome == "SUCCESS"),
    }
    if outcome == "FAILED":
        event["reason"] = reason or rng.choice(sorted(PROFILES[profile].reasons))
    if notify_url is not None:
        event["notifyUrl"] = notify_url
    return event


def combinations() -> Iterator[Combination]:
    """Yield every profile with every outcome and, for FAILED, every reason: known by name and by code."""
    # Profiles take turns, so that a few events cover all.
    for turn in zip_longest(*map(_of_profile, PROFILES)):
        yield from (combination for combination in turn if combination is not None)


def events(
    count: int | None,
    rng: Random,
    *,
    notify_urls: Mapping[str, str] | None = None,
    now: Callable[[], datetime] | None = None,
) -> Iterator[Event]:
    """Yield so many events: every second one SUCCESS, the others round all combinations as often as it takes.

    Args:
        count: how many; None goes on without end. About 550 cover all combinations.
        rng: see `payment_event`.
        notify_urls: URLs by profile; events of the others name none.
        now: tells when a payment becomes final; see `payment_event` when None.
    """
    successes: Iterator[Combination] = ((profile, "SUCCESS", None) for profile in cycle(PROFILES))
    others = cycle(row for row in combinations() if row[1] != "SUCCESS")
    mixed = chain.from_iterable(zip(successes, others, strict=True))
    for profile, outcome, reason in islice(mixed, count):
        url = (notify_urls or {}).get(profile)
        at = now() if now else None
        yield payment_event(profile, rng=rng, outcome=outcome, reason=reason, notify_url=url, at=at)


def order_id(event: Mapping[str, Any]) -> str:
    """Return the order id of an event: the key of everything that is written about it."""
    value: str = event["payment"][PROFILES[event["profile"]].order_id_member]
    return value


def _of_profile(name: str) -> list[Combination]:
    profile = PROFILES[name]
    codes = {code for code, status in profile.codes.items() if status == "F"}
    return [
        (name, "SUCCESS", None),
        (name, "CANCELLED", None),
        *((name, "FAILED", reason) for reason in sorted({*profile.reasons, *codes})),
    ]


def _payment(name: str, rng: Random, final_text: str, *, succeeded: bool) -> dict[str, Any]:
    """Return the profile's sample with other ids, amounts and times, and without some of what may be left out."""
    profile = PROFILES[name]
    names = rng.choice(_choices(name, succeeded=succeeded))
    redrawn = _Redrawn(rng, final_text)
    payment = {name: redrawn.of(profile.sample.payment[name]) for name in names}
    payment = {name: value for name, value in payment.items() if not _of_one_currency(value)}
    prefix = _PREFIX.match(payment[profile.order_id_member])
    payment[profile.order_id_member] = (prefix[0] if prefix else "") + _digits(rng, 24)
    return payment


@cache
def _choices(name: str, *, succeeded: bool) -> tuple[tuple[str, ...], ...]:
    """Return which members of the sample a payment may have: all, all but one, as few as its body takes."""
    result = result_of(SUCCESS_CODE if succeeded else FALLBACK_CODE, None)
    profile = PROFILES[name]
    sample = profile.sample.payment

    def is_taken(names: Iterable[str]) -> bool:
        try:
            _, unsent = profile.body.read({name: sample[name] for name in names}, result)
        except InvalidBody:
            return False
        return not unsent

    most = [name for name in sample if succeeded or name not in profile.body.dropped_on_failure]
    without_one = [[name for name in most if name != left] for left in most]
    fewest = most
    for left in most:
        fewer = [name for name in fewest if name != left]
        fewest = fewer if is_taken(fewer) else fewest
    return tuple(tuple(names) for names in (most, *filter(is_taken, without_one), fewest))


def _of_one_currency(value: object) -> bool:
    """Tell whether it is a quote between a currency and itself: then there is nothing to quote."""
    pair = value.get("quoteCurrencyPair", "") if isinstance(value, dict) else ""
    base, _, quoted = pair.partition("/")
    return bool(pair) and base == quoted


class _Redrawn:
    """A sample's values as another payment has them: one value for each currency, one time, other long numbers."""

    def __init__(self, rng: Random, final_text: str) -> None:
        self._rng, self._final_text = rng, final_text
        self._currencies: dict[str, str] = {}
        self._values: dict[str, str] = {}

    def of(self, value: Any) -> Any:  # noqa: ANN401  # whatever a sample holds
        match value:
            case {"currency": str(currency), "value": str()}:
                drawn = self._currency(currency)
                if drawn not in self._values:
                    self._values[drawn] = str(self._rng.randint(1, _LARGEST[drawn]))
                return {"currency": drawn, "value": self._values[drawn]}
            case dict():
                return {name: self.of(inner) for name, inner in value.items()}
            case list():
                return [self.of(inner) for inner in value]
            case str() if _PAIR.fullmatch(value):
                return "/".join(map(self._currency, value.split("/")))
            case str() if is_datetime(value):
                return self._final_text
        return _LONG_NUMBER.sub(lambda number: _digits(self._rng, len(number[0])), value)

    def _currency(self, sample: str) -> str:
        if sample not in self._currencies:
            self._currencies[sample] = self._rng.choice(tuple(_LARGEST))
        return self._currencies[sample]


def _digits(rng: Random, length: int) -> str:
    return "".join(rng.choices("0123456789", k=length))


def _token(rng: Random, length: int) -> str:
    return "".join(rng.choices("0123456789abcdefghijkmnpqrstuvwxyz", k=length))


def _with_offset(local: datetime, minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{local:%Y-%m-%dT%H:%M:%S}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
