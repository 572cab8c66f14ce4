"""Events of mapped topics on their way through a worker: told, passed over, refused, absorbed, or put aside.

Everything is real but the network, the brokers, the clock and the registry, whose faults a test chooses.
"""

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import replace
from threading import Event

import pytest

from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.membership import Membership
from streams.kafka.consumer.route import LaneLimits, NotYet, Route
from streams.mapping.mapping import MappedEvent
from streams.mapping.registry import RegisteredSchema, SchemaRegistry, SchemaUnavailable
from streams.notification.intake import ReadEvent
from streams.telemetry.metrics import RULE
from streams.worker.handle import RecordHandler
from streams.worker.mapped import MappedEvents
from tests.support.events import EVENTS
from tests.support.lanes import RecordingFlow
from tests.support.mapping import (
    AVRO_SCHEMA,
    EVENT,
    avro_bytes,
    avro_example,
    event_of,
    example,
    framed,
    written,
)
from tests.support.waiting import TIMEOUT_SECONDS, eventually
from tests.unit.bench import ACKNOWLEDGED, Bench, partner
from tests.unit.kit import headers_of, read, read_back, turns

JSON_TOPIC, AVRO_TOPIC, CLOUD_TOPIC = "core-payments", "payments-avro", "payment-events"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRUCTURED = ("content-type", b"application/cloudevents+json")


class ChosenRegistry(SchemaRegistry):
    """Gives the Avro example's schema, or fails as the test says; counts how often it is asked."""

    def __init__(self):
        super().__init__("http://127.0.0.1:9")
        self.fault = None
        self.asked = 0
        self.asked_by_daemon = False
        self.answers = Event()
        self.answers.set()

    def fetch(self, schema):
        self.asked += 1
        self.asked_by_daemon = threading.current_thread().daemon
        assert self.answers.wait(TIMEOUT_SECONDS)
        if self.fault is not None:
            message = "not now"
            raise SchemaUnavailable(message, schema, self.fault)
        self._schemas[schema] = RegisteredSchema("AVRO", AVRO_SCHEMA)
        return self._schemas[schema]


class MappedBench(Bench):
    """A bench whose topics are those of the worked examples."""

    def __init__(self):
        super().__init__(ACKNOWLEDGED)
        self.partners["alipayplus"] = partner("alipayplus", notify_url="https://partner.example/n")
        self.registry = ChosenRegistry()
        mapping = example("own-json")
        mapping.topics = {
            **mapping.topics,
            **example("avro").topics,
            **example("cloudevents").topics,
        }
        mapping.registry = self.registry
        self.metrics.declare(RULE, mapping.rules)
        events = MappedEvents(mapping, self.clock.now_ms, self.observer)
        self.handler = RecordHandler(
            self.receiver, self.delivery, self.settler, self.observer, events
        )

    async def mapped(self, topic, value, *headers, offset=0):
        """Let a record of a mapped topic arrive."""
        await self.handler.mapped_event(
            read(topic, value, headers=headers, offset=offset, partition=0), self.lane
        )


@pytest.fixture
def bench():
    return MappedBench()


def own(**changes):
    """Return the event of the example with its own JSON, with some members changed."""
    return json.dumps(json.loads(event_of("own-json")) | changes).encode()


async def test_a_mapped_event_is_told(bench):
    """As any other, with what the mapping made of it."""
    await bench.mapped(JSON_TOPIC, own())
    ((partner_id, url, body, _),) = bench.caller.made
    assert (partner_id, url) == ("alipayplus", "https://partner.example/n")
    assert json.loads(body)["paymentAmount"] == {"currency": "USD", "value": "1230"}
    assert [line["notification_id"] for line in bench.journal] == ["P-2026-0042-3"]


def test_plain_http_of_a_mapped_event_where_it_is_allowed(bench):
    """As of any other event."""
    members = EVENTS["mpp-to-ant"] | {"notifyUrl": "http://localhost:1/n"}
    for allow_http in (True, False):
        receiver = replace(bench.receiver, allow_http=allow_http)
        received = receiver.read_mapped_event(
            read(JSON_TOPIC, b"{}"), MappedEvent(members, {}), put_back=False
        )
        assert isinstance(received.event, ReadEvent) == allow_http


@pytest.mark.parametrize(("traceparent", "fault"), [(TRACEPARENT, None), ("?", "malformed")])
def test_a_trace_context_of_the_event_itself(bench, traceparent, fault):
    """Taken where it can be read; else it is left out, and that is counted."""
    event = MappedEvent(EVENTS["mpp-to-ant"], {}, traceparent=traceparent)
    received = bench.receiver.read_mapped_event(read(JSON_TOPIC, b"{}"), event, put_back=False)
    assert received.source.traceparent == (None if fault else traceparent)
    assert received.source.traceparent_fault == fault


async def test_an_event_that_is_passed_over(bench):
    """Nobody is told and nothing dead-lettered; it is counted by its rule, and the reconciliation finds its end."""
    await bench.mapped(JSON_TOPIC, own(state="PENDING"), offset=7)
    assert bench.caller.made == bench.letters == []
    assert bench.count("notifier_passed_over_events_total", rule="not-final") == 1
    assert bench.count("notifier_repeats_total", tier="source") == 0
    (line,) = bench.journal
    assert (line["decision"], line["trigger"], line["why"]) == (
        "absorbed", "event", "passed over: not-final",
    )  # fmt: skip
    assert line["origin"] == f"{JSON_TOPIC}/0/7"
    assert bench.count("notifier_settled_records_total", tier="source") == 1


async def test_a_refused_event_keeps_its_bytes_and_headers(bench):
    """And what could be told of it; once the mapping is mended it can be put back."""
    value = own(state="CAPTURED_LATE")
    await bench.mapped(JSON_TOPIC, value, ("attempt", b"9"))
    (letter,) = bench.letters
    headers = headers_of(letter)
    assert letter.value == value
    assert headers["dead-letter-reason"] == "invalid-event"
    assert "a value that its table does not list" in headers["dead-letter-detail"]
    assert (headers["kind"], headers["event.attempt"]) == ("event", "9")
    assert headers["notification-id"] == "P-2026-0042-3"


async def test_a_dead_letter_that_is_put_back_is_mapped_again(bench):
    """By the mapping of the topic that it stood on first, with its own headers under their own names."""
    event = json.loads(event_of("cloudevents"))
    binary = [(f"ce_{name}", event[name].encode()) for name in ("id", "source", "time", "type")]
    bench.partners.pop("alipayplus")
    data = json.dumps(event["data"]).encode()
    await bench.mapped(CLOUD_TOPIC, data, ("ce_specversion", b"1.0"), *binary)
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "unknown-partner"
    bench.partners["alipayplus"] = partner("alipayplus", notify_url="https://partner.example/n")
    put_back = (*letter.headers, ("replays", b"2"), ("replay-run", b"run-7"))
    await bench.replay(read_back(replace(letter, topic="pn-replay", headers=put_back)))
    assert len(bench.caller.made) == 1
    line = bench.journal[-1]
    assert (line["decision"], line["trigger"]) == ("delivered", "replay")
    assert (line["replays"], line["replay_run"]) == (2, "run-7")
    assert line["origin"] == headers_of(letter)["origin"]


async def test_a_mapping_reads_the_events_own_key_again(bench, tmp_path):
    """On our topics its key is the order id; a mapping that reads the key finds the one that it came with, as often as it comes."""
    members = EVENT.replace("{constant: alipayplus}", "key")
    text = f"topics:\n  core-keyed:\n    format: json\n    event:{members}"
    mapping = bench.handler.mapped_events.mapping
    mapping.topics = {**mapping.topics, **written(tmp_path, text).topics}
    value = b'{"id": "e-1", "state": "BROKEN", "at": "2026-11-22T10:15:29Z", "order": "o-1"}'
    arrived = read("core-keyed", value, key=b"newcomer", partition=0)
    await bench.handler.mapped_event(arrived, bench.lane)
    for replays in (b"1", b"2"):
        letter = bench.letters[-1]
        assert letter.key == b"o-1"
        assert headers_of(letter)["partner-id"] == "newcomer"
        if replays == b"2":
            bench.partners["newcomer"] = partner("newcomer", notify_url="https://p.example/n")
        kept = tuple(header for header in letter.headers if header[0] != "replays")
        put_back = replace(letter, topic="pn-replay", headers=(*kept, ("replays", replays)))
        await bench.replay(read_back(put_back))
    assert [called[0] for called in bench.caller.made] == ["newcomer"]


@pytest.mark.parametrize("from_key", ["key", "key || data.other"])
async def test_an_event_without_a_key_has_none_when_it_is_put_back(bench, tmp_path, from_key):
    """An id from the key stays missing, or the one that it was: our own key, the order id, would make a second event of it."""
    members = EVENT.replace("data.id", from_key).replace("alipayplus}", "newcomer}")
    text = f"topics:\n  core-keyed:\n    format: json\n    event:{members}"
    mapping = bench.handler.mapped_events.mapping
    mapping.topics = {**mapping.topics, **written(tmp_path, text).topics}
    value = b'{"other": "e-1", "state": "BROKEN", "at": "2026-11-22T10:15:29Z", "order": "o-1"}'
    await bench.handler.mapped_event(read("core-keyed", value, key=None, partition=0), bench.lane)
    for replays in (b"1", b"2"):
        letter = bench.letters[-1]
        assert letter.key == b"o-1"
        kept = tuple(header for header in letter.headers if header[0] != "replays")
        put_back = replace(letter, topic="pn-replay", headers=(*kept, ("replays", replays)))
        await bench.replay(read_back(put_back))
    reason, ours = ("invalid-event", None) if from_key == "key" else ("unknown-partner", "e-1")
    assert [headers_of(letter)["dead-letter-reason"] for letter in bench.letters] == [reason] * 3
    assert [headers_of(letter).get("notification-id") for letter in bench.letters] == [ours] * 3


async def test_an_event_of_our_own_form_is_put_back_as_before(bench):
    """Whose origin is no mapped topic, or is not known."""
    for origin in (b"payment-final-state/0/1", b"?"):
        record = read("pn-replay", b"{}", headers=[("kind", b"event"), ("origin", origin)])
        await bench.replay(record)
    assert [headers_of(letter)["dead-letter-reason"] for letter in bench.letters] == [
        "invalid-event"
    ] * 2


async def test_second_copies_are_judged_on_the_mapped_event(bench):
    """What the mapping does not use may differ: other members, another order of them, another envelope."""
    await bench.mapped(JSON_TOPIC, own())
    again = dict(reversed(json.loads(own(sent_at="now", branch=7)).items()))
    await bench.mapped(JSON_TOPIC, json.dumps(again, indent=1).encode())
    assert [line["decision"] for line in bench.journal] == ["delivered", "absorbed"]
    assert bench.count("notifier_repeats_total", tier="source") == 1


async def test_a_republished_cloud_event_is_absorbed(bench):
    """In the other mode, with another trace: source and id say that it is the same."""
    event = json.loads(event_of("cloudevents"))
    await bench.mapped(CLOUD_TOPIC, json.dumps(event).encode(), STRUCTURED)
    headers = [(f"ce_{name}", event[name].encode()) for name in ("specversion", "id", "source", "type", "time")]  # fmt: skip
    await bench.mapped(CLOUD_TOPIC, json.dumps(event["data"]).encode(), *headers)
    assert [line["decision"] for line in bench.journal] == ["delivered", "absorbed"]
    assert bench.caller.traceparents == [event["traceparent"]]


async def test_a_trace_context_that_cannot_be_read(bench):
    """A CloudEvent's is left out and counted, as a header's is; a header's own wins."""
    event = json.loads(event_of("cloudevents")) | {"traceparent": "none"}
    await bench.mapped(CLOUD_TOPIC, json.dumps(event).encode(), STRUCTURED)
    assert bench.caller.traceparents == [None]
    assert bench.count("notifier_unreadable_traceparents_total", fault="malformed") == 1


async def test_conflicts_are_judged_on_the_mapped_event(bench):
    """The same id with another amount, and another outcome for the same order."""
    await bench.mapped(JSON_TOPIC, own())
    await bench.mapped(JSON_TOPIC, own(amount=12.31))
    await bench.mapped(JSON_TOPIC, own(version=4, state="DECLINED"))
    assert [line["decision"] for line in bench.journal] == [
        "delivered", "dead-letter", "dead-letter",
    ]  # fmt: skip
    details = [headers_of(letter)["dead-letter-detail"] for letter in bench.letters]
    assert details[0].startswith("eventId: came before with other bytes")
    assert details[1].startswith("outcome: this order was notified with another one")


async def test_a_schema_is_fetched_once(bench):
    """And counted."""
    for number in range(3):
        value = framed(
            7, avro_bytes(avro_example(order_ref=f"o-{number}", event_id=f"{number:032}"))
        )
        await bench.mapped(AVRO_TOPIC, value)
    assert bench.registry.asked == 1
    assert bench.count("notifier_schema_registry_requests_total", result="found") == 1
    assert len(bench.caller.made) == 3


@pytest.mark.parametrize("fault", ["unreachable", "refuses", "unknown-schema"])
async def test_a_registry_that_gives_no_schema_holds_the_record(bench, fault, caplog):
    """Nothing is dead-lettered; it is asked again more and more seldom, and goes on once it answers."""
    value = framed(7, avro_bytes(avro_example()))
    bench.registry.fault = fault
    pauses = []
    for _ in range(7):
        with pytest.raises(NotYet) as held:
            await bench.mapped(AVRO_TOPIC, value)
        assert held.value.why == fault
        pauses.append(held.value.seconds)
        bench.clock.ms += int(held.value.seconds * 1000)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert bench.letters == bench.journal == []
    assert bench.count("notifier_schema_registry_requests_total", result=fault) == 7
    assert "none is dead-lettered for it; asked again in 30 s: not now" in caplog.text
    bench.registry.fault = None
    await bench.mapped(AVRO_TOPIC, value)
    assert [line["decision"] for line in bench.journal] == ["delivered"]


async def test_a_registry_that_no_thread_can_ask_holds_the_record(bench, monkeypatch):
    """The system gives no thread for now: no reason to end the worker."""

    def refuse(_thread):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NotYet) as held:
        await bench.mapped(AVRO_TOPIC, framed(7, avro_bytes(avro_example())))
    assert (held.value.why, held.value.seconds) == ("unreachable", 1)
    assert bench.registry.asked == 0


async def test_between_two_questions_the_registry_is_left_alone(bench):
    """Records of the same schema look again when it is time, however many there are."""
    bench.registry.fault = "unreachable"
    value = framed(7, avro_bytes(avro_example()))
    for _ in range(5):
        with suppress(NotYet):
            await bench.mapped(AVRO_TOPIC, value)
    assert bench.registry.asked == 1


async def test_while_one_record_asks_the_others_wait(bench):
    """They keep no place meanwhile, and look again in a moment; once that lasts they look less often, and count as waiting for a schema."""
    value = framed(7, avro_bytes(avro_example()))
    bench.registry.answers.clear()
    first = asyncio.create_task(bench.mapped(AVRO_TOPIC, value))

    async def is_asked():
        return bench.registry.asked

    await eventually(is_asked, what="the registry is asked")
    assert bench.registry.asked_by_daemon, "a worker that ends would wait for the thread"
    with pytest.raises(NotYet) as held:
        await bench.mapped(AVRO_TOPIC, value)
    assert (held.value.seconds, held.value.why) == (0.1, None)
    bench.clock.ms += 1001
    with pytest.raises(NotYet) as held:
        await bench.mapped(AVRO_TOPIC, value)
    assert (held.value.seconds, held.value.why) == (1.001, "unreachable")
    bench.registry.answers.set()
    await first
    await bench.mapped(AVRO_TOPIC, value)
    assert bench.registry.asked == 1
    assert [line["decision"] for line in bench.journal] == ["delivered", "absorbed"]


async def test_no_record_waits_for_a_thread_with_its_place(bench):
    """A registry that hangs is asked for eight schemas at once; who comes after them is put aside, and looks more and more seldom."""
    bench.registry.answers.clear()

    async def arrives(number):
        value = avro_bytes(avro_example(order_ref=f"o-{number}", event_id=f"{number:032}"))
        await bench.mapped(AVRO_TOPIC, framed(number, value), offset=number)

    asking = [asyncio.create_task(arrives(number)) for number in range(1, 9)]

    async def are_asked():
        return bench.registry.asked == 8

    await eventually(are_asked, what="eight schemas are asked for")
    expected = [(0, 0.1, None), (500, 0.5, None), (1000, 1.5, "unreachable"), (60_000, 30, "unreachable")]  # fmt: skip
    for later_ms, seconds, why in expected:
        bench.clock.ms += later_ms
        for number in range(9, 60):
            with pytest.raises(NotYet) as held:
                await asyncio.wait_for(arrives(number), TIMEOUT_SECONDS)
            assert (held.value.seconds, held.value.why, held.value.what) == (seconds, why, number)
    bench.registry.answers.set()
    await asyncio.gather(*asking)
    assert bench.registry.asked == 8
    await arrives(59)
    assert bench.registry.asked == 9


class Backlog:
    """Lanes, each with records of one schema; time passes when a test says so."""

    def __init__(self, bench, partitions, records):
        self.bench, self.begun, self.crashes = bench, 0, []
        self.lanes = [self._lane(partition) for partition in range(partitions)]
        for lane in self.lanes:
            number = lane.partition[1]
            for offset in range(records):
                names = {"order_ref": f"{number}-{offset}", "event_id": f"{number}{offset:031}"}
                value = framed(7, avro_bytes(avro_example(**names)))
                lane.admit(read(AVRO_TOPIC, value, offset=offset, partition=number))

    def _lane(self, partition):
        route = Route("source", self._handle, lambda _: 0, LaneLimits(1000, 1000, remembered=1000))
        lease = Membership(10.0, lambda: 0.0, lambda: None)
        now_ms = self.bench.clock.now_ms
        return Lane(
            (AVRO_TOPIC, partition), route, ConcurrencyLimit(1000), RecordingFlow(), now_ms,
            self.crashes.append, lease,
        )  # fmt: skip

    async def _handle(self, record, context):
        self.begun += 1
        await self.bench.handler.mapped_event(record, context)

    async def pass_time(self, seconds):
        for _ in range(seconds * 10):
            self.bench.clock.ms += 100
            for lane in self.lanes:
                lane._on_timer()
            await turns(5)

    async def none_in_flight(self):
        return not any(lane.in_flight for lane in self.lanes)

    async def all_settled(self):
        await self.pass_time(1)
        return not any(lane.unsettled for lane in self.lanes)

    def waiting(self, why):
        return sum(lane.put_aside[why] for lane in self.lanes)


async def test_a_backlog_of_one_schema_leaves_the_worker_alone(bench):
    """While a registry hangs, and between two of its answers, a lane begins one record of its backlog now and then."""
    bench.registry.answers.clear()
    backlog = Backlog(bench, 4, 256)
    await turns(300)
    assert backlog.begun == 1024
    await backlog.pass_time(10)
    assert backlog.begun <= 1024 + 4 * 8
    assert backlog.waiting("unreachable") == 1023  # and one that asks

    bench.registry.fault = "unknown-schema"
    bench.registry.answers.set()
    await eventually(backlog.none_in_flight, what="the record that asked is put aside")
    before = backlog.begun
    for _ in range(6):
        await backlog.pass_time(30)
        await eventually(backlog.none_in_flight, what="the record that asked is put aside")
    assert backlog.begun - before <= 6 * 4 * 8
    assert backlog.waiting("unknown-schema") == 1024

    bench.registry.fault = None
    await eventually(backlog.all_settled, what="all are told")
    assert len(bench.caller.made) == 1024
    assert backlog.waiting("unknown-schema") == 0
    assert backlog.crashes == []
