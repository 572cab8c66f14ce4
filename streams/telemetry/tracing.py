"""Traces: a span for each attempt, in the trace of the event, whichever worker makes it and however long it waited.

The only file that knows OpenTelemetry, which comes with the extra `tracing`; nothing here is imported unless
`NOTIFIER_TRACING` is set. Without it the event's trace context is handed to the partner as it came.

The spans of a notification are siblings: their parent is the span that the event names. An event without a trace
context gets one that follows from its id, so that nothing needs to be carried along for the attempts to meet.
"""

import hashlib
import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from schemas.trace_context import TRACEPARENT
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Status, describe
from streams.webhook.https import AttemptResult

_NS = 1_000_000  # a millisecond


class Tracing:
    """Makes the spans.

    Args:
        provider: where they go; stopped by `stop`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("payment-notifier")

    def begin(self, notification: Notification, now_ms: int) -> "TracedAttempt":
        """Begin the span of an attempt; the notification is the one before it."""
        attributes: dict[str, str | int] = {
            "notifier.notification_id": notification.notification_id,
            "notifier.order_id": notification.order_id,
            "notifier.profile": notification.profile.name,
            "notifier.partner": notification.partner_id,
            "notifier.attempt": notification.attempt + 1,
        }
        span = self._tracer.start_span(
            "notify",
            context=set_span_in_context(NonRecordingSpan(parent_of(notification))),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=now_ms * _NS,
        )
        return TracedAttempt(span)

    def stop(self) -> None:
        """Send what is not sent yet, and stop. Blocks."""
        self._provider.shutdown()


class TracedAttempt:
    """The span of an attempt under way."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """The trace context that the partner is given: this attempt is what called it."""
        own = self._span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"

    def end(self, call: AttemptResult) -> None:
        """End the span with what came back."""
        span = self._span
        span.set_attribute("notifier.outcome", describe(call.outcome))
        span.set_attribute("notifier.request_left", call.request_left.value)
        span.set_attribute("notifier.url_origin", call.url_origin)
        if call.http_status is not None:
            span.set_attribute("http.response.status_code", call.http_status)
        good = isinstance(call.outcome, Answered) and call.outcome.status is Status.SUCCESS
        span.set_status(StatusCode.OK if good else StatusCode.ERROR)
        span.end(call.ended_at_ms * _NS)

    def abort(self, now_ms: int) -> None:
        """End the span of an attempt that was broken off, with an unknown outcome."""
        self._span.set_status(StatusCode.ERROR, "broken off")
        self._span.end(now_ms * _NS)


def parent_of(notification: Notification) -> SpanContext:
    """Return the context of the event: the one that it came with, or one that follows from its id."""
    match = TRACEPARENT.fullmatch(notification.traceparent or "")
    if match is not None:
        trace, span, flags = (int(part, 16) for part in match.groups()[1:4])
    else:
        digest = hashlib.blake2s(notification.notification_id.encode(), digest_size=24).digest()
        trace, span = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
        flags = TraceFlags.SAMPLED
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))


def start_tracing() -> Tracing:
    """Return what sends spans by OTLP over HTTP, as the variables `OTEL_*` of OpenTelemetry say."""
    named = "OTEL_SERVICE_NAME" in os.environ
    resource = Resource.create({} if named else {SERVICE_NAME: "payment-notifier"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
