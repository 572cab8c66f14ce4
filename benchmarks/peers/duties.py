"""The notifier's duties that a peer may be given besides, each written for speed with what the libraries have.

`BENCH_DUTIES` names them: the event is validated, the answer verified, an attempts record written, the attempt counted.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from pydantic_core import from_json, to_json

from benchmarks.peers.common import Answer, Request, document
from schemas.event import Event
from streams.notification.profiles import PROFILES

_LINGER_SECONDS = 0.02
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TARGET_SECONDS = 300.0
_DECISIONS = {"S": "delivered", "F": "dead-letter"}
_RESULTS = {"S": "acknowledged", "F": "refused", "U": "unknown"}
_ALLOW_HTTP = {"allow_http": True}


def validated(value: bytes) -> Mapping[str, Any]:
    """Read an event, and hold it and the body that it makes against the models of `schemas`.

    Raises:
        ValueError: it is no event, or no body can be made of it.
    """
    event: dict[str, Any] = from_json(value)
    Event.model_validate(event, context=_ALLOW_HTTP)
    profile = PROFILES.get(event["profile"])
    if profile is None:
        message = "no such profile"
        raise ValueError(message)
    profile.body.model_validate(document(event))
    return event


@dataclass(slots=True)
class Attempt:
    """A call that was made.

    Attributes:
        due_ms: when its event was read; milliseconds since the epoch, as the other times.
        answer: what came back.
    """

    event: Mapping[str, Any]
    request: Request
    origin: str
    due_ms: int
    started_ms: int
    ended_ms: int
    answer: Answer


def attempts_record(attempt: Attempt, retry_topic: str) -> bytes:
    """Return the record of an attempt, with the members that the notifier's has (`schemas.attempt_record`)."""
    event, answer, sent = attempt.event, attempt.answer, attempt.request.result
    decision = _DECISIONS.get(answer.result or "", "retry")
    said = {
        "v": 1,
        "kind": "attempt",
        "at_ms": attempt.ended_ms,
        "notification_id": event["eventId"],
        "order_id": attempt.request.order,
        "profile": event["profile"],
        "partner_id": event["partnerId"],
        "attempt": 1,
        "parks": 0,
        "replays": 0,
        "sent_result_status": sent["resultStatus"],
        "sent_result_code": sent["resultCode"],
        "trigger": "event",
        "origin": attempt.origin,
        "worker": _worker(),
        "url_origin": _origin(attempt.request.url),
        "due_at_ms": attempt.due_ms,
        "started_at_ms": attempt.started_ms,
        "ended_at_ms": attempt.ended_ms,
        "lateness_ms": attempt.started_ms - attempt.due_ms,
        "request_left": "yes" if answer.http_status else "perhaps",
        "outcome": f"{answer.result} {answer.code}" if answer.result else "no_result",
        "decision": decision,
    }
    if answer.http_status:
        said["http_status"] = answer.http_status
    if answer.result:
        said |= {"result_status": answer.result, "result_code": answer.code}
    else:
        said["failure"] = "no_result"
    if decision == "retry":
        said["next_topic"] = retry_topic
    return to_json(said)


@cache
def _worker() -> str:
    return socket.gethostname()


@cache
def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class AttemptsLog:
    """Writes attempts records: those of a moment leave together, one batch for each partition.

    With `linger_ms` of aiokafka each partition's batch waits by itself, so that most have one record.

    Args:
        producer: that waits for all copies, and is idempotent.
        topic: where to.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._partitioner = DefaultPartitioner()
        self._open: list[tuple[bytes, bytes]] = []
        self._stored: asyncio.Future[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def write(self, key: bytes, value: bytes) -> None:
        """Return when the broker has it."""
        self._open.append((key, value))
        stored = self._stored
        if stored is None:
            stored = self._stored = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._send())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        # of all that leave together: who gives up takes nothing from the others
        await asyncio.shield(stored)

    async def _send(self) -> None:
        await asyncio.sleep(_LINGER_SECONDS)
        records, self._open = self._open, []
        stored, self._stored = self._stored, None
        assert stored is not None  # noqa: S101  # made with this task
        try:
            await self._store(records)
        except Exception as error:  # noqa: BLE001  # the writers', whatever it is
            stored.set_exception(error)
        else:
            stored.set_result(None)

    async def _store(self, records: list[tuple[bytes, bytes]]) -> None:
        partitions = sorted(await self._producer.partitions_for(self._topic))
        batches: dict[int, Any] = {}
        full = []
        for key, value in records:
            partition = self._partitioner(key, partitions, partitions)
            batch = batches.get(partition)
            if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    full.append((partition, batch))
                batch = batches[partition] = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        await asyncio.gather(
            *[
                await self._producer.send_batch(batch, self._topic, partition=partition)
                for partition, batch in (*full, *batches.items())
            ]
        )


class Metrics:
    """What an operator wants to see of attempts, served for Prometheus."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, *labels: str) -> Counter:
            return Counter(f"peer_{name}", name, labels, registry=registry)

        def histogram(name: str, *labels: str) -> Histogram:
            return Histogram(f"peer_{name}", name, labels, registry=registry, buckets=_SECONDS)

        self._events = counter("events_total")
        self._event_delay = histogram("event_delay_seconds")
        self._lateness = histogram("dispatch_lag_seconds")
        self._attempts = counter("attempts_total", "profile", "result")
        self._seconds = histogram("attempt_duration_seconds", "profile")
        self._partner_attempts = counter("partner_attempts_total", "partner", "result")
        self._partner_seconds = histogram("partner_attempt_duration_seconds", "partner")
        self._responses = counter("responses_total", "code")
        self._ends = counter("notifications_total", "profile", "outcome")
        self._target = counter("delivery_target_total", "profile", "result")
        self._latency = histogram("acknowledgement_latency_seconds", "profile")
        self._acknowledged = Gauge(
            "peer_partner_last_acknowledged_timestamp_seconds",
            "time",
            ["partner"],
            registry=registry,
        )
        self._settled = counter("settled_records_total")
        self.series = cache(self._series)

    def serve(self) -> None:
        """Let Prometheus ask, at any port."""
        start_http_server(0, "127.0.0.1", self.registry)

    def count(self, attempt: Attempt) -> None:
        """Count an attempt at its end."""
        event, answer = attempt.event, attempt.answer
        seconds = (attempt.ended_ms - attempt.started_ms) / 1000
        occurred = datetime.fromisoformat(event["occurredAt"]).timestamp()
        profile, partner = event["profile"], event["partnerId"]
        result = _RESULTS.get(answer.result or "", "no_result")
        series = self.series
        self._events.inc()
        self._event_delay.observe(max(0.0, attempt.due_ms / 1000 - occurred))
        self._lateness.observe((attempt.started_ms - attempt.due_ms) / 1000)
        series(self._attempts, profile, result).inc()
        series(self._seconds, profile).observe(seconds)
        series(self._partner_attempts, partner, result).inc()
        series(self._partner_seconds, partner).observe(seconds)
        if answer.http_status:
            series(self._responses, str(answer.http_status)).inc()
        if answer.result in _DECISIONS:
            series(self._ends, profile, result).inc()
        if answer.result == "S":
            latency = attempt.ended_ms / 1000 - occurred
            series(self._latency, profile).observe(max(0.0, latency))
            met = "met" if latency <= _TARGET_SECONDS else "missed"
            series(self._target, profile, met).inc()
            series(self._acknowledged, partner).set(attempt.ended_ms / 1000)

    def settled(self) -> None:
        """Count a record that is settled."""
        self._settled.inc()

    @staticmethod
    def _series(metric: Any, *labels: str) -> Any:  # noqa: ANN401  # a counter, a gauge or a histogram
        # looked up in the client library once
        return metric.labels(*labels)
