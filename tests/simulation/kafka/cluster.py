"""The brokers: topics, leaders and groups; and what goes wrong with requests, as it was ordered."""

import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from tests.simulation.kafka import group_requests, topic_requests, wire
from tests.simulation.kafka.fetches import Fetches
from tests.simulation.kafka.group import Group
from tests.simulation.kafka.log import NO_ERROR, Log
from tests.simulation.kafka.order import NOT_COORDINATOR, NOT_LEADER, UNKNOWN_TOPIC, Order
from tests.simulation.kafka.session import Session
from tests.simulation.kafka.topic_requests import PORT
from tests.simulation.loop import Process, WorldLoop
from tests.simulation.network import Link, Network

EPOCH_MS: Final = 1_795_342_530_000
_NOTICE_SECONDS: Final = (0.3, 3.0)
"""From the end of a broker to another that leads: between these."""
_HEARD_LATE_SECONDS: Final = 2.0
"""The longest time for which a broker goes on to speak of the topics that were."""
_FORGET_SECONDS: Final = 0.2
"""The longest time from the end of a topic to that of what groups have committed of it."""


_LOADING_SECONDS: Final = 1.0
"""The longest time for which a group's next coordinator reads what was kept of it, after the end of the last one."""


@dataclass(eq=False, slots=True)
class Topic:
    """A topic: its id and its partitions."""

    id: str
    logs: list[Log]


class Cluster:
    """The brokers of the world.

    Args:
        loop: the world's.
        network: the world's.
        process: whose name its work has.
        nodes: how many brokers.
        say: told what happens.
    """

    def __init__(
        self,
        loop: WorldLoop,
        network: Network,
        process: Process,
        nodes: int,
        say: Callable[[str], None],
    ) -> None:
        self.loop, self.network, self.process, self.say = loop, network, process, say
        self.name = "simulated"
        self.nodes = list(range(1, nodes + 1))
        self.up = set(self.nodes)
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.orders: list[Order] = []
        self.on_write: Callable[[Process, str], None] = lambda *_: None
        self.active_at = 0.0
        self.members_of: dict[tuple[str, str], Process] = {}
        self.memberships: list[tuple[int, str, frozenset[str]]] = []
        self.coordinators: dict[str, int] = {}
        self._loading_until: dict[str, float] = {}
        self.fetches = Fetches(self)
        self._producers = 100
        self._ids = 0
        self._heard_late: dict[int, tuple[float, dict[str, Topic]]] = {}
        for node in self.nodes:
            network.listen((f"kafka-{node}", PORT), process, self._accepts(node))

    @property
    def bootstrap(self) -> str:
        """All addresses."""
        return ",".join(f"kafka-{node}:{PORT}" for node in self.nodes)

    def now_ms(self) -> int:
        """The brokers' clock."""
        return EPOCH_MS + int((self.loop.now - 1000.0) * 1000)

    def later(self, seconds: float, do: Callable[..., Any], *args: Any) -> Any:
        """Do something later, as the brokers."""
        context = self.network.context_of(self.process)
        return self.loop.exactly_at(self.loop.now + seconds, do, *args, context=context)

    # --- topics -----------------------------------------------------------------------------------

    def create(self, name: str, partitions: int, *, append_time: bool = False) -> None:
        """Make a topic."""
        self._ids += 1
        raw = struct.pack(">qq", 0x51A7, self._ids)
        leaders = [
            self.nodes[(self._ids + number) % len(self.nodes)] for number in range(partitions)
        ]
        self.topics[name] = Topic(
            urlsafe_b64encode(raw).decode().rstrip("="),
            [Log(append_time=append_time, leader=leader) for leader in leaders],
        )

    def delete(self, name: str) -> None:
        """Delete a topic, and a moment later what groups have committed of that name."""
        topic = self.topics.pop(name)
        for log in topic.logs:
            log.epoch += 1  # what waits for its copies is not acknowledged any more
        self.fetches.wake(name)
        for group in self.groups.values():
            self.later(self.loop.rng.random() * _FORGET_SECONDS, group.forget, name)

    def hear_late(self) -> None:
        """Let some brokers go on to speak of the topics as they are now, whatever becomes of them next."""
        now, rng = self.loop.now, self.loop.rng
        for node in self.nodes:
            if rng.random() < 0.5 and self._heard_late.get(node, (now, {}))[0] <= now:
                until = now + rng.random() * _HEARD_LATE_SECONDS
                self._heard_late[node] = (until, dict(self.topics))

    def heard_of(self, node: int) -> dict[str, Topic]:
        """Return the topics that a broker speaks of."""
        until, topics = self._heard_late.get(node, (0.0, self.topics))
        return topics if until > self.loop.now else self.topics

    def id_of(self, topic: Topic) -> str:
        """Return a topic's id as the notifier writes it beside a commit."""
        return f"{topic.id}@{crc32(self.name.encode()):08x}"

    def group(self, name: str) -> Group:
        """Return a group, made at its first member."""
        if name not in self.groups:
            group = Group(name, self.later, self.loop.rng.choice([0.0, 0.5]), self.say)
            group.now_ms = self.now_ms
            group.on_members = self._note_members
            self.groups[name] = group
            self.coordinators[name] = self.nodes[len(self.groups) % len(self.nodes)]
        return self.groups[name]

    def _note_members(self, group: Group) -> None:
        names = {
            self.members_of[group.name, member].name
            for member in group.members
            if (group.name, member) in self.members_of
        }
        self.memberships.append((self.now_ms(), group.name, frozenset(names)))

    def write(self, topic: str, partition: int, raw: bytes) -> int:
        """Append a batch as if all copies had it at once; return its first offset."""
        log = self.topics[topic].logs[partition]
        error, first, _ = log.append(raw, self.now_ms())
        assert error == NO_ERROR
        log.replicate()
        self.fetches.wake(topic)
        return first

    # --- what is done to the brokers --------------------------------------------------------------

    def take_down(self, node: int) -> None:
        """End a broker: its connections break, others lead after a while."""
        self.up.discard(node)
        self.say(f"broker {node} is away")
        address_of = self._node_of
        self.network.break_links(lambda link: address_of(link) == node)
        self.fetches.drop_node(node)
        self.later(self.loop.rng.uniform(*_NOTICE_SECONDS), self._lead_elsewhere)

    def bring_up(self, node: int) -> None:
        """Start a broker again."""
        if node not in self.up:
            self.up.add(node)
            self.say(f"broker {node} is back")
            self._lead_elsewhere()

    def _lead_elsewhere(self) -> None:
        up = sorted(self.up)
        if not up:
            return
        for name, topic in self.topics.items():
            for log in topic.logs:
                if log.leader not in self.up:
                    self.move_leader(name, log, truncate=log.held)
        for name, node in self.coordinators.items():
            if node not in self.up:
                self.move_coordinator(name, self.loop.rng.random() * _LOADING_SECONDS)

    def move_leader(self, topic: str, log: Log, *, truncate: bool) -> None:
        """Let another broker lead; one that never had what was not replicated, where it says so."""
        others = sorted(self.up - {log.leader}) or [log.leader]
        log.leader, log.epoch = self.loop.rng.choice(others), log.epoch + 1
        if truncate:
            cut = log.truncate()
            if cut:
                self.say(f"{topic}: {cut} offsets are cut off that no copy had")
        log.held = False
        log.replicate()
        self.fetches.wake(topic)

    def move_coordinator(self, name: str, loading_seconds: float) -> None:
        """Let another broker keep a group, or the only one begin again to; it reads first what was kept."""
        others = sorted(self.up - {self.coordinators[name]}) or sorted(self.up)
        if not others:
            return
        self.coordinators[name] = self.loop.rng.choice(others)
        self._loading_until[name] = self.loop.now + loading_seconds
        self.say(f"group {name}: broker {self.coordinators[name]} keeps it now")
        self.groups[name].move(NOT_COORDINATOR, loading_seconds)

    def is_loading(self, group: str) -> bool:
        """Tell whether a group's coordinator still reads what was kept of it."""
        return self._loading_until.get(group, 0.0) > self.loop.now

    @staticmethod
    def _node_of(link: Link) -> int:
        return link.behind.node if isinstance(link.behind, Session) else -1

    def _accepts(self, node: int) -> Callable[[Link], Any]:
        def accept(link: Link) -> Any:
            return Session(self, node, link) if node in self.up else None

        return accept

    # --- requests ---------------------------------------------------------------------------------

    def ordered(self, request: wire.Request, client: Process) -> Order | None:
        """Return what shall go wrong with a request, if anything."""
        for order in self.orders:
            if order.key == request.key and order.of in {None, client}:
                order.times -= 1
                if order.times <= 0:
                    self.orders.remove(order)
                return order
        return None

    def handle(self, request: wire.Request, session: Session) -> None:
        """Do what a request asks for; the answer goes to its session."""
        order = self.ordered(request, session.link.client) if self.orders else None
        if order is not None:
            self.say(
                f"{order.how} {_NAMES.get(request.key, request.key)} of {session.link.client.name}"
            )
            order.done()
            if order.how == "drop":
                session.hang_up()
                return
            if order.how == "hang":
                self.later(order.seconds, session.hang_up)
                return
            session.order = order
        handler = _HANDLERS.get(request.key)
        if handler is None:
            session.hang_up()
        else:
            handler(self, request, session)

    def log_of(self, topic: str, partition: int, node: int) -> tuple[int, Log | None]:
        """Return an error or 0, and a partition's log at the broker that leads it."""
        found = self.topics.get(topic)
        if found is None or partition >= len(found.logs):
            return UNKNOWN_TOPIC, None
        log = found.logs[partition]
        return (NO_ERROR, log) if log.leader == node else (NOT_LEADER, None)

    def new_producer(self) -> int:
        """Return the number of a producer that begins."""
        self._producers += 1
        return self._producers


_HANDLERS: Final = {
    wire.VERSIONS: topic_requests.versions,
    wire.METADATA: topic_requests.metadata,
    wire.PRODUCER_ID: topic_requests.producer_id,
    wire.LIST_OFFSETS: topic_requests.list_offsets,
    wire.PRODUCE: topic_requests.produce,
    wire.FETCH: lambda cluster, request, session: cluster.fetches.take(request, session),
    wire.COORDINATOR: group_requests.coordinator,
    wire.JOIN: group_requests.join,
    wire.SYNC: group_requests.sync,
    wire.HEARTBEAT: group_requests.heartbeat,
    wire.LEAVE: group_requests.leave,
    wire.COMMIT: group_requests.commit,
    wire.OFFSET_FETCH: group_requests.offset_fetch,
}
_NAMES: Final = {
    wire.PRODUCE: "write", wire.FETCH: "fetch", wire.COMMIT: "commit", wire.JOIN: "join",
    wire.HEARTBEAT: "heartbeat", wire.OFFSET_FETCH: "offsets", wire.SYNC: "sync",
}  # fmt: skip
