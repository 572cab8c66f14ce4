"""Traces: the attempts of a notification meet in the event's trace, and the partner is given the context."""

import re
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.operate.tracing import Tracing
from tests.unit.bench import Bench
from tests.unit.kit import event, read, read_back
from tests.unit.operate.test_metrics import call, notification

EVENTS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNKNOWN = Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION")
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


@pytest.fixture
def spans():
    """Where spans end up."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans):
    """Makes spans that end up there."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider)


async def test_waits_and_attempts_are_in_the_events_trace(tracing, spans):
    """The retry carries the event's own context, and each request names its attempt's span."""
    bench = Bench(UNKNOWN, SUCCESS)
    bench.stage = replace(bench.stage, tracing=tracing)
    bench.arrival = replace(bench.arrival, stage=bench.stage)
    headers = [("traceparent", EVENTS.encode())]
    await bench.event(read("source", event(partnerId="partner-1"), headers=headers))
    (waiting,) = bench.moved
    assert dict(waiting.headers)["traceparent"] == EVENTS.encode()
    bench.clock.ms += 1000
    await bench.tier(read_back(waiting))
    first, second = spans.get_finished_spans()
    for span, sent in zip((first, second), bench.caller.traceparents, strict=True):
        trace, parent = EVENTS.split("-")[1:3]
        assert f"{span.context.trace_id:032x}" == trace
        assert f"{span.parent.span_id:016x}" == parent
        assert sent == f"00-{trace}-{span.context.span_id:016x}-01"
    assert [span.attributes["notifier.attempt"] for span in (first, second)] == [1, 2]
    assert [span.status.status_code for span in (first, second)] == [
        StatusCode.ERROR,
        StatusCode.OK,
    ]
    assert first.end_time - first.start_time == bench.caller.took_ms * 1_000_000


async def test_without_tracing_the_context_is_handed_on_as_it_came():
    """A service that takes no part in a trace does not break it."""
    bench = Bench()
    headers = [("traceparent", EVENTS.encode())]
    await bench.event(read("source", event(partnerId="partner-1"), headers=headers))
    assert bench.caller.traceparents == [EVENTS]


def test_an_event_without_a_context_has_one_trace_all_the_same(tracing, spans):
    """Which follows from its id, on every worker; a context that is none counts as none."""
    for about in (notification(1), notification(1, attempt=4, traceparent="none"), notification(2)):
        tracing.begin(about, 1000).end(call(SUCCESS))
    one, again, other = (span.context.trace_id for span in spans.get_finished_spans())
    assert one == again != other


def test_what_a_span_says(tracing, spans):
    """Ids, attempt, status and outcome; no body, no key, no URL but its origin."""
    traced = tracing.begin(notification(7, body=b'{"a":"canary"}'), 1000)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traced.traceparent)
    traced.end(call(NoResult(Failure.HTTP_STATUS), 7, 502))
    (span,) = spans.get_finished_spans()
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes) == {
        "notifier.notification_id": "evt-7",
        "notifier.order_id": "order-7",
        "notifier.profile": "mpp-to-ant",
        "notifier.partner": "partner-7",
        "notifier.attempt": 1,
        "notifier.outcome": "http_status",
        "notifier.request_left": "yes",
        "notifier.url_origin": "https://shop-7.example.com",
        "http.response.status_code": 502,
    }
    assert "canary" not in span.to_json()


def test_an_event_that_is_not_sampled_stays_so(tracing, spans):
    """Whoever began the trace has decided."""
    traced = tracing.begin(notification(1, traceparent=EVENTS[:-1] + "0"), 1000)
    assert traced.traceparent.endswith("-00")
    traced.end(call(SUCCESS))
    assert spans.get_finished_spans() == ()
