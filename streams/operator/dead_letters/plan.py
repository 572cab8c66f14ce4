"""What a replay would do: which dead letters it puts back, which it leaves and why, and how long it takes.

`each_dead_letter` and `facts_since` bring what is to be judged, `RefusalJudge` what a worker says; `plan` judges, purely;
`run` (streams.operator.dead_letters.run) acts. The command line and the console use the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from streams.kafka.format.facts import Fact, Kind, read_fact
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetterReason
from streams.operator.dead_letters.find import age_order
from streams.operator.dead_letters.refusal import Refusal
from streams.operator.history.text import rfc3339

DEFAULT_RATE: Final = 20.0
DEFAULT_MAX_REPLAYS: Final = 3
_CLOCKS_MS: Final = 60_000
"""How far the clocks of a worker and a broker may lie apart before a delivery is taken for an older one."""
_DAY_MS: Final = 86_400_000
_REPLAYS_KEPT_MS: Final = 6 * _DAY_MS  # of 7 days, at least
_ATTEMPTS_KEPT_MS: Final = 30 * _DAY_MS  # at least

_NEVER: Final = {
    DeadLetterReason.CONFLICTING_RESULT: (
        "conflicting result",
        "it contradicts the order's first result, and a result that was sent can't be corrected",
    ),
    DeadLetterReason.OVERSIZED: ("cut off", "its value was too large and is kept in part only"),
}
_NONE: Final[Mapping[RecordId, Refusal]] = MappingProxyType({})
_FORGOTTEN: Final = (
    "older than 30 days: whether it was put back or delivered since is not known any more;"
    " --forgotten takes it all the same"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a replay is done.

    Attributes:
        rate_per_second: at most so many are put back.
        max_replays: a notification that was put back so often is left.
        rebuild: bodies are made anew from the events.
        forgotten: also dead letters so old that nobody knows any more what was done about them since.
        refused: also those that a worker is sure to refuse again.
    """

    rate_per_second: float = DEFAULT_RATE
    max_replays: int = DEFAULT_MAX_REPLAYS
    rebuild: bool = False
    forgotten: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter that is left where it is, and why: a class for counting, and the sentence."""

    dead_letter: Fact
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would do.

    Attributes:
        selected: what is put back, oldest first.
        skipped: what is left.
        options: as given.
    """

    selected: tuple[Fact, ...]
    skipped: tuple[Skipped, ...]
    options: Options

    @property
    def seconds(self) -> float:
        """How long it takes at the rate of the options."""
        return len(self.selected) / self.options.rate_per_second

    @property
    def partners(self) -> list[tuple[str, int]]:
        """How many for each partner, the most first."""
        return Counter(dead.partner_id or "unknown" for dead in self.selected).most_common()

    @property
    def skipped_by_kind(self) -> list[tuple[str, int]]:
        """How many are left for each class of reasons, the most first."""
        return Counter(skipped.kind for skipped in self.skipped).most_common()


async def facts_since(
    reader: RecordReader,
    names: TopicNames,
    dead_letters: Sequence[Fact],
    *,
    on_progress: OnProgress | None = None,
) -> list[Fact]:
    """Return what was written about the orders of these dead letters since the oldest of them.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    if not dead_letters:
        return []
    since = min(dead.at_ms for dead in dead_letters) - _CLOCKS_MS
    orders = _orders_of(dead_letters)
    record_ids = {dead.record_id.header for dead in dead_letters}
    kinds: dict[str, Kind] = {names.attempts: "attempts", names.replay: "replay"}
    if len(orders) == 1 and all(map(_has_order_as_key, dead_letters)):
        (order,) = orders  # what we wrote ourselves stands where it is likely
        spans = (await reader.key_spans(*kinds, key=order.encode(), since_ms=since)).likely
    else:
        spans = await reader.spans(*kinds, since_ms=since)
    facts = []
    async for batch in scan(reader, spans, may_be_since(dead_letters), on_progress):
        for record in batch:
            fact = read_fact(kinds[record.topic], record)
            if fact.order_id in orders or _replay_of(fact) in record_ids:
                facts.append(fact)
    return facts


def may_be_since(dead_letters: Sequence[Fact]) -> Callable[[Any], bool]:
    """Return what tells of a record of aiokafka's whether it may say what was done about these dead letters.

    What puts one back is told by the place that it names: it has the key of the dead letter, which no fact holds.
    """
    places = {dead.record_id.header.encode() for dead in dead_letters}
    keys: set[bytes | None] = {order.encode() for order in _orders_of(dead_letters)}
    if any(dead.order_id is None for dead in dead_letters):
        keys.add(None)  # of the decision to put one back
    return lambda record: (
        record.key in keys
        or any(name == "replay-of" and value in places for name, value in record.headers)
    )


def plan(  # noqa: PLR0913  # what is judged, by what, and how
    dead_letters: Iterable[Fact],
    facts: Iterable[Fact],
    options: Options,
    now_ms: int,
    *,
    resuming: str | None = None,
    refusals: Mapping[RecordId, Refusal] = _NONE,
) -> ReplayPlan:
    """Return what a replay of these dead letters would do. Pure.

    Args:
        dead_letters: those that are meant.
        facts: what was written about their orders since (`facts_since`), or more.
        options: how.
        now_ms: the present.
        resuming: the run that is gone on with; what it has put back already is not counted as skipped.
        refusals: what a worker is sure to refuse again, by place.
    """
    since = _Since(facts, now_ms)
    selected, skipped = [], []
    taken: defaultdict[str | None, set[str | None]] = defaultdict(set)  # partners by order
    # The youngest first: of several of an order it alone says what is still to be told.
    for dead in sorted(dead_letters, key=age_order, reverse=True):
        order = _order_of(dead)
        refusal = None if options.refused else refusals.get(dead.record_id)
        if reason := next(_why_left(dead, since, options, resuming), refusal):
            skipped.append(Skipped(dead, *reason))
        elif any(_may_be_same(dead.partner_id, partner) for partner in taken[order]):
            why = "a later dead letter of the same order is put back instead"
            skipped.append(Skipped(dead, "another of its order", why))
        else:
            selected.append(dead)
            taken[order].add(dead.partner_id)
    return ReplayPlan(tuple(reversed(selected)), tuple(reversed(skipped)), options)


def _may_be_same(partner_id: str | None, other: str | None) -> bool:
    """Tell whether two records of an order may be about the same partner: merchants number their orders as they like."""
    return partner_id is None or other is None or partner_id == other


def _order_of(dead: Fact) -> str | None:
    """Return what no two dead letters of a partner that are put back may share: the order; of an event that can't be read, its bytes.

    The key of such an event is payment core's, and may be the same for all.
    """
    return dead.value_sha256 if _is_unread_event(dead) else dead.order_id


def _orders_of(dead_letters: Iterable[Fact]) -> set[str]:
    """Return the order ids that these dead letters say, as the attempts records about them have them."""
    return {dead.order_id for dead in dead_letters if dead.order_id is not None}


def _has_order_as_key(dead: Fact) -> bool:
    """Tell whether a dead letter is sure to be keyed by its order id.

    An event that can't be read keeps payment core's key, or none. Its order id is then that key as text, which is another
    where the key is no UTF-8, or was found in a value that intake refuses.
    """
    return dead.order_id is not None and not _is_unread_event(dead)


def _is_unread_event(dead: Fact) -> bool:
    return dead.holds_event and dead.reason == DeadLetterReason.INVALID_EVENT


class _Since:
    """What was done since the dead letters were written.

    Attributes:
        now_ms: the present.
        replayed: what put a dead letter back, by its place.
        delivered: when an order was acknowledged last, by each partner.
        replays: how often a notification was put back.
    """

    def __init__(self, facts: Iterable[Fact], now_ms: int) -> None:
        self.now_ms = now_ms
        self.replayed: dict[RecordId, Fact] = {}
        self.delivered: defaultdict[str, dict[str | None, int]] = defaultdict(dict)
        self.replays: dict[str, int] = {}
        for fact in facts:
            # A decision without its record on the replay topic was interrupted before its effect, and does not count;
            # unless it is so old that the record may have been deleted.
            of = _replay_of(fact)
            if of is not None and (fact.kind == "replay" or fact.at_ms < now_ms - _REPLAYS_KEPT_MS):
                with suppress(ValueError):
                    self.replayed[RecordId.parse(of)] = fact
                if (name := fact.notification_id) is not None:
                    self.replays[name] = max(self.replays.get(name, 0), fact.replays or 0)
            record, order = fact.record, fact.order_id
            if record is not None and record.decision == "delivered" and order is not None:
                at = record.at_ms if record.ended_at_ms is None else record.ended_at_ms
                by_partner = self.delivered[order]
                by_partner[fact.partner_id] = max(by_partner.get(fact.partner_id, 0), at)

    def delivered_at(self, dead: Fact) -> int | None:
        """Return when the partner that a dead letter is for acknowledged its order last; None for never."""
        by_partner = self.delivered.get(dead.order_id or "", {})
        return max(
            (at for partner, at in by_partner.items() if _may_be_same(dead.partner_id, partner)),
            default=None,
        )


def _replay_of(fact: Fact) -> str | None:
    """Return what a fact says was put back: a record of the replay topic, or the decision to write one."""
    if fact.kind == "replay":
        return fact.replay_of
    return fact.record.replay_of if fact.record is not None else None


def _why_left(
    dead: Fact, since: _Since, options: Options, resuming: str | None
) -> Iterator[tuple[str, str]]:
    """Yield why a dead letter is left where it is, the first reason first; nothing where it is put back."""
    before = since.replayed.get(dead.record_id)
    if before is not None and resuming is not None and before.replay_run == resuming:
        yield "put back by this run", "put back by this run already"
    if dead.reason in _NEVER:
        yield _NEVER[DeadLetterReason(dead.reason)]
    if not dead.holds_event and dead.attempt is None and not options.rebuild:
        yield "unreadable", "its headers are not those of a notification"
    if before is not None:
        run = f" by run {before.replay_run}" if before.replay_run else ""
        yield "put back before", f"put back{run} at {rfc3339(before.at_ms)}"
    if dead.at_ms < since.now_ms - _ATTEMPTS_KEPT_MS and not options.forgotten:
        yield "forgotten", _FORGOTTEN
    delivered = since.delivered_at(dead)
    if delivered is not None and delivered >= dead.at_ms - _CLOCKS_MS:
        yield "delivered since", f"its order was acknowledged at {rfc3339(delivered)}"
    replays = max(dead.replays or 0, since.replays.get(dead.notification_id or "", 0))
    if replays >= options.max_replays:
        yield (
            "replayed too often",
            f"put back {replays} times (limit {options.max_replays}; --max-replays)",
        )
