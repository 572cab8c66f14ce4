"""A stage with everything real but the network, the brokers and the clock."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from streams.admission.admission import Admission
from streams.admission.limits import LONGEST_PARK_SECONDS
from streams.kafka.consumer.deduplication import Deduplicator, Held
from streams.kafka.consumer.route import LaneContext
from streams.kafka.format.records import InRecord, OutRecord
from streams.kafka.topics import TopicNames
from streams.notification.intake import PartnerTerms
from streams.notification.ladder import Wait
from streams.notification.outcome import (
    Answered,
    Blocked,
    Failure,
    NoResult,
    Outcome,
    RequestLeft,
    Status,
)
from streams.notification.profiles import PROFILES, TIERS
from streams.partners import Partner
from streams.telemetry.counting import Counting
from streams.telemetry.health import Health
from streams.telemetry.metrics import Metrics
from streams.webhook.https import AttemptResult, WebhookClient
from streams.worker.deliver import Delivery
from streams.worker.handle import RecordHandler
from streams.worker.observe import Observer
from streams.worker.policy import Policy
from streams.worker.receive import Receiver
from streams.worker.settle import Settler
from streams.worker.settlement import Settlements
from tests.unit.kit import ManualClock, MemoryBroker, MemoryRecordProducer, endless_lease

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

ACKNOWLEDGED = Answered(Status.SUCCESS, "SUCCESS")
UNKNOWN = Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION")
_NOT_SENT = frozenset(
    {Failure.DNS_ERROR, Failure.CONNECT_ERROR, Failure.CONNECT_TIMEOUT, Failure.TLS_ERROR}
)


async def _always() -> bool:
    return True


class ScriptedCaller(WebhookClient):
    """Answers with the outcomes of a script, the last one again and again; each call takes a while."""

    def __init__(self, clock: ManualClock, *outcomes: Outcome, took_ms: int = 40) -> None:
        self.clock = clock
        self.script = deque(outcomes or [ACKNOWLEDGED])
        self.took_ms = took_ms
        self.made: list[tuple[str, str, bytes, bool]] = []
        self.traceparents: list[str | None] = []
        self.raises: BaseException | None = None
        self.slow_down = False
        self.retry_after_seconds: float | None = None

    async def call(  # noqa: PLR0913  # as in the real one
        self,
        partner: Partner,
        url: str,
        body: bytes,
        *,
        signed_answer: bool,
        traceparent: str | None = None,
        still_ours: Callable[[], Awaitable[bool]] = _always,
    ) -> AttemptResult:
        if self.raises is not None:
            raise self.raises
        await still_ours()
        self.made.append((partner.partner_id, url, body, signed_answer))
        self.traceparents.append(traceparent)
        outcome = self.script.popleft() if len(self.script) > 1 else self.script[0]
        started = self.clock.ms
        if not isinstance(outcome, Blocked):
            self.clock.ms += self.took_ms
        left, status = RequestLeft.YES, None
        match outcome:
            case Answered():
                status = 200
            case NoResult(Failure.HTTP_STATUS):
                status = 502
            case NoResult(failure) if failure in _NOT_SENT:
                left = RequestLeft.NO
            case NoResult(Failure.READ_TIMEOUT | Failure.BROKEN_CONNECTION):
                left = RequestLeft.PERHAPS
            case NoResult():  # an answer that does not count
                status = 200
            case Blocked():
                left = RequestLeft.NO
        return AttemptResult(
            outcome=outcome,
            http_status=status,
            request_left=left,
            started_at_ms=started,
            ended_at_ms=self.clock.ms,
            retry_after_seconds=self.retry_after_seconds,
            url_origin="https://" + url.removeprefix("https://").split("/")[0],
            signing_seconds=0.0003,
            slow_down=self.slow_down,
        )


def partner(partner_id="partner-1", **changes) -> Partner:
    """Return a partner that takes every profile."""
    terms = {
        "profiles": frozenset(PROFILES),
        "reasons": {},
        "hold_unmapped": False,
        "notify_url": None,
    }
    members: dict[str, Any] = {
        "partner_id": partner_id,
        "client_id": "CLIENT",
        "signing_keys": (),
        "peer_keys": {},
        "require_signed_response": None,
        "allowed_hosts": None,
        "max_in_flight": 64,
        "rate_limit_per_second": None,
        "request_time_format": "iso8601",
        "attempt_timeout_seconds": 5.0,
        "paused": False,
        "tls": None,
        "fingerprint": "1",
    }
    for name in tuple(changes):
        if name in terms:
            terms[name] = changes.pop(name)
    return Partner(**(members | changes), terms=PartnerTerms(**terms))  # type: ignore[arg-type]  # a table of members


async def in_turn(handle: Callable[[], Awaitable[None]]) -> None:
    """Let a record be handled as a lane does: again in its turn, where another one comes first."""
    while True:
        try:
            return await handle()
        except Held as held:
            lock, turn = held.lock, asyncio.Event()
            lock.on_turn = turn.set
        try:
            await turn.wait()
        except asyncio.CancelledError:
            lock.leave()
            raise


class Bench:
    """A stage with everything real but the network, the brokers and the clock."""

    def __init__(
        self,
        *outcomes: Outcome,
        scale: float = 1.0,
        give_up_after_h: float = 72,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker()
        self.producer = MemoryRecordProducer(self.broker)
        self.caller = ScriptedCaller(self.clock, *outcomes)
        self.metrics = Metrics("0")
        self.health = Health()
        self.counting = Counting(self.metrics, self.health)
        self.names = TopicNames("pn")
        self.partners = {name: partner(name) for name in (f"partner-{n}" for n in range(9))}
        self.admission = Admission(512, self.clock.now_seconds)
        self.settlements = Settlements(self.names, self.clock.now_ms, "worker-1")
        self.settler = Settler(self.producer, self.names.attempts, self.clock.now_seconds)
        self.policy = Policy(
            parking=tuple(wait for wait in TIERS if wait.seconds <= LONGEST_PARK_SECONDS),
            scale=scale,
            give_up_after_ms=int(give_up_after_h * 3_600_000),
            jitter=lambda: 0.5,
        )
        self.observer = Observer(self.clock, self.counting, tracing)
        self.delivery = Delivery(
            clock=self.clock,
            partner_of=self.partners.get,
            caller=self.caller,
            admission=self.admission,
            settlements=self.settlements,
            policy=self.policy,
            observer=self.observer,
        )
        self.receiver = Receiver(
            self.clock, self.partners.get, self.settlements, self.policy, allow_http=False
        )
        self.memory = Deduplicator(self.clock.now_ms, 1000)
        self.lease = endless_lease()
        self.handler = RecordHandler(self.receiver, self.delivery, self.settler, self.observer)

    @property
    def lane(self) -> LaneContext:
        """What a lane gives with its records."""
        return LaneContext(self.memory, self.lease)

    async def event(self, record: InRecord) -> None:
        """Let a record of a source topic arrive."""
        await in_turn(lambda: self.handler.event(record, self.lane))

    async def replay(self, record: InRecord) -> None:
        """Let a record of the replay topic arrive."""
        await in_turn(lambda: self.handler.replay(record, self.lane))

    async def tier(self, record: InRecord) -> None:
        """Let a due record of a tier arrive."""
        wait = Wait.parse(record.topic.rsplit("-", 1)[1])
        await in_turn(lambda: self.handler.retry(record, self.lane, wait=wait))

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The attempts records so far."""
        return [json.loads(record.value or b"") for record in self.broker.on("pn-attempts")]

    @property
    def letters(self) -> list[OutRecord]:
        """The dead letters so far."""
        return self.broker.on("pn-dead-letter")

    @property
    def moved(self) -> list[OutRecord]:
        """What was put on tiers so far."""
        return [record for record in self.broker.written if "-retry-" in record.topic]

    def count(self, name, **labels):
        """Return a sample of the metrics, 0 where there is none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0
