"""Dead letters as an operator chooses them: found on their topic, filtered, counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streams.history.facts import Fact, read_fact
from streams.kafka.raw import Place, RawRecord
from streams.kafka.reader import OnProgress, RecordReader, Span
from streams.kafka.topics import TopicNames


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant. What is left empty excludes none.

    Attributes:
        places: these and no others.
        orders: of these orders.
        reasons: `dead-letter-reason`.
        partners: partner ids.
        profiles: names of profiles.
        codes: what the last attempt brought, as `code_of` says it.
        since_ms: dead-lettered at this time or later, milliseconds since the epoch.
        until_ms: dead-lettered before this time.
    """

    places: frozenset[Place] = frozenset()
    orders: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    partners: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, letter: Fact) -> bool:
        """Tell whether a dead letter is meant."""
        named = not (self.places or self.orders) or (
            letter.place in self.places or letter.order_id in self.orders
        )
        return (
            named
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.partners or letter.partner_id in self.partners)
            and (not self.profiles or letter.profile in self.profiles)
            and (not self.codes or code_of(letter) in self.codes)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )


def code_of(letter: Fact) -> str | None:
    """Return what the last attempt brought: the partner's code (`RISK_REJECT`) or our word for it (`read_timeout`)."""
    outcome = letter.last_outcome
    return (outcome.partition(":")[2] or outcome) if outcome else None


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one kind: how many, and when the oldest and the youngest were written."""

    reason: str
    partner_id: str | None
    code: str | None
    count: int
    oldest_ms: int
    youngest_ms: int


def groups_of(letters: Iterable[Fact]) -> list[Group]:
    """Return dead letters counted by reason, partner and code, the most numerous first."""
    counts: Counter[tuple[str, str | None, str | None]] = Counter()
    times: dict[tuple[str, str | None, str | None], list[int]] = {}
    for letter in letters:
        group = (letter.reason or "unknown", letter.partner_id, code_of(letter))
        counts[group] += 1
        times.setdefault(group, []).append(letter.at_ms)
    return [
        Group(*group, count, min(times[group]), max(times[group]))
        for group, count in counts.most_common()
    ]


async def find_letters(
    reader: RecordReader,
    names: TopicNames,
    selection: Selection,
    *,
    on_progress: OnProgress | None = None,
    on_record: Callable[[Fact, RawRecord], None] | None = None,
) -> list[Fact]:
    """Return the dead letters that are meant, oldest first, without their bodies.

    Args:
        reader: of the brokers.
        names: our topics.
        selection: which.
        on_progress: told how far the reading is.
        on_record: given each with its record, body and all, while it is at hand.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    found: list[Fact] = []
    for spans in await _spans(reader, names, selection):
        async for batch in reader.read(spans, on_progress):
            for record in batch:
                letter = read_fact("dead-letter", record)
                if selection.takes(letter):
                    found.append(letter)
                    if on_record is not None:
                        on_record(letter, record)
        if found:
            break
    return sorted(found, key=lambda letter: (letter.at_ms, letter.place))


async def _spans(
    reader: RecordReader, names: TopicNames, selection: Selection
) -> Sequence[Sequence[Span]]:
    """Return the least that must be read, and what else is read where that has none."""
    topic = names.dead_letter
    if selection.places and not selection.orders:
        return [spans_around(selection.places, await reader.spans(topic))]
    if len(selection.orders) == 1 and not selection.places:
        (order,) = selection.orders
        of_key = await reader.key_spans(topic, key=order.encode(), since_ms=selection.since_ms)
        return [of_key.likely, of_key.rest]
    return [await reader.spans(topic, since_ms=selection.since_ms)]


def spans_around(places: Iterable[Place], spans: Iterable[Span]) -> list[Span]:
    """Return the shortest spans, within these, that hold all the places that lie in them."""
    wanted: dict[tuple[str, int], list[int]] = {}
    for place in places:
        wanted.setdefault((place.topic, place.partition), []).append(place.offset)
    return [
        Span(
            span.topic,
            span.partition,
            max(span.start, min(offsets)),
            min(span.end, max(offsets) + 1),
        )
        for span in spans
        if (offsets := wanted.get((span.topic, span.partition)))
    ]
