"""What a Faust application is given in place of Faust's own Kafka driver."""

from collections.abc import Callable
from typing import Any

from faust.transport import base
from faust.types import TP

from streams.kafka.consumer.consumer import Consumer
from streams.kafka.format.records import PartitionId


class _NoProducer(base.Producer):
    """Stands where Faust wants a producer; connects to nothing: `streams.kafka.producer` writes."""

    async def on_start(self) -> None:
        """Connect to nothing."""


class Transport(base.Transport):
    """The transport of `NotifierApp`."""

    Consumer = Consumer
    Producer = _NoProducer
    driver_version = "aiokafka"


class ConsumerFlow:
    """The flow of partitions, stopped and started the way Faust's own conductor does it.

    `pause_partitions` would drop records that were fetched already; `on_buffer_full` keeps them.
    """

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer

    def pause(self, partition: PartitionId) -> None:
        """Fetch no more from the partition."""
        self._consumer().on_buffer_full(TP(*partition))

    def resume(self, partition: PartitionId) -> None:
        """Fetch again from the partition."""
        self._consumer().on_buffer_drop(TP(*partition))
