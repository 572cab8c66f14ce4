"""What the hand-written peer does where it is given the notifier's duties."""

import asyncio
import json
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.backlog import plain_moulds
from benchmarks.peers.common import Answer
from benchmarks.peers.duties import Attempt, AttemptsLog, Metrics, attempts_record, validated
from benchmarks.run import Window
from benchmarks.systems import WITH_DUTIES, System, Task
from schemas.attempt_record import AttemptRecord
from streams.sandbox.client import encode
from streams.sandbox.keys import CLIENT_ID
from streams.sandbox.signatures import load_private_key, sign
from tests.benchmarks.peer_parts import SUCCEEDED, FakeProducer, event

TIME = "2026-11-29T10:00:00Z"


@pytest.fixture
def attempt(desk):
    """An attempt that the partner acknowledged."""
    answer = Answer(200, "S", "SUCCESS")
    return Attempt(event(), desk.request(event()), "final/3/42", 1000, 1002, 1007, answer)


def test_a_valid_event_is_read_as_json_has_it():
    """Nothing of it is changed, so that the body has the same bytes as without the duty."""
    assert validated(encode(event())) == event()


@pytest.mark.parametrize(
    "fault",
    [
        {"outcome": "PENDING"},
        {"occurredAt": "yesterday"},
        {"notifyUrl": "ftp://127.0.0.1/"},
        {"payment": {}},
        {"profile": "none"},
    ],
)
def test_an_event_that_breaks_a_rule_is_refused(fault):
    """The rules of the event and those of the body that it makes."""
    with pytest.raises(ValueError):  # noqa: PT011  # of whichever model
        validated(encode(event() | fault))


def test_an_answer_counts_with_a_right_signature_only(desk, keys):
    """And with a result that is S, F or U."""
    request = desk.request(event())
    key = load_private_key(keys.receiver.private)

    def answered(body, signed=None):
        signature = sign(key, request.path, CLIENT_ID, TIME, signed or body)
        headers = {"signature": signature, "response-time": TIME}
        return desk.answer(request, 200, headers, body)

    assert answered(SUCCEEDED) == Answer(200, "S", "SUCCESS")
    assert answered(SUCCEEDED).settles
    for nothing in (
        answered(SUCCEEDED, signed=b"another"),
        answered(b'{"result":{"resultStatus":"X"}}'),
        answered(b'{"answer":1}'),
        desk.answer(request, 200, {}, SUCCEEDED),
        desk.answer(request, 200, {"signature": "signature=A", "response-time": TIME}, SUCCEEDED),
        desk.answer(request, 200, {"signature": "signature=é", "response-time": TIME}, SUCCEEDED),
        desk.answer(request, 500, {}, SUCCEEDED),
    ):
        assert nothing.result is None
        assert not nothing.settles
    assert not answered(SUCCEEDED.replace(b'"S"', b'"U"')).settles


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (Answer(200, "S", "SUCCESS"), "delivered"),
        (Answer(200, "F", "PROCESS_FAIL"), "dead-letter"),
        (Answer(200, "U", "UNKNOWN"), "retry"),
        (Answer(503), "retry"),
        (Answer(), "retry"),
    ],
)
def test_every_record_is_one_of_our_shape(attempt, answer, decision):
    """Whatever the answer."""
    read = AttemptRecord.model_validate_json(
        attempts_record(replace(attempt, answer=answer), "retry")
    )
    assert (read.decision, read.http_status) == (decision, answer.http_status)
    assert (read.order_id, read.lateness_ms) == (attempt.request.order, 2)
    assert read.result_status == answer.result


async def test_records_of_a_moment_leave_as_one_batch_a_partition():
    """None is lost where a batch is full, and nobody goes on before the broker has them."""
    producer = FakeProducer()
    log = AttemptsLog(producer, "attempts")
    keys = [b"%d" % number for number in range(50)]
    writing = [asyncio.create_task(log.write(key, b"value")) for key in keys]
    await asyncio.sleep(0.1)
    assert sorted(key for _, records in producer.sent for key, _ in records) == sorted(keys)
    assert {partition for partition, _ in producer.sent} == {0, 1}
    assert len(producer.sent) <= 4
    assert not any(task.done() for task in writing)
    producer.acknowledged.set_result(None)
    await asyncio.gather(*writing)


async def test_a_write_that_fails_is_its_writers_to_know():
    """All who wrote at that moment get the broker's refusal."""
    producer = FakeProducer()
    producer.acknowledged.set_exception(ConnectionError("refused"))
    log = AttemptsLog(producer, "attempts")
    found = await asyncio.gather(log.write(b"1", b""), log.write(b"2", b""), return_exceptions=True)
    assert [type(error) for error in found] == [ConnectionError, ConnectionError]


def test_an_attempt_is_counted(attempt):
    """By profile, partner and result, with how long it took."""
    metrics = Metrics()
    metrics.count(attempt)
    metrics.count(replace(attempt, answer=Answer()))
    metrics.settled()

    def value(name, **labels):
        return metrics.registry.get_sample_value(f"peer_{name}", labels)

    profile = attempt.event["profile"]
    assert value("events_total") == 2
    assert value("attempts_total", profile=profile, result="acknowledged") == 1
    assert value("attempts_total", profile=profile, result="no_result") == 1
    assert value("attempt_duration_seconds_sum", profile=profile) == pytest.approx(0.01)
    assert value("responses_total", code="200") == 1
    assert value("notifications_total", profile=profile, outcome="acknowledged") == 1
    assert value("settled_records_total") == 1


@pytest.fixture
def attempts(monkeypatch):
    """The attempts records of the runs so far, read before their topics are deleted."""
    found = []
    delete_topics = Task.delete_topics

    async def keep_attempts(self, admin):
        topics = [name for name in await admin.list_topics() if name.startswith(f"{self.name}-")]
        (topic,) = (name for name in topics if name.endswith("-attempts"))
        found.append(await values_on(self.bootstrap, topic, self.partitions))
        await delete_topics(self, admin)

    monkeypatch.setattr(Task, "delete_topics", keep_attempts)
    return found


async def values_on(bootstrap, topic, partitions):
    """Return the values of all records of a topic."""
    where = [TopicPartition(topic, number) for number in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign(where)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(where)
        values = []
        while any([await consumer.position(at) < ends[at] for at in where]):
            batch = await consumer.getmany(timeout_ms=100)
            values += [record.value for records in batch.values() for record in records]
    return values


@pytest.mark.kafka
@pytest.mark.e2e
async def test_attempts_records_are_like_those_of_the_notifier(running_bench, attempts):
    """One for each order, with the same members and about as long: the peer with all duties writes what we write."""
    backlog = await running_bench.backlog(plain_moulds(running_bench.url), 120)
    for name in ("notifier-1", WITH_DUTIES):
        figures = await running_bench.run(
            System.parse(name), backlog, window=Window(0.0, 15.0), in_flight=64
        )
        assert (figures.settled, figures.lost) == (backlog.count, 0)
    ours, theirs = ([json.loads(value) for value in values] for values in attempts)
    ours = [record for record in ours if record["kind"] == "attempt"]  # a busy machine parks some
    assert len(theirs) == len(ours) == backlog.count
    assert {record["order_id"] for record in theirs} == {record["order_id"] for record in ours}
    assert {frozenset(record) for record in theirs} == {frozenset(record) for record in ours}
    ours_bytes, theirs_bytes = (len(json.dumps(records)) for records in (ours, theirs))
    assert theirs_bytes == pytest.approx(ours_bytes, rel=0.05)
