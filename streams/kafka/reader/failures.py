"""How a read of the brokers fails, and why, in a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from streams.kafka.connection import Connection


class ReadFailed(Exception):  # noqa: N818  # what happened
    """The brokers can't be read: what happened, in one sentence, and what to look at."""


@contextmanager
def brokers_asked(connection: Connection) -> Iterator[None]:
    """Raise `ReadFailed` where a client of aiokafka fails."""
    try:
        yield
    except (KafkaError, OSError) as error:
        message = (
            f"NOTIFIER_BROKERS: the brokers at {connection.brokers} can't be read: {type(error).__name__} {error};"
            " expected a reachable Kafka, see also NOTIFIER_KAFKA_SECURITY_PROTOCOL"
        )
        raise ReadFailed(message) from error
