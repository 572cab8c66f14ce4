"""A real Apache Kafka cluster on the loopback interface: three nodes, each broker and controller in one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from streams.sandbox.kafka_jars import VERSION
from streams.sandbox.node import Node, start_anew

NODES = 3

_KEPT_THREE_TIMES = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


class Cluster:
    """Three nodes, of which any one may be lost: three copies of everything, two of them in sync.

    Each node is stopped, killed, frozen and started by itself. Every method blocks; from a coroutine use
    `asyncio.to_thread`.

    Args:
        directory: where the nodes' temporary directories are made; the system's place for such by default.
        properties: server properties that are added or win over ours.
        heap: the Java heap of each node, as `-Xmx` takes it.
        version: of Kafka, one of `streams.sandbox.kafka_jars.versions()`.
        racks: where each node stands (`broker.rack`); nowhere by default.

    Attributes:
        nodes: by their number, from 1.
        copies: of each topic that it can keep.
    """

    copies = NODES

    def __init__(
        self,
        directory: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        heap: str = "256m",
        version: str = VERSION,
        racks: Sequence[str] = (),
    ) -> None:
        settings = _KEPT_THREE_TIMES | dict(properties or {})
        self.nodes = tuple(
            Node(
                directory,
                number=number,
                properties=settings | ({"broker.rack": racks[number - 1]} if racks else {}),
                heap=heap,
                version=version,
            )
            for number in range(1, NODES + 1)
        )

    def __enter__(self) -> Self:
        start_anew(self.nodes)
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()  # in order they would wait for each other
            node.close()

    @property
    def bootstrap(self) -> str:
        """`host:port` of every node, with commas between; the same after every restart.

        Raises:
            BrokerError: it was never started.
        """
        return ",".join(node.bootstrap for node in self.nodes)
