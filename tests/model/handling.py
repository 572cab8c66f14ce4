"""One record handled by the worker's own code, stopped at everything that it waits for from outside.

`RecordHandler` and all below it run as they are: reading, deduplication, admission, decision, settlement, and the order
of the writes. Only the partner and the producer are replaced, by ones that stop the coroutine. A coroutine can't be
copied, so a handling is known by what it was told so far, and is run again from its start to take one step more.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from streams.kafka.connection import Connection
from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.consumer.route import LaneContext
from streams.kafka.format.records import InRecord, OutRecord, header_text
from streams.kafka.producer import RecordProducer, Written
from streams.notification.ladder import Wait
from streams.notification.outcome import Answered, Status
from streams.partners import Partner
from streams.webhook.https import AttemptResult, WebhookClient
from tests.unit.bench import Bench, ScriptedCaller
from tests.unit.kit import endless_lease

Memory = frozenset[tuple[bytes, bytes]]
"""What a deduplicator remembers: each key with what was settled under it."""

ACKNOWLEDGED: Final = "ack"
PAUSED: Final = "paused"
ANSWERS: Final = {
    "S": Answered(Status.SUCCESS, "SUCCESS"),
    "F": Answered(Status.FAILED, "RISK_REJECT"),
    "U": Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION"),
}
SOURCE: Final = "payment-final-state"

logging.getLogger("streams").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Call:
    """The partner is called."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records are given to the producer, which is waited for."""

    records: tuple[OutRecord, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The handler has returned.

    Attributes:
        memory: what the lane's deduplicator remembers then.
    """

    memory: Memory


Effect = Call | Write | Done
_LEASE: Final = endless_lease()


@dataclass(frozen=True, slots=True)
class _Stop:
    """Stops the coroutine that awaits it; what is sent into that is the result."""

    effect: Call | Write

    def __await__(self) -> Generator["_Stop", str, str]:
        return (yield self)


class _StoppingCaller(WebhookClient):
    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def call(  # noqa: PLR0913  # as in the real one
        self,
        partner: Partner,
        url: str,
        body: bytes,
        *,
        signed_answer: bool,
        traceparent: str | None = None,
        still_ours: Callable[[], Awaitable[bool]] = _LEASE.hold,
    ) -> AttemptResult:
        assert await still_ours()
        outcome = ANSWERS[await _Stop(Call())]
        caller = ScriptedCaller(self._bench.clock, outcome)
        return await caller.call(
            partner, url, body, signed_answer=signed_answer, traceparent=traceparent
        )


class _StoppingProducer(RecordProducer):
    def __init__(self) -> None:
        super().__init__(Connection("memory:0"), "model", lambda _topic: None)

    async def write(self, *records: OutRecord) -> list[Written]:
        assert await _Stop(Write(records)) == ACKNOWLEDGED
        return [Written(-1) for _ in records]


@cache
def next_effect(record: InRecord, memory: Memory, told: tuple[str, ...]) -> Effect:
    """Return what a record's handler does after it was told this much.

    Args:
        record: of the source topic or of a retry topic.
        memory: what its lane remembers when it begins.
        told: the partner's answer (S, F or U) for a call, `ack` for a write; `paused` first where the partner's entry
            says so.
    """
    bench = Bench()
    if told[:1] == (PAUSED,):
        told = told[1:]
        for name, partner in bench.partners.items():
            bench.partners[name] = replace(partner, paused=True)
    handler = replace(
        bench.handler,
        delivery=replace(bench.delivery, caller=_StoppingCaller(bench)),
        settler=replace(bench.settler, producer=_StoppingProducer()),
    )
    deduplicator = Deduplicator(bench.clock.now_ms, 1000)
    for key, value in sorted(memory):
        deduplicator.remember(key, value)
    lane = LaneContext(deduplicator, endless_lease())
    handling: Coroutine[Any, Any, None]
    if record.topic == SOURCE:
        handling = handler.event(record, lane)
    else:
        wait = Wait.parse(record.topic.rsplit("-", 1)[1])
        handling = handler.retry(record, lane, wait=wait)
    try:
        stop = handling.send(None)
        for word in told:
            stop = handling.send(word)
    except StopIteration:
        found = {key: deduplicator.get(key) for key in deduplicator._settled}
        return Done(frozenset((key, value) for key, value in found.items() if value is not None))
    assert isinstance(stop, _Stop), f"the handler waits for {stop!r}, which the model does not know"
    handling.close()
    return stop.effect


@cache
def identities(record: InRecord) -> frozenset[bytes]:
    """Return the keys of the deduplicator that a record's handler holds until it is settled."""
    receiver = Bench().receiver
    if record.topic == SOURCE:
        return frozenset(key for key, _ in receiver.read_event(record, put_back=False).identities)
    received = receiver.read_record(record, put_back=False, latest_due_ms=None)
    return frozenset(key for key, _ in received.identities)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record says.

    Attributes:
        notification_id: of its notification.
        attempt: attempts made.
        parks: how often it was moved aside.
    """

    notification_id: str
    attempt: int
    parks: int


@cache
def facts_of(topic: str, value: bytes, headers: tuple[tuple[str, bytes | None], ...]) -> Facts:
    """Return what an event or a record on a retry topic or the dead-letter topic says."""
    if topic == SOURCE:
        return Facts(json.loads(value)["eventId"], 0, 0)
    return Facts(
        header_text(headers, "notification-id") or "",
        int(header_text(headers, "attempt") or 0),
        int(header_text(headers, "parks") or 0),
    )


@cache
def decision_of(report: bytes) -> str:
    """Return what an attempts record says was decided."""
    decision: str = json.loads(report)["decision"]
    return decision
