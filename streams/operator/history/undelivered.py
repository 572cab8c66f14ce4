"""What a partner has not acknowledged: for reconciliation by file, or by telephone."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.operator.history.notification_history import NotificationHistory, histories_of


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Notifications without an acknowledgement, and how many records were read for them."""

    histories: tuple[NotificationHistory, ...]
    read: int


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
    return Undelivered(tuple(undelivered), read)


async def _open_notifications(
    reader: RecordReader, spans: list[Span], partner_id: str, on_progress: OnProgress | None
) -> tuple[dict[str, list[Fact]], int]:
    """Return the attempts records of what is open, by notification, and how many records were read."""
    facts: dict[str, list[Fact]] = defaultdict(list)
    needle = json.dumps(partner_id, ensure_ascii=False).encode()

    def names_partner(record: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        return needle in (record.value or b"")  # reading every record's JSON is slow

    async for batch in scan(reader, spans, names_partner, on_progress):
        for record in batch:
            fact = read_fact("attempts", record)
            if fact.record is None or fact.partner_id != partner_id or fact.order_id is None:
                continue
            if fact.record.decision == "delivered":
                facts.pop(_notification_of(fact), None)  # or memory would grow with the traffic
            elif fact.record.decision != "absorbed":
                facts[_notification_of(fact)].append(fact)
    return facts, sum(span.length for span in spans)


def _notification_of(fact: Fact) -> str:
    return fact.notification_id or fact.origin or fact.order_id or ""
