"""Fills topics as they are after a month of many payments, for measuring what an operator asks.

The notifier's own code writes no record here: a month of it would take days. Their form is the real one, which
`tests/benchmarks/test_large_topics.py` holds against the notifier's own readers.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from streams.kafka.reader.partitioning import partition_of
from streams.kafka.topics import TopicNames
from streams.notification.profiles import PROFILES
from streams.notification.rehearsal import rehearsal_event
from streams.sandbox.payments import order_id

PARTITIONS: Final = 12
DAY_MS: Final = 86_400_000
KEPT_DAYS: Final = 30
PARTNERS: Final = 50
OPEN_EVERY: Final = 101  # one order in so many is not acknowledged
ASKED: Final = ("newest", "middle", "oldest")
_PROFILE: Final = "mpp-to-alipay-plus"
_BATCH_BYTES: Final = 256 * 1024  # as the notifier's own producer has it

Record = tuple[bytes, bytes, list[tuple[str, bytes]]]


def order_of(name: str) -> str:
    """Return the id of an order that is asked for."""
    return f"20261122190741020001-{name}"


def _event_id(number: int, order: str) -> str:
    return f"evt-{number:012}-{order[-6:]}"


def _template(answer: dict[str, Any]) -> bytes:
    """Return an attempts record of a first attempt in which `%(name)b` stands for what differs; 550 bytes."""
    ended = "%(ended)d"
    record = {
        "v": 1,
        "kind": "attempt",
        "at_ms": ended,
        "notification_id": "%(event)b",
        "order_id": "%(order)b",
        "profile": _PROFILE,
        "partner_id": "%(partner)b",
        "url_origin": "https://%(partner)b.example.com",
        "attempt": 1,
        "parks": 0,
        "replays": 0,
        "trigger": "event",
        "sent_result_status": "S",
        "sent_result_code": "SUCCESS",
        "due_at_ms": "%(due)d",
        "started_at_ms": "%(due)d",
        "ended_at_ms": ended,
        "lateness_ms": 0,
        "request_left": "yes",
        "origin": "%(origin)b",
        "worker": "payment-notifier-main-7c9f8d6b5-x2x4v",
    } | answer
    text = json.dumps(record, separators=(",", ":"))
    return re.sub(r'"(%\(\w+\)d)"', r"\1", text).encode()


_DELIVERED: Final = _template(
    {"result_status": "S", "result_code": "SUCCESS", "decision": "delivered"}
)
_OPEN: Final = _template(
    {"failure": "read_timeout", "decision": "retry", "next_due_at_ms": "%(next)d", "next_topic": "pn-retry-2m"}
)  # fmt: skip


def attempt(  # noqa: PLR0913  # what differs between two records
    number: int, order: str, at_ms: int, origin: str, partner: str, *, delivered: bool
) -> bytes:
    """Return an attempts record of a first attempt."""
    return (_DELIVERED if delivered else _OPEN) % {
        b"event": _event_id(number, order).encode(),
        b"order": order.encode(),
        b"partner": partner.encode(),
        b"origin": origin.encode(),
        b"due": at_ms - 90,
        b"ended": at_ms,
        b"next": at_ms + 120_000,
    }


def dead_letter(number: int, at_ms: int, partner: str) -> Record:
    """Return key, value and headers of a dead letter with a body of 1,000 bytes."""
    body = {"paymentResult": {"resultStatus": "S", "resultCode": "SUCCESS"}, "filler": "x" * 920}
    headers = {
        "format": "1",
        "notification-id": f"dead-{number:012}",
        "profile": _PROFILE,
        "partner-id": partner,
        "attempt": "15",
        "parks": "0",
        "replays": "0",
        "due-at-ms": str(at_ms),
        "occurred-at-ms": str(at_ms - 61_414_000),
        "accepted-at-ms": str(at_ms - 61_413_000),
        "last-outcome": "read_timeout",
        "origin": f"payment-final-state/0/{number}",
        "dead-letter-reason": "attempts-exhausted",
        "dead-letter-detail": "15 attempts, the last: read_timeout",
    }
    pairs = [(name, value.encode()) for name, value in headers.items()]
    return f"dead-order-{number:012}".encode(), json.dumps(body).encode(), pairs


async def fill(  # noqa: PLR0913
    bootstrap: str, *, names: TopicNames, source: str, attempts: int, letters: int, now_ms: int
) -> None:
    """Write attempts of the last 30 days with those of the orders `ASKED`, their events, and dead letters.

    The event of the oldest is left out, as where a source topic is kept for a shorter time.
    """
    client = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type="lz4",  # a month of them as they are would take 7 GB of disk
        max_batch_size=_BATCH_BYTES,
        max_request_size=16 * _BATCH_BYTES,
    )
    await client.start()
    try:
        asked = await _write_events(client, source, attempts, now_ms)
        for partition in range(PARTITIONS):
            await _write(
                client, names.attempts, partition, _attempts(partition, attempts, asked, now_ms)
            )
            await _write(client, names.dead_letter, partition, _letters(partition, letters, now_ms))
    finally:
        await client.stop()


async def _write_events(
    client: AIOKafkaProducer, source: str, attempts: int, now_ms: int
) -> dict[int, tuple[str, str]]:
    """Write the events; return order and origin of what is asked for, by the number of its attempt."""
    asked = {}
    for name, share in zip(ASKED, (0.9999, 0.5, 0.0001), strict=True):
        order, number = order_of(name), int(attempts * share)
        partition = partition_of(order.encode(), PARTITIONS)
        number += partition - number % PARTITIONS  # of the partition of its key
        origin = f"{source}/0/1000000000"
        if name != "oldest":
            at_ms = _at(number, attempts, now_ms) - 500
            made = json.loads(rehearsal_event(PROFILES[_PROFILE], "partner-7", name, _iso(at_ms)))
            event = json.loads(json.dumps(made).replace(order_id(made), order))
            event |= {"occurredAt": _iso(at_ms), "eventId": _event_id(number, order)}
            sent = await client.send_and_wait(
                source, json.dumps(event).encode(), b"k", timestamp_ms=at_ms
            )
            origin = f"{source}/{sent.partition}/{sent.offset}"
        asked[number] = (order, origin)
    return asked


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _at(number: int, attempts: int, now_ms: int) -> int:
    return now_ms - KEPT_DAYS * DAY_MS + int(KEPT_DAYS * DAY_MS * number / attempts)


def _attempts(
    partition: int, attempts: int, asked: dict[int, tuple[str, str]], now_ms: int
) -> Iterator[tuple[int, Record]]:
    for number in range(partition, attempts, PARTITIONS):
        order, origin = asked.get(
            number, (f"2026{number:018}", f"payment-final-state/{partition}/{number}")
        )
        partner, at_ms = f"partner-{number // PARTITIONS % PARTNERS}", _at(number, attempts, now_ms)
        delivered = number in asked or number // PARTITIONS % OPEN_EVERY != 0
        yield (
            at_ms,
            (
                order.encode(),
                attempt(number, order, at_ms, origin, partner, delivered=delivered),
                [],
            ),
        )


def _letters(partition: int, letters: int, now_ms: int) -> Iterator[tuple[int, Record]]:
    for number in range(partition, letters, PARTITIONS):
        at_ms = _at(number, letters, now_ms)
        yield at_ms, dead_letter(number, at_ms, f"partner-{number // PARTITIONS % PARTNERS}")


async def _write(
    client: AIOKafkaProducer, topic: str, partition: int, records: Iterator[tuple[int, Record]]
) -> None:
    batch, sent = client.create_batch(), []
    for at_ms, (key, value, headers) in records:
        if batch.append(timestamp=at_ms, key=key, value=value, headers=headers) is None:
            batch.close()
            sent.append(await client.send_batch(batch, topic, partition=partition))
            batch = client.create_batch()
            batch.append(timestamp=at_ms, key=key, value=value, headers=headers)
    batch.close()
    sent.append(await client.send_batch(batch, topic, partition=partition))
    for future in sent:
        await future
