"""What the worker writes, and what its readers make of it, are held to the same table."""

import pytest

from streams.kafka.format.facts import read_fact, topic_kinds
from streams.kafka.format.raw import RawRecord
from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.notification.status import RESTS_ON, STATUS_AFTER
from streams.operator.history.notification_history import histories_of
from tests.unit.bench import ACKNOWLEDGED, Bench, partner
from tests.unit.kit import event, read

TIMED_OUT = NoResult(Failure.READ_TIMEOUT)
REFUSED = Answered(Status.FAILED, "RISK_REJECT")


def facts_in(bench):
    """Return the facts that a reader finds on our topics."""
    kinds = topic_kinds(bench.names)
    return [
        read_fact(
            kinds[record.topic],
            RawRecord(
                record.topic,
                0,
                offset,
                record.key,
                record.value,
                record.headers,
                bench.clock.ms + offset,
            ),
        )
        for offset, record in enumerate(bench.broker.written)
    ]


@pytest.mark.parametrize(
    ("outcome", "paused", "decision"),
    [
        (ACKNOWLEDGED, False, "delivered"),
        (TIMED_OUT, False, "retry"),
        (TIMED_OUT, True, "parked"),
        (REFUSED, False, "dead-letter"),
    ],
)
async def test_a_history_stands_as_the_decision_says_where_the_record_was_written(
    outcome, paused, decision
):
    """For each decision: its status, and the one record beside the attempts topic on the topic of that status."""
    bench = Bench(outcome)
    bench.partners |= {name: partner(name, paused=paused) for name in bench.partners}
    await bench.event(read("payment-final-state", event("mpp-to-alipay-plus")))
    facts = facts_in(bench)
    (history,) = histories_of(facts)
    assert [fact.record.decision for fact in facts if fact.record] == [decision]
    assert history.status == STATUS_AFTER[decision]
    at_rest = [fact for fact in facts if fact.kind != "attempts"]
    assert [fact.kind for fact in at_rest] == [
        kind for kind in (RESTS_ON.get(history.status),) if kind
    ]
    assert history.rests_at == (at_rest[0].record_id if at_rest else None)
    assert history.rests_on == (at_rest[0].topic if at_rest else None)
