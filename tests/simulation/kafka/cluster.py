"""The brokers: topics, leaders, groups, and what each request does; and what goes wrong with it, as it was ordered."""

import struct
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.kafka import wire
from tests.simulation.kafka.group import Group
from tests.simulation.kafka.log import DUPLICATE, NO_ERROR, OUT_OF_RANGE, Batch, Log
from tests.simulation.loop import Process, WorldLoop
from tests.simulation.network import Link, Network

EPOCH_MS: Final = 1_795_342_530_000
NOT_LEADER, UNKNOWN_TOPIC, NOT_COORDINATOR, TOO_FEW_COPIES, TIMED_OUT = 6, 3, 16, 19, 7
_PORT: Final = 9092
_NOTICE_SECONDS: Final = (0.3, 3.0)
"""From the end of a broker to another that leads: between these."""
_COPY_SECONDS: Final = 0.003


@dataclass(slots=True)
class Order:
    """What shall go wrong with the next request of a kind.

    Attributes:
        key: of the request.
        how: `refuse` (an error, and nothing is done), `lose` (done, and the connection ends before the answer), `late`
            (done, and the answer comes later), `drop` (the connection ends before anything is done), `truncate` (a
            write that is cut off again by a new leader).
        of: whose; None for anybody's.
        seconds: how late.
        error: which.
        times: how many of them.
        done: called when it has happened.
    """

    key: int
    how: str
    of: Process | None = None
    seconds: float = 0.0
    error: int = NOT_LEADER
    times: int = 1
    done: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Topic:
    """A topic: its id and its partitions."""

    id: str
    logs: list[Log]


@dataclass(eq=False, slots=True)
class _Waiting:
    """A fetch that waits for records."""

    request: wire.Request
    session: "_Session"
    topics: set[str]
    timer: Any = None


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
        self.nodes = list(range(1, nodes + 1))
        self.up = set(self.nodes)
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.orders: list[Order] = []
        self.on_write: Callable[[Process, str, int], None] = lambda *_: None
        self.active_at = 0.0
        self.members_of: dict[tuple[str, str], Process] = {}
        self.memberships: list[tuple[int, str, frozenset[str]]] = []
        self._coordinators: dict[str, int] = {}
        self._waiting: dict[_Waiting, None] = {}
        self._producers = 100
        self._ids = 0
        for node in self.nodes:
            network.listen((f"kafka-{node}", _PORT), process, self._accepts(node))

    @property
    def bootstrap(self) -> str:
        """All addresses."""
        return ",".join(f"kafka-{node}:{_PORT}" for node in self.nodes)

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
        """Delete a topic, and what groups have committed of it."""
        del self.topics[name]
        for group in self.groups.values():
            group.forget(name)

    def group(self, name: str) -> Group:
        """Return a group, made at its first member."""
        if name not in self.groups:
            group = Group(name, self.later, self.loop.rng.choice([0.0, 0.5]), self.say)
            group.now_ms = self.now_ms
            group.on_members = self._note_members
            self.groups[name] = group
            self._coordinators[name] = self.nodes[len(self.groups) % len(self.nodes)]
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
        self.wake(topic)
        return first

    def wake(self, topic: str) -> None:
        """Let who waits for records of a topic look again."""
        for waiting in [waiting for waiting in self._waiting if topic in waiting.topics]:
            self._fetch_again(waiting)

    # --- what is done to the brokers --------------------------------------------------------------

    def take_down(self, node: int) -> None:
        """End a broker: its connections break, others lead after a while."""
        self.up.discard(node)
        self.say(f"broker {node} is away")
        address_of = self._node_of
        self.network.break_links(lambda link: address_of(link) == node)
        for waiting in [waiting for waiting in self._waiting if waiting.session.node == node]:
            self._drop_waiting(waiting)
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
        for name, node in self._coordinators.items():
            if node not in self.up:
                self._coordinators[name] = self.loop.rng.choice(up)

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
        self.wake(topic)

    @staticmethod
    def _node_of(link: Link) -> int:
        return link.behind.node if isinstance(link.behind, _Session) else -1

    def _accepts(self, node: int) -> Callable[[Link], Any]:
        def accept(link: Link) -> Any:
            return _Session(self, node, link) if node in self.up else None

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

    def handle(self, request: wire.Request, session: "_Session") -> None:
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
            session.order = order
        handler = _HANDLERS.get(request.key)
        if handler is None:
            session.hang_up()
        else:
            handler(self, request, session)

    def _versions(self, request: wire.Request, session: "_Session") -> None:
        fields: list[Any] = [0, list(wire.OFFERED)]
        session.reply(request.answer(*fields, *([0] if request.version else [])))

    def _metadata(self, request: wire.Request, session: "_Session") -> None:
        if request.version == wire.TOPIC_IDS_VERSION:
            found = {
                name: (self.topics[name].id, len(self.topics[name].logs))
                if name in self.topics
                else None
                for name in request.fields[0]
            }
            session.reply(request.raw_answer(wire.topic_ids(found), b"\0"))
            return
        asked = request.fields[0]
        names = self.topics if asked is None else asked
        brokers = [(node, f"kafka-{node}", _PORT, None) for node in sorted(self.up)]
        topics = [self._described(name) for name in names]
        session.reply(request.answer(0, brokers, "simulated", min(self.up, default=1), topics))

    def _described(self, name: str) -> tuple[Any, ...]:
        if name not in self.topics:
            return (UNKNOWN_TOPIC, name, False, [])
        logs = self.topics[name].logs
        parts: list[tuple[Any, ...]] = [
            (0, n, log.leader, self.nodes, sorted(self.up), []) for n, log in enumerate(logs)
        ]
        return (0, name, False, parts)

    def _log(self, topic: str, partition: int, node: int) -> tuple[int, Log | None]:
        found = self.topics.get(topic)
        if found is None or partition >= len(found.logs):
            return UNKNOWN_TOPIC, None
        log = found.logs[partition]
        return (NO_ERROR, log) if log.leader == node else (NOT_LEADER, None)

    def _producer_id(self, request: wire.Request, session: "_Session") -> None:
        self._producers += 1
        session.reply(request.answer(0, 0, self._producers, 0))

    def _list_offsets(self, request: wire.Request, session: "_Session") -> None:
        topics = []
        for topic, partitions in request.fields[-1]:
            parts: list[tuple[Any, ...]] = []
            for partition, moment in partitions:
                error, log = self._log(topic, partition, session.node)
                offset = -1
                if log is not None:
                    isolated = len(request.fields) > 2 and request.fields[1] == 1
                    last = log.stable if isolated else log.replicated
                    offset = log.start if moment == -2 else last
                parts.append((partition, error, -1, offset))
            topics.append((topic, parts))
        session.reply(request.answer(*([0] if request.version >= 2 else []), topics))

    def _produce(self, request: wire.Request, session: "_Session") -> None:
        order, pending, answers = session.order, [], []
        for topic, partitions in request.fields[-1]:
            parts: list[tuple[Any, ...]] = []
            answers.append((topic, parts))
            for partition, raw in partitions:
                error, log = self._log(topic, partition, session.node)
                if order is not None and order.how == "refuse":
                    error, log = order.error, None
                first, stamp = -1, -1
                if log is not None:
                    if order is not None and order.how == "truncate":
                        log.held = True
                    error, first, _ = log.append(raw, self.now_ms())
                    if error == DUPLICATE:
                        error = NO_ERROR
                    if error == NO_ERROR:
                        stamp = self.now_ms() if log.append_time else -1
                        pending.append((topic, log, log.epoch, log.end))
                        self.on_write(session.link.client, topic, partition)
                part = (partition, error, first, stamp)
                parts.append((*part, log.start if log else -1) if request.version >= 5 else part)
        self.active_at = self.loop.now
        answer = request.answer(answers, 0)
        if order is not None and order.how == "truncate":
            self.later(max(order.seconds, 0.01), self._cut_off, pending, session)
        else:
            self.later(
                _COPY_SECONDS * self.loop.rng.random(), self._copied, pending, answer, session
            )

    def _copied(self, pending: list[Any], answer: bytes, session: "_Session") -> None:
        for topic, log, _, _ in pending:
            log.replicate()
            self.wake(topic)
        if any(log.epoch != epoch for _, log, epoch, _ in pending):
            session.hang_up()  # another leads since: whether it has the records, this one can't say
        elif all(log.replicated >= end for _, log, _, end in pending):
            session.reply(answer)
        else:  # a copy lags: the answer waits for it
            self.later(0.2, self._copied, pending, answer, session)

    def _cut_off(self, pending: list[Any], session: "_Session") -> None:
        for topic, log, _, _ in pending:
            self.move_leader(topic, log, truncate=True)
        session.hang_up()

    # --- fetching ---------------------------------------------------------------------------------

    def _fetch(self, request: wire.Request, session: "_Session") -> None:
        if self._answer_fetch(request, session, forced=False):
            return
        waiting = _Waiting(request, session, {topic for topic, _ in self._fetched(request)})
        self._waiting[waiting] = None
        waiting.timer = self.later(request.fields[1] / 1000, self._fetch_ends, waiting)

    @staticmethod
    def _fetched(request: wire.Request) -> list[Any]:
        index = 7 if request.version >= 7 else 5
        found: list[Any] = request.fields[index]
        return found

    def _fetch_again(self, waiting: _Waiting) -> None:
        if self._answer_fetch(waiting.request, waiting.session, forced=False):
            self._drop_waiting(waiting)

    def _fetch_ends(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._drop_waiting(waiting)
            self._answer_fetch(waiting.request, waiting.session, forced=True)

    def _drop_waiting(self, waiting: _Waiting) -> None:
        self._waiting.pop(waiting, None)
        waiting.timer.cancel()

    def drop_session(self, session: "_Session") -> None:
        """Forget the fetches of a connection that ended."""
        for waiting in [waiting for waiting in self._waiting if waiting.session is session]:
            self._drop_waiting(waiting)

    def _answer_fetch(self, request: wire.Request, session: "_Session", *, forced: bool) -> bool:
        topics, anything = [], forced
        decided = request.version >= 4 and request.fields[4] == 1
        for topic, partitions in self._fetched(request):
            parts = []
            for asked in partitions:
                partition, most = asked[0], asked[-1]
                offset = asked[2 if request.version >= 9 else 1]
                error, log = self._log(topic, partition, session.node)
                batches: list[Batch] = []
                if log is not None:
                    error, batches = log.read(offset, most, decided=decided)
                anything = anything or bool(batches) or error != NO_ERROR
                parts.append(
                    _fetched_part(request.version, partition, error, log, batches, decided=decided)
                )
            topics.append((topic, parts))
        if not anything:
            return False
        if not forced:
            self.active_at = self.loop.now
        head = [0, 0, 0] if request.version >= 7 else [0]
        session.reply(request.answer(*head, topics))
        return True

    # --- groups -----------------------------------------------------------------------------------

    def _coordinator(self, request: wire.Request, session: "_Session") -> None:
        name = request.fields[0]
        self.group(name)
        node = self._coordinators[name]
        ready = node in self.up
        fields = (0 if ready else 15, node if ready else -1, f"kafka-{node}", _PORT)
        if request.version:
            session.reply(request.answer(0, fields[0], None, *fields[1:]))
        else:
            session.reply(request.answer(*fields))

    def _group_of(self, request: wire.Request, session: "_Session") -> Group | None:
        group = self.group(request.fields[0])
        return group if self._coordinators[group.name] == session.node else None

    def _join(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        self.active_at = self.loop.now
        fields = request.fields
        member = fields[3]

        def reply(joined: Any) -> None:
            error, generation, protocol, leader, member_id, members = joined
            if request.version < 5:
                members = [(name, metadata) for name, _, metadata in members]
            session.reply(
                request.answer(0, error, generation, protocol, leader, member_id, members)
            )

        if group is None:
            reply((NOT_COORDINATOR, -1, "", "", member, []))
            return
        if session.order is not None and session.order.how == "refuse":
            reply((session.order.error, -1, "", "", member, []))
            return
        if member:
            self.members_of[group.name, member] = session.link.client
        group.join(member, fields[1] / 1000, fields[2] / 1000, fields[-1], reply)

    def _sync(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        self.active_at = self.loop.now

        def reply(synced: Any) -> None:
            session.reply(request.answer(*([0] if request.version else []), *synced))

        if group is None:
            reply((NOT_COORDINATOR, b""))
        else:
            group.sync(request.fields[2], request.fields[1], request.fields[-1], reply)

    def _heartbeat(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        _, generation, member = request.fields
        error = NOT_COORDINATOR if group is None else group.heartbeat(member, generation)
        if session.order is not None and session.order.how == "refuse":
            error = session.order.error
        session.reply(request.answer(*([0] if request.version else []), error))

    def _leave(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        self.active_at = self.loop.now
        error = NOT_COORDINATOR if group is None else group.leave(request.fields[1])
        session.reply(request.answer(*([0] if request.version else []), error))

    def _commit(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        _, generation, member, _, topics = request.fields
        error = NOT_COORDINATOR if group is None else group.may_commit(member, generation)
        order = session.order
        if order is not None and order.how == "refuse":
            error = order.error
        self.active_at = self.loop.now
        answers = []
        for topic, partitions in topics:
            parts = []
            for partition, offset, metadata in partitions:
                if not error and group is not None:
                    group.commit((topic, partition), offset, metadata or "")
                parts.append((partition, error))
            answers.append((topic, parts))
        session.reply(request.answer(*([0] if request.version >= 3 else []), answers))

    def _offset_fetch(self, request: wire.Request, session: "_Session") -> None:
        group = self._group_of(request, session)
        error = NOT_COORDINATOR if group is None else NO_ERROR
        wanted: Iterable[tuple[str, list[int]]] | None = request.fields[1]
        if wanted is None:
            by_topic: dict[str, list[int]] = {}
            for topic, partition in group.committed if group else ():
                by_topic.setdefault(topic, []).append(partition)
            wanted = list(by_topic.items())
        topics = []
        for topic, partitions in wanted:
            parts = []
            for partition in partitions:
                found = group.committed.get((topic, partition)) if group else None
                offset, metadata = found or (-1, "")
                own = error if request.version < 2 else 0
                parts.append((partition, offset, metadata, own))
            topics.append((topic, parts))
        tail = [error] if request.version >= 2 else []
        session.reply(request.answer(*([0] if request.version >= 3 else []), topics, *tail))


def _fetched_part(  # noqa: PLR0913  # what the answer says
    version: int,
    partition: int,
    error: int,
    log: Log | None,
    batches: list[Batch],
    *,
    decided: bool,
) -> tuple[Any, ...]:
    raw = b"".join(batch.raw for batch in batches)
    replicated, stable, start, aborted = -1, -1, -1, None
    if log is not None and error in {NO_ERROR, OUT_OF_RANGE}:
        replicated, stable, start = log.replicated, log.stable, log.start
        if decided and batches:
            first, last = batches[0].first, batches[-1].last
            aborted = [
                (producer, began)
                for producer, began, marker in log.aborted
                if marker >= first and began <= last
            ]
    middle = [start] if version >= 5 else []
    nearby = [-1] if version >= 11 else []
    return (partition, error, replicated, stable, *middle, aborted, *nearby, raw)


_HANDLERS: Final = {
    wire.VERSIONS: Cluster._versions,
    wire.METADATA: Cluster._metadata,
    wire.PRODUCER_ID: Cluster._producer_id,
    wire.LIST_OFFSETS: Cluster._list_offsets,
    wire.PRODUCE: Cluster._produce,
    wire.FETCH: Cluster._fetch,
    wire.COORDINATOR: Cluster._coordinator,
    wire.JOIN: Cluster._join,
    wire.SYNC: Cluster._sync,
    wire.HEARTBEAT: Cluster._heartbeat,
    wire.LEAVE: Cluster._leave,
    wire.COMMIT: Cluster._commit,
    wire.OFFSET_FETCH: Cluster._offset_fetch,
}
_NAMES: Final = {
    wire.PRODUCE: "write", wire.FETCH: "fetch", wire.COMMIT: "commit", wire.JOIN: "join",
    wire.HEARTBEAT: "heartbeat", wire.OFFSET_FETCH: "offsets", wire.SYNC: "sync",
}  # fmt: skip


class _Session:
    """One connection at its broker: one request after the other."""

    def __init__(self, cluster: Cluster, node: int, link: Link) -> None:
        self.cluster, self.node, self.link = cluster, node, link
        self.order: Order | None = None
        self._buffer = b""
        self._requests: deque[bytes] = deque()
        self._busy = False
        self._gone = False

    def received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            (length,) = struct.unpack_from(">i", self._buffer)
            if len(self._buffer) < 4 + length:
                break
            self._requests.append(self._buffer[4 : 4 + length])
            self._buffer = self._buffer[4 + length :]
        self._next()

    def _next(self) -> None:
        while self._requests and not self._busy and not self._gone:
            self._busy, self.order = True, None
            self.cluster.handle(wire.Request(self._requests.popleft()), self)

    def reply(self, answer: bytes) -> None:
        """Send an answer, unless it was ordered otherwise; then the next request has its turn."""
        order = self.order
        if self._gone:
            return
        if order is not None and order.how == "lose":
            self.hang_up()
            return
        if order is not None and order.how == "late":
            self.order = None
            self.cluster.later(order.seconds, self.reply, answer)
            return
        self._busy = False
        self.link.answer(answer)
        self._next()

    def hang_up(self) -> None:
        """End the connection."""
        self._gone = True
        self.cluster.drop_session(self)
        self.link.break_off()

    def lost(self) -> None:
        self._gone = True
        self.cluster.drop_session(self)
