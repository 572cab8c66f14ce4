"""Settlements: what is decided about a record, as values, without anything that writes, counts or calls."""

import asyncio
import json
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from schemas.attempt_record import AttemptRecord, AttemptReport, render
from streams.notification.intake import Prepared
from streams.notification.outcome import Answered, Blocked, Status
from streams.telemetry.tracing import Tracing
from streams.worker.settlement import Settlement
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench, partner
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back, turns

SOURCE = "payment-final-state"


def received(bench, value=None):
    """Receive an event; return the notification or the settlement that comes of it."""
    record = read(SOURCE, event() if value is None else value)
    decided = bench.receiver.receive_event(
        bench.receiver.read_event(record, put_back=False), bench.memory
    )
    return decided.notification if isinstance(decided, Prepared) else decided


async def delivered(bench):
    """Receive and deliver an event; return the settlement."""
    settlement = await bench.delivery.deliver(received(bench), "event", bench.lease)
    assert bench.broker.asked == []
    return settlement


def plain(hint):
    """Return the types of a hint without its bounds."""
    if get_origin(hint) in {Annotated, Literal}:
        return {str(hint) if get_origin(hint) is Literal else str(get_args(hint)[0])}
    parts = get_args(hint) if get_origin(hint) in {Union, UnionType} else ()
    return set().union(*map(plain, parts)) if parts else {str(hint)}


def test_a_report_has_the_members_of_the_record():
    """What a worker writes and what everybody reads are one list, member by member and type by type."""
    model = get_type_hints(AttemptRecord, include_extras=True)
    report = get_type_hints(AttemptReport)
    assert set(AttemptRecord.model_fields) - {"v"} == set(report)
    for name in report.keys() - {"near_names"}:  # a list in JSON, a tuple in the model
        assert plain(report[name]) == plain(model[name]), name


def test_what_is_absent_is_not_rendered():
    """None and a missing member are the same."""
    report: AttemptReport = {"kind": "decision", "at_ms": 1, "order_id": None}
    assert json.loads(render(report)) == {"v": 1, "kind": "decision", "at_ms": 1}


@pytest.mark.parametrize(
    ("outcome", "kind", "topic", "attempt"),
    [
        (ACKNOWLEDGED, "delivered", None, 1),
        (UNKNOWN, "retry", "pn-retry-1s", 1),
        (Answered(Status.FAILED, "PARAM_ILLEGAL"), "dead-letter", "pn-dead-letter", 1),
        (Blocked("the host is private"), "dead-letter", "pn-dead-letter", 0),
    ],
)
async def test_delivering_returns_what_follows_the_attempt(outcome, kind, topic, attempt):
    """Kind, report and next record agree; nothing is written or counted."""
    bench = Bench(outcome)
    settlement = await delivered(bench)
    assert settlement.kind == kind
    assert (settlement.next and settlement.next.topic) == topic
    assert settlement.report["attempt"] == settlement.notification.attempt == attempt
    assert settlement.received.attempt == 0
    assert (settlement.attempt is not None) == bool(attempt)
    assert bench.count("notifier_repeats_total", tier="source") == 0
    assert bench.count("notifier_responses_total", code="200") == 0


async def test_a_park_is_decided_without_an_attempt():
    """It says why, where to and until when."""
    bench = Bench()
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    settlement = await delivered(bench)
    assert (settlement.kind, settlement.attempt) == ("parked", None)
    assert (settlement.report["kind"], settlement.report["why"]) == ("park", "paused")
    assert settlement.next.topic == settlement.report["next_topic"] == "pn-retry-1s"
    assert headers_of(settlement.next)["due-at-ms"] == str(settlement.report["next_due_at_ms"])
    assert (settlement.received.parks, settlement.notification.parks) == (0, 1)


def test_receiving_returns_a_settlement_where_there_is_no_notification():
    """A refused event is a dead letter that keeps its bytes and says why."""
    bench = Bench()
    settlement = received(bench, b"no JSON")
    assert isinstance(settlement, Settlement)
    assert settlement.next is not None
    assert settlement.refused is not None
    assert (settlement.kind, settlement.next.value) == ("dead-letter", b"no JSON")
    assert settlement.refused.detail == settlement.report["why"]
    assert settlement.report["at_ms"] == NOW_MS
    assert bench.count("notifier_payments_consumed_total", result="invalid-event") == 0


async def test_attempts_are_counted_before_the_broker_has_them_and_ends_after():
    """While Kafka is away, operators see the attempts that are made, and no end that did not happen."""
    bench = Bench(ACKNOWLEDGED)
    bench.broker.held = asyncio.Event()
    handling = asyncio.create_task(bench.event(read(SOURCE, event())))
    await turns(50)
    made = {"profile": "mpp-to-ant", "attempt_class": "first", "result": "acknowledged"}
    ended = {"profile": "mpp-to-ant", "outcome": "acknowledged"}
    assert bench.count("notifier_attempts_total", **made) == 1
    assert bench.count("notifier_notifications_total", **ended) == 0
    bench.broker.held.set()
    await handling
    assert bench.count("notifier_attempts_total", **made) == 1
    assert bench.count("notifier_notifications_total", **ended) == 1


async def test_a_newer_record_that_cannot_wait_brings_its_dead_letter_along():
    """What is decided where the broker refuses it for its size is decided with the park."""
    bench = Bench(UNKNOWN)
    await bench.event(read(SOURCE, event()))
    moved = read_back(bench.moved[0])
    headers = [(name, b"2" if name == "format" else value) for name, value in moved.headers]
    record = read("pn-retry-1s", moved.value, key=moved.key, headers=headers)
    settlement = bench.receiver.receive_record(
        bench.receiver.read_record(record, put_back=False, latest_due_ms=None), bench.memory
    )
    assert isinstance(settlement, Settlement)
    assert settlement.next is not None
    assert (settlement.kind, settlement.next.topic) == ("parked", "pn-retry-1s")
    assert settlement.if_too_large is not None
    otherwise = settlement.if_too_large()
    assert (otherwise.kind, otherwise.report["dead_letter_reason"]) == ("dead-letter", "oversized")


async def test_a_broken_off_attempt_ends_its_span_and_gives_its_place_back():
    """A worker that stops in the middle of a call leaves no span open and no place taken."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    bench = Bench(tracing=Tracing(provider))
    bench.caller.raises = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await bench.event(read(SOURCE, event()))
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "notifier.outcome" not in (span.attributes or {})
    assert bench.admission.in_flight == 0
