"""Payment core of a world: it writes the events of a plan, also in transactions that are committed or given up."""

import json
from collections.abc import Callable
from random import Random  # noqa: TID251  # seeded
from typing import Any

from streams.sandbox.ledger import Produced
from streams.sandbox.payments import order_id, payment_event
from streams.sandbox.script import Script
from tests.simulation.evidence import Evidence
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import batch_of
from tests.simulation.partners import Partners
from tests.simulation.plan import SOURCE, Payment
from tests.simulation.put_back import Operator
from tests.simulation.worker import url_of


class PaymentCore:
    """Writes events.

    Args:
        seed: of the world.
        cluster: where its topic is.
        evidence: told of each event.
        partners: told how they answer to each.
        operator: asked to put back what its partner will take another time.
        now_ms: the true time.
        after: does something later that is planned.
        say: told what happens.
    """

    def __init__(  # noqa: PLR0913  # by name
        self,
        seed: int,
        cluster: Cluster,
        evidence: Evidence,
        partners: Partners,
        operator: Operator,
        *,
        now_ms: Callable[[], int],
        after: Callable[..., None],
        say: Callable[[str], None],
    ) -> None:
        self._seed = seed
        self._cluster, self._evidence, self._partners = cluster, evidence, partners
        self._operator = operator
        self._now_ms, self._after, self._say = now_ms, after, say

    def pay(self, payment: Payment, number: int) -> None:
        """Write the event of a payment, the so many-th of its world."""
        if SOURCE not in self._cluster.topics:
            self._after(0.2, self.pay, payment, number)  # as producers try again
            return
        rng = Random(f"payment {self._seed} {number}")  # noqa: S311
        event = payment_event(payment.profile, rng=rng, notify_url=url_of(payment.profile))
        event["eventId"] = f"evt-{number:04}"
        order = order_id(event)
        self._partners.scripts[order] = Script.parse(payment.script)
        logs = self._cluster.topics[SOURCE].logs
        log_number = number % len(logs)
        log = logs[log_number]
        producer = 10_000 + number if payment.marker else -1
        if payment.marker == "abort":
            self._write(log_number, dict(event, eventId=f"aborted-{number}"), producer + 5000)
            log.mark(producer + 5000, commit=False, now_ms=self._now_ms())
        offset = self._write(log_number, event, producer)
        if producer >= 0:
            log.mark(producer, commit=True, now_ms=self._now_ms())
        log.replicate()
        self._cluster.fetches.wake(SOURCE)
        origin = f"{SOURCE}/{log_number}/{offset}"
        self._say(f"payment {number} ({order}) is at {origin}, script {payment.script}")
        produced = Produced(origin, payment.profile, order, payment.expected)
        self._evidence.write_down(SOURCE, produced)
        if payment.put_back is not None:
            self._after(payment.put_back, self._operator.put_back, order, 5)
        if payment.again is not None:
            self._after(payment.again, self._pay_again, payment, event, number)

    def _pay_again(self, payment: Payment, event: dict[str, Any], number: int) -> None:
        """Write an event once more, as a producer does that heard nothing of the first time; or what conflicts with it."""
        if SOURCE not in self._cluster.topics:
            self._after(0.2, self._pay_again, payment, event, number)
            return
        log_number = number % len(self._cluster.topics[SOURCE].logs)
        if payment.differs == "outcome":
            event = event | {"eventId": f"other-{number:04}", "outcome": "CANCELLED"}
        raw = self._batch(event, more=b" " if payment.differs == "bytes" else b"")
        offset = self._cluster.write(SOURCE, log_number, raw)
        origin, order = f"{SOURCE}/{log_number}/{offset}", order_id(event)
        self._say(f"payment {number} ({order}) is once more at {origin}")
        produced = Produced(origin, payment.profile, order)
        self._evidence.write_again(SOURCE, produced, differs=bool(payment.differs))

    def _write(self, partition: int, event: dict[str, Any], producer: int) -> int:
        log = self._cluster.topics[SOURCE].logs[partition]
        error, first, _ = log.append(self._batch(event, producer), self._now_ms())
        assert not error
        return first

    def _batch(self, event: dict[str, Any], producer: int = -1, more: bytes = b"") -> bytes:
        value = json.dumps(event).encode() + more
        return batch_of(order_id(event).encode(), value, (), self._now_ms(), producer)
