"""What a partner has not acknowledged: for reconciliation by file, or by telephone."""

import json
from collections import defaultdict
from dataclasses import dataclass

from streams.history.facts import Fact, Kind, read_fact
from streams.history.life import Life, lives_of
from streams.kafka.reader import OnProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.notification.profiles import TIERS


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Lives without an acknowledgement, and how many records were read for them."""

    lives: tuple[Life, ...]
    records: int


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
    facts, passed = await _open(reader, attempts, partner_id, on_progress)
    topics: dict[str, Kind] = {
        names.dead_letter: "dead-letter",
        names.replay: "replay",
        **{names.tier(wait): "tier" for wait in TIERS},
    }
    keys = {(mine[0].order_id or "").encode() for mine in facts.values()}
    async for batch in reader.read(await reader.spans(*topics, since_ms=since_ms), on_progress):
        passed += len(batch)
        for record in batch:
            if record.key in keys:
                fact = read_fact(topics[record.topic], record)
                if (name := _name(fact)) in facts:
                    facts[name].append(fact)
    lives = (life for mine in facts.values() for life in lives_of(mine))
    undelivered = [life for life in lives if life.standing != "delivered"]
    return Undelivered(tuple(sorted(undelivered, key=lambda life: life.entries[0].at_ms)), passed)


async def _open(
    reader: RecordReader, spans: list[Span], partner_id: str, on_progress: OnProgress | None
) -> tuple[dict[str, list[Fact]], int]:
    """Return the attempts records of what is open, by notification, and how many records were passed."""
    facts: dict[str, list[Fact]] = defaultdict(list)
    passed, needle = 0, json.dumps(partner_id, ensure_ascii=False).encode()
    async for batch in reader.read(spans, on_progress):
        passed += len(batch)
        for record in batch:
            if needle not in (record.value or b""):  # reading every record's JSON is slow
                continue
            fact = read_fact("attempts", record)
            said = fact.record
            if said is None or fact.partner_id != partner_id or fact.order_id is None:
                continue
            if said.decision == "delivered":
                facts.pop(_name(fact), None)  # forgotten, or memory would grow with the traffic
            elif said.decision != "absorbed":
                facts[_name(fact)].append(fact)
    return facts, passed


def _name(fact: Fact) -> str:
    return fact.notification_id or fact.origin or fact.order_id or ""
