"""What a partner has not acknowledged: for reconciliation by file, or by telephone."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetterReason
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.timeline import written_at


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Notifications without an acknowledgement.

    Attributes:
        histories: of those.
        read: how many records were read for them.
        left_out: what could not be read.
    """

    histories: tuple[NotificationHistory, ...]
    read: int
    left_out: tuple[Span, ...] = ()


async def find_undelivered(
    reader: RecordReader,
    names: TopicNames,
    partner_id: str,
    since_ms: int,
    on_progress: OnProgress | None = None,
) -> Undelivered:
    """Return the notifications to a partner that we worked on since a time and that it has not acknowledged.

    A notification that waits has been worked on since then if any record about it was written since. What was acknowledged
    and sent again by an operator counts until it is acknowledged again.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    before = len(reader.left_out)
    # The attempts say which are open; only of those are the other topics' records kept.
    attempts = await reader.spans(names.attempts, since_ms=since_ms)
    facts, read = await _open_notifications(reader, attempts, partner_id, on_progress)
    kinds = topic_kinds(names)
    del kinds[names.attempts]
    keys = {(group[0].order_id or "").encode() for group in facts.values()}
    others = await reader.spans(*kinds, since_ms=since_ms)
    read += sum(span.length for span in others)
    async for batch in scan(reader, others, lambda record: record.key in keys, on_progress):
        for record in batch:
            fact = read_fact(kinds[record.topic], record)
            if (notification := _notification_of(fact)) in facts:
                facts[notification].append(fact)
    histories = [history for group in facts.values() for history in histories_of(group)]
    undelivered = [history for history in histories if history.status != "delivered"]
    undelivered.sort(key=lambda history: history.entries[0].at_ms)
    return Undelivered(tuple(undelivered), read, tuple(reader.left_out[before:]))


async def _open_notifications(
    reader: RecordReader, spans: list[Span], partner_id: str, on_progress: OnProgress | None
) -> tuple[dict[str, list[Fact]], int]:
    """Return the attempts records of what is open, by notification, and how many records were read."""
    found = OpenNotifications()
    needle = json.dumps(partner_id, ensure_ascii=False).encode()

    def names_partner(record: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        return needle in (record.value or b"")  # reading every record's JSON is slow

    async for batch in scan(reader, spans, names_partner, on_progress):
        for record in batch:
            fact = read_fact("attempts", record)
            if fact.partner_id == partner_id:
                found.add(fact)
    return found.facts, sum(span.length for span in spans)


@dataclass(frozen=True, slots=True)
class _Told:
    """An acknowledgement: of the notification from which event, after which round and steps, and when."""

    origin: str | None
    position: tuple[int, int]
    at_ms: int

    def is_after(self, fact: Fact) -> bool:
        """Tell whether an attempts record is of what came before it, by rounds and steps; of another event by time."""
        if fact.origin == self.origin:
            return _position(fact) <= self.position
        return written_at(fact)[0] <= self.at_ms


class OpenNotifications:
    """What is open by the attempts records to one partner, in whatever order the partitions are read.

    Where partitions were added the records of an order stand in two of them, and the later ones may be read first.

    Attributes:
        facts: the records of what is open, by notification.
    """

    def __init__(self) -> None:
        self.facts: dict[str, list[Fact]] = defaultdict(list)
        self._told: dict[str, _Told] = {}  # of which earlier records may be read yet

    def add(self, fact: Fact) -> None:
        """Take an attempts record to the partner."""
        record = fact.record
        if record is None or fact.order_id is None or record.decision == "absorbed":
            return
        name = _notification_of(fact)
        known = self._told.get(name)
        if record.decision == "delivered":
            told = _Told(fact.origin, _position(fact), written_at(fact)[0])
            before = self.facts.pop(name, [])  # or memory would grow with the traffic
            if later := [one for one in before if not told.is_after(one)]:
                self.facts[name] = later
            # Nor is all that was told kept: of most the first record has been read, or this is it.
            if not any(map(_is_first, (*before, fact))) and not (known and known.is_after(fact)):
                self._told[name] = told
        elif not _repeats_id(record) and not (known and known.is_after(fact)):
            self.facts[name].append(fact)


def _position(fact: Fact) -> tuple[int, int]:
    """Return the round of a notification, and how many steps it had come in it: each adds an attempt or a park."""
    return fact.replays or 0, (fact.attempt or 0) + (fact.parks or 0)


def _is_first(fact: Fact) -> bool:
    """Tell whether nothing was done about a notification before."""
    return _position(fact) <= (0, 1)


def _repeats_id(record: AttemptRecord) -> bool:
    """Tell whether it refused an event whose id came before: that notification has records of its own, told or not.

    Of an event that contradicts its order's outcome under an id of its own this is all that there is.
    """
    conflicts = record.dead_letter_reason == DeadLetterReason.CONFLICTING_RESULT
    return conflicts and (record.why or "").startswith("eventId:")


def _notification_of(fact: Fact) -> str:
    return fact.notification_id or fact.origin or fact.order_id or ""
