"""A real Apache Kafka cluster on the loopback interface: three nodes, each broker and controller in one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from streams.sandbox.kafka_jars import VERSION
from streams.sandbox.node import BrokerError, Node, PortTaken
from streams.sandbox.ports import free_ports
from streams.sandbox.storage import new_id

NODES = 3

_TRIES = 3

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
        log_levels: by the name of Kafka's loggers; the others say warnings.

    Attributes:
        nodes: by their number, from 1.
        copies: of each topic that it can keep.
    """

    copies = NODES

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        directory: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        heap: str = "256m",
        version: str = VERSION,
        racks: Sequence[str] = (),
        log_levels: Mapping[str, str] | None = None,
    ) -> None:
        settings = _KEPT_THREE_TIMES | dict(properties or {})
        self.nodes = tuple(
            Node(
                directory,
                number=number,
                properties=settings | ({"broker.rack": racks[number - 1]} if racks else {}),
                heap=heap,
                version=version,
                log_levels=log_levels,
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


def start_anew(nodes: Sequence[Node]) -> None:
    """Make nodes without data a new cluster, start them and wait until all work.

    Raises:
        BrokerError: one did not start; the message ends with its last log lines. None of them runs, and no data stay.
        JarsError: the jars could not be fetched.
    """
    for left in reversed(range(_TRIES)):
        try:
            _form(nodes)
        except BaseException as error:
            for node in nodes:
                node.kill()
                node.remove()
            if left and isinstance(error, PortTaken):
                continue  # choose again
            raise
        return


def _form(nodes: Sequence[Node]) -> None:
    # One of its own, so that another broker at our port is not taken for this one.
    cluster = new_id()
    try:
        ports = free_ports(len(nodes))
    except OSError as exc:
        raise BrokerError(str(exc)) from exc
    voters = ",".join(
        f"{node.number}@127.0.0.1:{node_ports.controller}"
        for node, node_ports in zip(nodes, ports, strict=True)
    )
    for node, node_ports in zip(nodes, ports, strict=True):
        node.format(cluster, node_ports, voters)
    for node in nodes:
        node.launch()
    for node in nodes:
        node.wait()
