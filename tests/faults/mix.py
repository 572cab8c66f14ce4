"""How the partner answers under load, and where each event must end.

The ladder is scaled by 0.3: the shortest waits, 0.3 s and 0.9 s, stay above the commit interval of 150 ms. With a
shorter one a retry could be settled, and its offset committed, before the offset of the record that it came from is:
a crash between the two would leave a second copy of a retry that nobody remembers, and that is a fault of the
rehearsal, not of the notifier, whose shortest wait is 1 s.

Scripts are such that a repeated request changes nothing about where the event ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random  # noqa: TID251  # the type only; the generator is passed in

from streams.notification.profiles import PROFILES
from streams.sandbox.ledger import DELIVERED
from streams.sandbox.partner import notify_url
from streams.sandbox.payments import Event, payment_event

SCALE = 0.3

_SHORT_FIRST_WAIT = {
    name for name, profile in PROFILES.items() if profile.ladder.waits[0].seconds <= 1
}
"""Profiles whose ladder begins with 1 s and 3 s; the others' begins with 2 m, which is 36 s here."""

_CLIMBING: dict[str, float] = {
    "U,S": 8,
    "U,U,S": 3,
    "unsigned,S": 3,
    "F:KEY_NOT_FOUND,S": 1,
    "http:500,garbage,S": 1,
    "drop,S": 1,
}
_FINAL = {"S": 79.0, "F:RISK_REJECT": 4.0}


@dataclass(frozen=True, slots=True)
class Planned:
    """An event and the place where it must end."""

    event: Event
    expected: str


def mix(rng: Random, partner_url: str, prefix: str, climbers: int = 0) -> Iterator[Planned]:
    """Yield events of all profiles in turn, without end; most are taken at the first call.

    Args:
        rng: draws payments and scripts.
        partner_url: scheme, host and port.
        prefix: of the event ids, before the sequence number.
        climbers: how many events of the profiles whose first wait is long are refused at first.
    """
    left = climbers
    for number, profile in enumerate(cycle(PROFILES)):
        answers = dict(_FINAL)
        if not PROFILES[profile].f_is_final("RISK_REJECT"):
            del answers["F:RISK_REJECT"]
        if profile in _SHORT_FIRST_WAIT:
            answers |= _CLIMBING
        elif left and number % 3 == 0:
            left -= 1
            answers = {"U,S": 1.0}
        elif not PROFILES[profile].signed_answer:
            answers["unsigned"] = 5.0
        script = rng.choices(list(answers), list(answers.values()))[0]
        url = notify_url(partner_url, profile, script)
        event = payment_event(profile, rng=rng, notify_url=url)
        event["eventId"] = f"{prefix}-{number:06}"
        yield Planned(event, "rejected" if script.startswith("F:RISK") else DELIVERED)
