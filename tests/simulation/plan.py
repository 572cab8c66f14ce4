"""What happens in a world, as a value: drawn from a seed, cut smaller by whoever looks for the cause of a fault."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251  # seeded
from typing import Final

from streams.notification.profiles import PROFILES
from streams.sandbox.ledger import DELIVERED

SOURCE: Final = "payments"
"""The topic that payment core writes to."""

PLACES: Final = (
    "before the due time",
    "waiting for room",
    "signing",
    "call under way",
    "answer judged",
    "next place written",
    "attempts record written",
    "before the commit",
    "during the drain",
    "during hand-over",
)
"""Where a record is when something goes wrong."""

REST_SECONDS: Final = 3
MISDEEDS: Final = {
    "partner answers 500": "http:500",
    "partner asks for a rest": f"retry-after:{REST_SECONDS}",
    "partner answers nonsense": "garbage",
    "partner lies": "wrong-signature",
    "partner hangs": "never",
    "partner drips": "drip",
    "partner closes": "refuse",
    "partner breaks off": "drop",
}

HARMFUL: Final = (
    "crash",
    "session expired",
    "worker stands still",
    "worker cut off",
    "commit refused",
    "commit late",
    "coordinator moves",
    "produce refused",
    "produce lost after the write",
    "produce acknowledged late",
    "truncated tail",
    "broker away",
    "topic made again",
)
"""What may make the notifier repeat an attempt."""

KINDS: Final = (
    *HARMFUL,
    "revocation",
    "member joins again",
    "stop and start",
    "fetch again",
    *MISDEEDS,
    "clock step",
    "partners file changed",
)
"""What goes wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: one of `KINDS`.
        place: one of `PLACES`.
        nth: at which time that a record comes there.
        callbacks: how many callbacks of the worker later.
        seconds: how long it lasts, or how late something is.
        choice: from 0 to 1, of what is left to choose.
    """

    kind: str
    place: str
    nth: int
    callbacks: int
    seconds: float
    choice: float


@dataclass(frozen=True, slots=True)
class Payment:
    """An event that payment core writes.

    Attributes:
        at: when, seconds from the begin.
        profile: about what.
        script: how its partner answers.
        marker: how the transaction ends in which it is written; empty for none.
        again: after how many seconds it is written once more; None for never.
        put_back: after how many seconds an operator looks for its dead letter and puts it back; None for never.
        differs: in what it differs then: `bytes`, `outcome` or nothing.
    """

    at: float
    profile: str
    script: str
    marker: str = ""
    again: float | None = None
    differs: str = ""
    put_back: float | None = None

    @property
    def expected(self) -> str:
        """Where it must end; empty for any place."""
        if self.put_back is not None:
            return ""  # delivered, where the operator found it
        last = self.script.rpartition(",")[2]
        if last == "S":
            return DELIVERED
        return "rejected" if last.startswith("F:RISK") else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A world.

    Attributes:
        seed: of everything that is drawn while it runs.
        brokers: how many.
        partitions: of each topic.
        workers: their roles.
        scale: of the ladders.
        max_in_flight: of a worker.
        limits: of each partner: calls at once, and a rate or 0.
        lanes: records of a partition that are read and not settled, and of these not begun; None for those of production,
            which no world reaches.
        payments: what payment core writes.
        faults: what goes wrong.
    """

    seed: int
    brokers: int
    partitions: int
    workers: tuple[str, ...]
    scale: float
    max_in_flight: int
    limits: tuple[int, float]
    lanes: tuple[int, int] | None
    payments: tuple[Payment, ...]
    faults: tuple[Fault, ...]

    @property
    def has_room(self) -> bool:
        """Whether its calls wait for nothing, as long as all goes well."""
        return self.max_in_flight >= 4 and self.limits == (64, 0.0) and self.lanes is None

    @property
    def events(self) -> int:
        """How many events payment core writes."""
        return len(self.payments) + sum(one.again is not None for one in self.payments)


_REFUSED: Final = "F:RISK_REJECT"
_SCRIPTS: Final = {
    "S": 6.0,
    "U,S": 4.0,
    "U,U,U,S": 3.0,
    "http:500,never,S": 1.0,
    "refuse,U,S": 1.0,
    "slow:2,S": 1.0,
    "U,U,U,U,U,U,S": 1.0,
    "F:KEY_NOT_FOUND,S": 1.0,
    _REFUSED: 1.0,
}
_MEET_BADLY: Final = (
    "worker stands still",
    "worker cut off",
    "session expired",
    "crash",
    "commit late",
    "coordinator moves",
    "broker away",
    "truncated tail",
    "produce acknowledged late",
)
_LANES: Final = (None, None, (1, 1), (2, 1), (4, 2), (12, 4))
_TO_THE_END: Final = {"U": 1.0, "never": 0.3, "U,U,U,U,U,U,S": 1.0, "U,http:500,U,U,S": 1.0}


def draw(seed: int, *, unscaled: bool = False) -> Plan:
    """Draw a world.

    Args:
        seed: names it.
        unscaled: whether its ladders take the time that they take in production.
    """
    rng = Random(f"plan {seed}")  # noqa: S311  # no secret
    profiles = rng.sample(list(PROFILES), rng.choice([1, 2, 3]))
    count = rng.randrange(2, 6) if unscaled else rng.randrange(3, 13)
    span = rng.choice([0.5, 3.0, 10.0])
    scripts = dict(_TO_THE_END) if unscaled else dict(_SCRIPTS)
    payments = []
    again, back = (Random(f"{what} {seed}") for what in ("again", "back"))  # noqa: S311  # no secret
    for _ in range(count):
        profile = rng.choice(profiles)
        choices = dict(scripts)
        if not PROFILES[profile].f_is_final("RISK_REJECT"):
            choices.pop(_REFUSED, None)
        if PROFILES[profile].f_is_final("KEY_NOT_FOUND"):
            choices.pop("F:KEY_NOT_FOUND", None)
        script = rng.choices(list(choices), list(choices.values()))[0]
        marker = rng.choices(["", "commit", "abort"], [8, 1, 1])[0]
        at = round(rng.random() * span, 3)
        payment = Payment(at, profile, script, marker, *written_again(again))
        if script == _REFUSED and back.random() < 0.8:
            seconds = round(back.choice([0.5, 3.0, 15.0]) * (0.5 + back.random()), 3)
            payment = replace(payment, put_back=seconds)
        payments.append(payment)
    faults = tuple(
        Fault(
            rng.choice(KINDS),
            rng.choice(PLACES),
            rng.choice([1, 1, 1, 2, 2, 3, 5, 8]),
            rng.choice([0, 0, 1, 2, 3, 5, 8, 13, 30]),
            round(rng.choice([0.5, 2.0, 5.0, 12.0, 20.0]) * (0.5 + rng.random()), 2),
            round(rng.random(), 6),
        )
        for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 5]))
    )
    # What was not written or not committed shows when the worker ends before it is mended.
    faults += tuple(
        Fault("crash", "before the commit", rng.choice([2, 3, 5]), rng.choice([0, 3, 8]), 1.0, 0.5)
        for fault in faults
        if fault.kind.startswith(("produce", "commit")) and rng.random() < 0.4
    )
    return Plan(
        seed=seed,
        brokers=rng.choice([1, 3]),
        partitions=rng.choice([1, 2, 2, 3]),
        workers=rng.choice(
            [
                ("all",),
                ("all", "all"),
                ("all", "all"),
                ("main", "retry"),
                ("main", "retry", "retry"),
            ]
        ),
        scale=1.0 if unscaled else rng.choice([0.3, 0.3, 0.1]),
        max_in_flight=rng.choice([1, 2, 4, 512]),
        limits=rng.choice([(64, 0.0), (64, 0.0), (1, 0.0), (64, 2.0)]),
        lanes=Random(f"lanes {seed}").choice(_LANES),  # noqa: S311  # no secret
        payments=tuple(payments),
        faults=faults,
    )


def written_again(rng: Random) -> tuple[float | None, str]:
    """Draw whether and when an event is written once more, and in what it differs then."""
    if rng.random() < 0.85:
        return None, ""
    seconds = round(rng.choice([0.0, 0.3, 2.0, 10.0]) * (0.5 + rng.random()), 3)
    return seconds, rng.choice(["", "", "", "bytes", "outcome"])


def directed(plan: Plan) -> Plan:
    """Return the plan with one more fault, whose kind and place follow from its seed: so many worlds leave none untried.

    What takes records to that place is put in as well.
    """
    rng = Random(f"directed {plan.seed}")  # noqa: S311  # no secret
    kind = KINDS[plan.seed % len(KINDS)]
    place = PLACES[plan.seed // len(KINDS) % len(PLACES)]
    fault = Fault(
        kind, place, rng.choice([1, 1, 2]), rng.choice([0, 1, 2, 3, 5, 8]),
        round(rng.choice([0.5, 3.0, 12.0]) * (0.5 + rng.random()), 2), round(rng.random(), 6),
    )  # fmt: skip
    faults = (fault, *plan.faults[:3])
    first, *others = plan.payments
    first = replace(first, script="U,S")
    if place == "waiting for room":
        more = tuple(replace(first, at=0.1 * number, again=None) for number in range(6))
        return replace(plan, faults=faults, payments=(*more, *others), limits=(1, 0.0))
    if place == "during the drain":
        revocation = Fault("revocation", "call under way", 1, 0, 0.0, round(rng.random(), 6))
        faults = (revocation, *faults)
    return replace(plan, faults=faults, payments=(first, *others))


def crowded(plan: Plan) -> Plan:
    """Return the plan with five to eight faults more, of any kind: what no fault does alone, two may do together."""
    rng = Random(f"crowded {plan.seed}")  # noqa: S311  # no secret
    more = (_any_time(rng, rng.choice(KINDS), PLACES) for _ in range(rng.randrange(5, 9)))
    return replace(plan, faults=(*plan.faults, *more))


def with_topics_made_again(plan: Plan) -> Plan:
    """Return the plan with topics made again, up to three times, and up to two faults more that meet badly with it."""
    rng = Random(f"topics {plan.seed}")  # noqa: S311  # no secret
    while_records_are_about = PLACES[:8]
    kinds = ["topic made again"] * rng.randrange(1, 4) + rng.sample(
        _MEET_BADLY, rng.randrange(0, 3)
    )
    more = [_any_time(rng, kind, while_records_are_about) for kind in kinds]
    return replace(plan, faults=(*plan.faults, *more))


def _any_time(rng: Random, kind: str, places: Sequence[str]) -> Fault:
    return Fault(
        kind, rng.choice(places), rng.randrange(1, 9), rng.choice([0, 1, 2, 3, 5, 8, 13, 30]),
        round(rng.choice([0.2, 0.5, 2.0, 5.0, 12.0, 20.0, 30.0]) * (0.5 + rng.random()), 2), round(rng.random(), 6),
    )  # fmt: skip
