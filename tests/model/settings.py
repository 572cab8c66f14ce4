"""The small worlds that are looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from streams.kafka.format.records import InRecord, OutRecord
from streams.notification.ladder import Wait
from tests.model.handling import SOURCE, Write, next_effect
from tests.model.records import NAMES, payment

FAULTS: Final = frozenset({"crash", "rebalance", "session ends"})
HITCHES: Final = frozenset({"late commit", "stored again", "drain ends"})


@dataclass(frozen=True)
class Setting:
    """How large the world is.

    Attributes:
        name: for people.
        logs: of each partition that is read, what stands there at the beginning.
        topics: of these partitions.
        answers: of partners, by attempt; each may come.
        made: attempts that partners had seen before: notification and number.
        faults: crashes, rebalances and ended sessions, so many in all.
        hitches: smaller faults, so many in all.
        kinds: which of them there are.
        queue: records between the fetch and the lanes of a worker, so many at most.
        lingers: whether anything may happen while they are there.
        splits: whether the records of one write are stored one by one.
        pauses: whether a partner's entry may say `paused`.
        returns: whether a worker whose session has ended joins again.
        least: states that it has at least; a model that stands still finds nothing.
    """

    name: str
    logs: tuple[tuple[OutRecord, ...], ...]
    topics: tuple[str, ...]
    answers: Mapping[int, str]
    made: frozenset[tuple[str, int]] = frozenset()
    faults: int = 1
    hitches: int = 1
    kinds: frozenset[str] = FAULTS | HITCHES
    queue: int = 1
    lingers: bool = False
    splits: bool = False
    pauses: bool = False
    returns: bool = False
    least: int = 1


def _retry(number: int) -> OutRecord:
    """Return the record of a payment that was attempted once."""
    first = payment(number)
    read = InRecord(first.topic, 0, 9, first.key, first.value, first.headers)
    effect = next_effect(read, frozenset(), ("U",))
    assert isinstance(effect, Write)
    return effect.records[0]


EVENTS: Final = Setting(
    name="events of two partitions, whose retries come to rest",
    logs=((payment(0), payment(1)), (payment(2),)),
    topics=(SOURCE, SOURCE),
    answers={1: "U"},
)
RETRIES: Final = Setting(
    name="events of one partition, whose retries are read from another",
    logs=((payment(0), payment(1)), (_retry(2),)),
    topics=(SOURCE, NAMES.tier(Wait.parse("1s"))),
    answers={1: "U", 2: "S"},
    made=frozenset({("payment-2", 1)}),
)


def _of(setting: Setting, name: str, least: int, **changes: object) -> Setting:
    return replace(setting, name=f"{setting.name}; {name}", least=least, **changes)  # type: ignore[arg-type]  # a table


_REBALANCE: Final = {"kinds": frozenset({"rebalance"}), "hitches": 0}
_CRASH: Final = {"kinds": frozenset({"crash"}), "hitches": 0}
_SESSION: Final = {"kinds": frozenset({"session ends"}), "hitches": 0}

SMALL: Final = (
    _of(EVENTS, "one crash, rebalance or ended session", 40_000, hitches=0),
    _of(EVENTS, "a late commit, a write repeated, a write in parts", 1_500, faults=0, splits=True),
    _of(RETRIES, "nothing goes wrong", 3_000, faults=0, hitches=0),
)
"""Looked at in seconds, by the tests."""

LARGE: Final = (
    _of(
        EVENTS,
        "a rebalance, and one smaller fault",
        50_000,
        kinds=frozenset({"rebalance"}) | HITCHES,
    ),
    _of(RETRIES, "one smaller fault", 40_000, faults=0),
    _of(RETRIES, "a rebalance", 35_000, **_REBALANCE),
    _of(EVENTS, "every answer, and a rebalance", 15_000, **_REBALANCE, answers={1: "SUF"}),
    _of(
        EVENTS,
        "records linger before the lanes, and a rebalance",
        3_000,
        **_REBALANCE,
        lingers=True,
        queue=2,
    ),
    _of(EVENTS, "an ended session, whose worker comes back", 30_000, **_SESSION, returns=True),
    _of(EVENTS, "a crash, and writes in parts", 45_000, **_CRASH, splits=True),
    _of(EVENTS, "two rebalances", 6_000, **_REBALANCE, faults=2),
    _of(
        EVENTS,
        "partners that are paused at times, and a rebalance",
        15_000,
        **_REBALANCE,
        pauses=True,
    ),
)
"""Looked at by `make model`, in minutes."""
