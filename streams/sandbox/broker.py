"""A real Apache Kafka on the loopback interface: one node that is a cluster by itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from streams.sandbox.cluster import start_anew
from streams.sandbox.kafka_jars import VERSION
from streams.sandbox.node import Node
from streams.sandbox.secure_listener import SecureListener

_ALONE = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class Broker(Node):
    """One broker. Every method blocks; from a coroutine use `asyncio.to_thread`.

    Args:
        directory: where its temporary directory is made; the system's place for such by default.
        properties: server properties that are added or win over ours.
        heap: the Java heap, as `-Xmx` takes it.
        secure: a second listener with TLS, SASL and access rules.
        version: of Kafka, one of `streams.sandbox.kafka_jars.versions()`.
        remove: more directories that are deleted with its own when this program is killed.

    Attributes:
        copies: of each topic that it can keep.
    """

    copies = 1

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        directory: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        heap: str = "384m",
        secure: SecureListener | None = None,
        version: str = VERSION,
        remove: Sequence[Path] = (),
    ) -> None:
        super().__init__(
            directory,
            properties=_ALONE | dict(properties or {}),
            heap=heap,
            secure=secure,
            version=version,
            remove=remove,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it and wait until it answers a metadata request as a working cluster; nothing if it runs.

        Raises:
            BrokerError: it did not start; the message ends with its last log lines.
            JarsError: the jars could not be fetched.
        """
        if self.formatted:
            super().start()
        else:
            start_anew([self])
