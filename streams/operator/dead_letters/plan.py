"""What a replay would do: which dead letters it puts back, which it leaves and why, and how long it takes.

`each_dead_letter` and `facts_since` (streams.operator.dead_letters.done_since) bring what is to be judged,
`RefusalJudge` what a worker says; `plan` judges, purely; `run` (streams.operator.dead_letters.run) acts. The command line
and the console use the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.reader import Span
from streams.notification.decision import DeadLetterReason
from streams.operator.dead_letters.done_since import (
    CLOCKS_MS,
    DoneSince,
    is_unread_event,
    may_be_same,
    of_replay,
)
from streams.operator.dead_letters.find import age_order
from streams.operator.dead_letters.refusal import Refusal
from streams.operator.history.text import rfc3339

DEFAULT_RATE: Final = 20.0
DEFAULT_MAX_REPLAYS: Final = 3
_ATTEMPTS_KEPT_MS: Final = 30 * 86_400_000  # at least

_NEVER: Final = {
    DeadLetterReason.CONFLICTING_RESULT: (
        "conflicting result",
        "it contradicts the order's first result, and a result that was sent can't be corrected",
    ),
    DeadLetterReason.OVERSIZED: ("cut off", "its value was too large and is kept in part only"),
}
_NONE: Final[Mapping[RecordId, Refusal]] = MappingProxyType({})
_FORGOTTEN: Final = (
    "from before {}: whether it was put back or delivered since is not known any more here;"
    " `notifier dead-letters replay` knows 30 days, and takes it with --forgotten all the same"
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
        left_out: what could not be read for it.
    """

    selected: tuple[Fact, ...]
    skipped: tuple[Skipped, ...]
    options: Options
    left_out: tuple[Span, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it takes at the rate of the options."""
        return len(self.selected) / self.options.rate_per_second

    @property
    def unread_since(self) -> list[Span]:
        """Where it may stand that one was put back or delivered; a dead letter that can't be read is put back by nobody."""
        letters = *self.selected, *(skipped.dead_letter for skipped in self.skipped)
        own = {dead.topic for dead in letters}
        return [span for span in self.left_out if span.topic not in own]

    @property
    def partners(self) -> list[tuple[str, int]]:
        """How many for each partner, the most first."""
        return Counter(dead.partner_id or "unknown" for dead in self.selected).most_common()

    @property
    def skipped_by_kind(self) -> list[tuple[str, int]]:
        """How many are left for each class of reasons, the most first."""
        return Counter(skipped.kind for skipped in self.skipped).most_common()


def plan(  # noqa: PLR0913  # what is judged, by what, and how
    dead_letters: Iterable[Fact],
    facts: Iterable[Fact],
    options: Options,
    now_ms: int,
    *,
    known_since_ms: int,
    resuming: str | None = None,
    refusals: Mapping[RecordId, Refusal] = _NONE,
) -> ReplayPlan:
    """Return what a replay of these dead letters would do. Pure.

    Args:
        dead_letters: those that are meant.
        facts: what was written about their orders since (`facts_since`), or more.
        options: how.
        now_ms: the present.
        known_since_ms: from when on the facts are all that was done. What was dead-lettered before is left: it may have
            been put back and delivered.
        resuming: the run that is gone on with; what it has put back already is not counted as skipped.
        refusals: what a worker is sure to refuse again, by place.
    """
    since = DoneSince(facts, now_ms)
    selected, skipped = [], []
    taken: defaultdict[str | None, set[str | None]] = defaultdict(set)  # partners by order
    # The youngest first: of several of an order it alone says what is still to be told.
    for dead in sorted(dead_letters, key=age_order, reverse=True):
        order = _order_of(dead)
        refusal = None if options.refused else refusals.get(dead.record_id)
        if reason := next(_why_left(dead, since, known_since_ms, options, resuming), refusal):
            skipped.append(Skipped(dead, *reason))
        elif any(may_be_same(dead.partner_id, partner) for partner in taken[order]):
            why = "a later dead letter of the same order is put back instead"
            skipped.append(Skipped(dead, "another of its order", why))
        else:
            selected.append(dead)
            taken[order].add(dead.partner_id)
    return ReplayPlan(tuple(reversed(selected)), tuple(reversed(skipped)), options)


def attempts_kept_since(now_ms: int, oldest_ms: int | None = None) -> int:
    """Return from when on the attempts topic says all that was done.

    Args:
        now_ms: the present.
        oldest_ms: when its oldest record was written, or None: a topic that was made anew knows nothing of before. A dead
            letter has a record there that was written with it, so that the oldest one of all has one too.
    """
    kept = now_ms - _ATTEMPTS_KEPT_MS
    return kept if oldest_ms is None else max(kept, oldest_ms - CLOCKS_MS)


def _order_of(dead: Fact) -> str | None:
    """Return what no two dead letters of a partner that are put back may share: the order; of an event that can't be read, its bytes.

    The key of such an event is payment core's, and may be the same for all.
    """
    return dead.value_sha256 if is_unread_event(dead) else dead.order_id


def _why_left(
    dead: Fact, since: DoneSince, known_since_ms: int, options: Options, resuming: str | None
) -> Iterator[tuple[str, str]]:
    """Yield why a dead letter is left where it is, the first reason first; nothing where it is put back."""
    before = since.put_back(dead)
    if before is not None and resuming is not None and before.replay_run == resuming:
        yield "put back by this run", "put back by this run already"
    if dead.reason in _NEVER:
        yield _NEVER[DeadLetterReason(dead.reason)]
    if not dead.holds_event and dead.attempt is None and not options.rebuild:
        yield "unreadable", "its headers are not those of a notification"
    if before is not None:
        run = f" by run {before.replay_run}" if before.replay_run else ""
        came = " at" if of_replay(before) else ", and came to a worker by"
        yield "put back before", f"put back{run}{came} {rfc3339(before.at_ms)}"
    if dead.at_ms < known_since_ms and not options.forgotten:
        yield "forgotten", _FORGOTTEN.format(rfc3339(known_since_ms))
    delivered = since.delivered_at(dead)
    if delivered is not None and delivered >= dead.at_ms - CLOCKS_MS:
        yield "delivered since", f"its order was acknowledged at {rfc3339(delivered)}"
    replays = since.replays(dead)
    if replays >= options.max_replays:
        yield (
            "replayed too often",
            f"put back {replays} times (limit {options.max_replays}; --max-replays)",
        )
