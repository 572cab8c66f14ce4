"""Traces: the attempts of a notification meet in the event's trace, and the partner is given the context."""

import gzip
import importlib.util
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.settings import Settings
from streams.telemetry.tracing import Tracing, start_tracing
from tests.unit.bench import Bench
from tests.unit.kit import event, read, read_back
from tests.unit.telemetry.test_metrics import call, notification

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
    bench = Bench(UNKNOWN, SUCCESS, tracing=tracing)
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


class Collector(BaseHTTPRequestHandler):
    """Takes spans as a tracing system does."""

    def do_POST(self):
        """Keep a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.append((self.path, body))  # type: ignore[attr-defined]  # the test's own
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments):
        """Say nothing."""


def test_spans_travel_as_opentelemetrys_variables_say(monkeypatch):
    """By OTLP over HTTP, under the service's name; what is not sent yet is sent at the end."""
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        server.taken = []  # type: ignore[attr-defined]  # the test's own
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
            monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
            tracing = start_tracing()
            tracing.begin(notification(7), 1000).end(call(SUCCESS))
            tracing.stop()
        finally:
            server.shutdown()
            thread.join()
        ((path, body),) = server.taken  # type: ignore[attr-defined]  # the test's own
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    service = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert service["service.name"] == "payment-notifier"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "notify"


@pytest.mark.parametrize(("found", "faults"), [(True, 0), (False, 1)])
def test_tracing_without_its_extra_is_a_fault_of_the_settings(monkeypatch, found, faults):
    """Said before a start, with what to install."""

    def find(_name):
        if not found:
            raise ModuleNotFoundError
        return object()

    monkeypatch.setattr(importlib.util, "find_spec", find)
    settings = Settings(partners_file=Path("partners.yaml"), tracing=True)
    said = [fault for fault in settings.conflicts() if "payment-notifier[tracing]" in fault]
    assert len(said) == faults
