"""Metrics of the credentials for Kafka."""

from collections.abc import Callable
from contextlib import suppress

from streams.kafka.connection import Credentials
from streams.telemetry.metrics import Metrics


def show_access(
    metrics: Metrics, look: Callable[[], Credentials], now_seconds: Callable[[], float]
) -> None:
    """Set the gauges of it. Blocks for as long as `look`, which reads again what has changed on disk."""
    # Where there never was a version that can be used, connecting says what is wrong.
    with suppress(OSError, ValueError):
        credentials = look()
        for kind, current in credentials.current.items():
            metrics.kafka_credentials.labels(kind).set(current)
        for held in credentials.certificates:
            metrics.kafka_certificate_expiry.labels(held.kind).set(held.expires_at_seconds)
        if credentials.token_ends_in_seconds is not None:
            metrics.kafka_token_expiry.set(now_seconds() + credentials.token_ends_in_seconds)
