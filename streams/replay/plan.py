"""What a replay would do: which dead letters it puts back, which it leaves and why, and how long it takes.

`find_letters` (streams.replay.letters) and `facts_since` bring what is to be judged; `plan` judges, purely;
`run` (streams.replay.run) acts. The command line and the console use the same three.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from streams.history.facts import Fact, Kind, read_fact
from streams.history.text import rfc3339
from streams.kafka.raw import Place
from streams.kafka.reader import OnProgress, RecordReader
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetterReason

DEFAULT_RATE: Final = 20.0
DEFAULT_MAX_REPLAYS: Final = 3
_CLOCKS_MS: Final = 60_000
"""How far the clocks of a worker and a broker may lie apart before a delivery is taken for an older one."""
_DAY_MS: Final = 86_400_000
_REPLAYS_KEPT_MS: Final = 6 * _DAY_MS  # of 7 days, at least
_ATTEMPTS_KEPT_MS: Final = 30 * _DAY_MS  # at least


@dataclass(frozen=True, slots=True)
class Options:
    """How a replay is done.

    Attributes:
        rate_per_second: at most so many are put back.
        max_replays: a notification that was put back so often is left.
        rebuild: bodies are made anew from the events.
        forgotten: also dead letters so old that nobody knows any more what was done about them since.
        partner_known: whether the partners file has an entry.
    """

    rate_per_second: float = DEFAULT_RATE
    max_replays: int = DEFAULT_MAX_REPLAYS
    rebuild: bool = False
    forgotten: bool = False
    partner_known: Callable[[str], bool] = field(default=lambda _: True)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter that is left where it is, and why: a class for counting, and the sentence."""

    letter: Fact
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
    def rate(self) -> float:
        """At most so many a second."""
        return self.options.rate_per_second

    @property
    def seconds(self) -> float:
        """How long it takes at that rate."""
        return len(self.selected) / self.options.rate_per_second

    @property
    def partners(self) -> list[tuple[str, int]]:
        """How many for each partner, the most first."""
        return Counter(letter.partner_id or "unknown" for letter in self.selected).most_common()

    @property
    def skipped_by_kind(self) -> list[tuple[str, int]]:
        """How many are left for each class of reasons, the most first."""
        return Counter(skipped.kind for skipped in self.skipped).most_common()


async def facts_since(
    reader: RecordReader,
    names: TopicNames,
    letters: Sequence[Fact],
    *,
    on_progress: OnProgress | None = None,
) -> list[Fact]:
    """Return what was written about the orders of these dead letters since the oldest of them.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    if not letters:
        return []
    since = min(letter.at_ms for letter in letters) - _CLOCKS_MS
    orders = {letter.order_id for letter in letters if letter.order_id is not None}
    keys: Collection[bytes | None] = {order.encode() for order in orders}
    keyless = any(letter.order_id is None for letter in letters)
    only = next(iter(keys)) if len(keys) == 1 and not keyless else None
    places = {letter.place.header for letter in letters}
    kinds: dict[str, Kind] = {names.attempts: "attempts", names.replay: "replay"}
    topics = (names.attempts, names.replay)
    if only is None:
        spans = await reader.spans(*topics, since_ms=since)
    else:  # what we wrote ourselves stands where it is likely
        spans = (await reader.key_spans(*topics, key=only, since_ms=since)).likely
    found = []
    async for batch in reader.read(spans, on_progress):
        for record in batch:
            # Letters without an order id have a key of payment core's, or none: then the place tells.
            if record.key in keys or keyless:
                fact = read_fact(kinds[record.topic], record)
                if fact.order_id in orders or _put_back(fact) in places:
                    found.append(fact)
    return found


def plan(
    letters: Iterable[Fact],
    facts: Iterable[Fact],
    options: Options,
    now_ms: int,
    *,
    resuming: str | None = None,
) -> ReplayPlan:
    """Return what a replay of these dead letters would do. Pure.

    Args:
        letters: those that are meant.
        facts: what was written about their orders since (`facts_since`), or more.
        options: how.
        now_ms: the present.
        resuming: the run that is gone on with; what it has put back already is not counted as skipped.
    """
    known = _Known(facts, now_ms)
    selected, skipped = [], []
    orders: set[str | None] = set()
    # The youngest first: of several letters of an order it alone says what is still to be told.
    for letter in sorted(letters, key=lambda letter: (letter.at_ms, letter.place), reverse=True):
        before = known.put_back.get(letter.place)
        if before is not None and resuming is not None and before.replay_run == resuming:
            skipped.append(Skipped(letter, "put back by this run", "put back by this run already"))
        elif reason := _why_not(letter, known, options):
            skipped.append(Skipped(letter, *reason))
        elif (order := _order_of(letter)) in orders:
            why = "a later dead letter of the same order is put back instead"
            skipped.append(Skipped(letter, "another of its order", why))
        else:
            selected.append(letter)
            orders.add(order)
    return ReplayPlan(tuple(reversed(selected)), tuple(reversed(skipped)), options)


def _order_of(letter: Fact) -> str | None:
    """Return what no two letters that are put back may share: the order; of an event that can't be read, its bytes.

    The key of such an event is payment core's, and may be the same for all.
    """
    unread = letter.holds_event and letter.reason == DeadLetterReason.INVALID_EVENT
    return letter.value_sha256 if unread else letter.order_id


class _Known:
    """What facts say of dead letters."""

    def __init__(self, facts: Iterable[Fact], now_ms: int) -> None:
        self.now_ms = now_ms
        self.put_back: dict[Place, Fact] = {}
        self.delivered: dict[str, int] = {}
        self.replays: dict[str, int] = {}
        for fact in facts:
            said = fact.record
            # A decision without its record on the replay topic was interrupted before its effect, and does not count;
            # unless it is so old that the record may have been deleted.
            of = _put_back(fact)
            if of is not None and (fact.kind == "replay" or fact.at_ms < now_ms - _REPLAYS_KEPT_MS):
                with suppress(ValueError):
                    self.put_back[Place.parse(of)] = fact
                if fact.notification_id is not None:
                    self.replays[fact.notification_id] = max(
                        self.replays.get(fact.notification_id, 0), fact.replays or 0
                    )
            if said is not None and said.decision == "delivered" and fact.order_id is not None:
                at = said.at_ms if said.ended_at_ms is None else said.ended_at_ms
                self.delivered[fact.order_id] = max(self.delivered.get(fact.order_id, 0), at)


def _put_back(fact: Fact) -> str | None:
    if fact.kind == "replay":
        return fact.replay_of
    return fact.record.replay_of if fact.record is not None else None


def _why_not(letter: Fact, known: _Known, options: Options) -> tuple[str, str] | None:
    """Return why a dead letter is left where it is, or None where it is put back."""
    for rule in (_never, _already, _limit, _partner):
        if (reason := rule(letter, known, options)) is not None:
            return reason
    return None


def _never(letter: Fact, _known: _Known, options: Options) -> tuple[str, str] | None:
    if letter.reason == DeadLetterReason.CONFLICTING_RESULT:
        return (
            "conflicting result",
            "it contradicts the order's first result, and a result that was sent can't be corrected",
        )
    if letter.reason == DeadLetterReason.OVERSIZED:
        return "cut off", "its value was too large and is kept in part only"
    if not letter.holds_event and letter.attempt is None and not options.rebuild:
        return "unreadable", "its headers are not those of a notification"
    return None


def _already(letter: Fact, known: _Known, options: Options) -> tuple[str, str] | None:
    before = known.put_back.get(letter.place)
    if before is not None:
        run = f" by run {before.replay_run}" if before.replay_run else ""
        return "put back before", f"put back{run} at {rfc3339(before.at_ms)}"
    if letter.at_ms < known.now_ms - _ATTEMPTS_KEPT_MS and not options.forgotten:
        return "forgotten", (
            "older than 30 days: whether it was put back or delivered since is not known any more;"
            " --forgotten takes it all the same"
        )
    delivered = known.delivered.get(letter.order_id or "")
    if delivered is not None and delivered >= letter.at_ms - _CLOCKS_MS:
        return "delivered since", f"its order was acknowledged at {rfc3339(delivered)}"
    return None


def _limit(letter: Fact, known: _Known, options: Options) -> tuple[str, str] | None:
    replays = max(letter.replays or 0, known.replays.get(letter.notification_id or "", 0))
    if replays >= options.max_replays:
        return (
            "replayed too often",
            f"put back {replays} times (limit {options.max_replays}; --max-replays)",
        )
    return None


def _partner(letter: Fact, _known: _Known, options: Options) -> tuple[str, str] | None:
    if letter.partner_id is not None and not options.partner_known(letter.partner_id):
        return "unknown partner", "the partners file has no such entry; it would come back at once"
    return None
