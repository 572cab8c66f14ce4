"""Requests of a group's members to its coordinator."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.simulation.kafka import wire
from tests.simulation.kafka.group import REBALANCE, Group
from tests.simulation.kafka.log import NO_ERROR
from tests.simulation.kafka.order import LOADING, NOT_COORDINATOR, UNKNOWN_TOPIC
from tests.simulation.kafka.topic_requests import PORT

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Cluster
    from tests.simulation.kafka.session import Session


def coordinator(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Say which broker keeps a group."""
    name = request.fields[0]
    cluster.group(name)
    node = cluster.coordinators[name]
    ready = node in cluster.up
    fields = (0 if ready else 15, node if ready else -1, f"kafka-{node}", PORT)
    if request.version:
        session.reply(request.answer(0, fields[0], None, *fields[1:]))
    else:
        session.reply(request.answer(*fields))


def _group_of(
    cluster: "Cluster", request: wire.Request, session: "Session"
) -> tuple[int, Group | None]:
    """Return an error or 0, and the group where this broker keeps it."""
    group = cluster.group(request.fields[0])
    if cluster.coordinators[group.name] != session.node:
        return NOT_COORDINATOR, None
    return (LOADING, None) if cluster.is_loading(group.name) else (NO_ERROR, group)


def join(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Take a wish to join."""
    error, group = _group_of(cluster, request, session)
    cluster.active_at = cluster.loop.now
    fields = request.fields
    member = fields[3]

    def reply(joined: Any) -> None:
        error, generation, protocol, leader, member_id, members = joined
        if request.version < 5:
            members = [(name, metadata) for name, _, metadata in members]
        session.reply(request.answer(0, error, generation, protocol, leader, member_id, members))

    if group is None:
        reply((error, -1, "", "", member, []))
        return
    if session.order is not None and session.order.how == "refuse":
        reply((session.order.error, -1, "", "", member, []))
        return
    if member:
        cluster.members_of[group.name, member] = session.link.client
    group.join(member, fields[1] / 1000, fields[2] / 1000, fields[-1], reply)


def sync(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Take a wish for an assignment. Who keeps the group only now knows nothing of the rebalance that it ends."""
    error, group = _group_of(cluster, request, session)
    cluster.active_at = cluster.loop.now

    def reply(synced: Any) -> None:
        session.reply(request.answer(*([0] if request.version else []), *synced))

    if group is None:
        reply((REBALANCE if error == LOADING else error, b""))
    else:
        group.sync(request.fields[2], request.fields[1], request.fields[-1], reply)


def heartbeat(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Note that a member lives. A coordinator that is loading believes it."""
    error, group = _group_of(cluster, request, session)
    _, generation, member = request.fields
    if group is not None:
        error = group.heartbeat(member, generation)
    elif error == LOADING:
        error = NO_ERROR
    if session.order is not None and session.order.how == "refuse":
        error = session.order.error
    session.reply(request.answer(*([0] if request.version else []), error))


def leave(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Let a member go."""
    error, group = _group_of(cluster, request, session)
    cluster.active_at = cluster.loop.now
    if group is not None:
        error = group.leave(request.fields[1])
    session.reply(request.answer(*([0] if request.version else []), error))


def commit(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Keep offsets, unless a stranger sends them."""
    error, group = _group_of(cluster, request, session)
    _, generation, member, _, topics = request.fields
    if group is not None:
        error = group.may_commit(member, generation)
    order = session.order
    if order is not None and order.how == "refuse":
        error = order.error
    cluster.active_at = cluster.loop.now
    answers = []
    for topic, partitions in topics:
        parts = []
        known = cluster.topics.get(topic)
        for partition, offset, metadata in partitions:
            exists = known is not None and partition < len(known.logs)
            own = error if exists else UNKNOWN_TOPIC
            if not own and group is not None:
                group.commit((topic, partition), offset, metadata or "")
            parts.append((partition, own))
        answers.append((topic, parts))
    session.reply(request.answer(*([0] if request.version >= 3 else []), answers))


def offset_fetch(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Say what is committed."""
    error, group = _group_of(cluster, request, session)
    wanted: Iterable[tuple[str, list[int]]] | None = request.fields[1]
    if error and request.version >= 2:
        wanted = ()  # the error is said once, for all of them
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
