"""Requests about topics and their partitions: who leads them, where they begin and end, and writes."""

from typing import TYPE_CHECKING, Any, Final

from tests.simulation.kafka import wire
from tests.simulation.kafka.log import DUPLICATE, NO_ERROR
from tests.simulation.kafka.order import UNKNOWN_TOPIC

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Cluster, Topic
    from tests.simulation.kafka.session import Session

PORT: Final = 9092
_COPY_SECONDS: Final = 0.003


def versions(_cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Say which requests are known."""
    fields: list[Any] = [0, list(wire.OFFERED)]
    session.reply(request.answer(*fields, *([0] if request.version else [])))


def metadata(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Say which brokers there are, and who leads which partition."""
    heard_of = cluster.heard_of(session.node)
    if request.version == wire.TOPIC_IDS_VERSION:
        found = {
            name: (heard_of[name].id, len(heard_of[name].logs)) if name in heard_of else None
            for name in request.fields[0]
        }
        session.reply(request.raw_answer(wire.topic_ids(found, cluster.name), b"\0"))
        return
    asked = request.fields[0]
    names = heard_of if asked is None else asked
    brokers = [(node, f"kafka-{node}", PORT, None) for node in sorted(cluster.up)]
    topics = [_described(cluster, heard_of.get(name), name) for name in names]
    session.reply(request.answer(0, brokers, cluster.name, min(cluster.up, default=1), topics))


def _described(cluster: "Cluster", topic: "Topic | None", name: str) -> tuple[Any, ...]:
    if topic is None:
        return (UNKNOWN_TOPIC, name, False, [])
    parts: list[tuple[Any, ...]] = [
        (0, n, log.leader, cluster.nodes, sorted(cluster.up), [])
        for n, log in enumerate(topic.logs)
    ]
    return (0, name, False, parts)


def producer_id(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Give a producer its number."""
    session.reply(request.answer(0, 0, cluster.new_producer(), 0))


def list_offsets(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Say where partitions begin and end."""
    topics = []
    for topic, partitions in request.fields[-1]:
        parts: list[tuple[Any, ...]] = []
        for partition, moment in partitions:
            error, log = cluster.log_of(topic, partition, session.node)
            offset = -1
            if log is not None:
                isolated = len(request.fields) > 2 and request.fields[1] == 1
                last = log.stable if isolated else log.replicated
                offset = log.start if moment == -2 else last
            parts.append((partition, error, -1, offset))
        topics.append((topic, parts))
    session.reply(request.answer(*([0] if request.version >= 2 else []), topics))


def produce(cluster: "Cluster", request: wire.Request, session: "Session") -> None:
    """Append batches; the answer comes when the copies have them."""
    order, pending, answers = session.order, [], []
    for topic, partitions in request.fields[-1]:
        parts: list[tuple[Any, ...]] = []
        answers.append((topic, parts))
        for partition, raw in partitions:
            error, log = cluster.log_of(topic, partition, session.node)
            if order is not None and order.how == "refuse":
                error, log = order.error, None
            first, stamp = -1, -1
            if log is not None:
                if order is not None and order.how == "truncate":
                    log.held = True
                error, first, _ = log.append(raw, cluster.now_ms())
                if error == DUPLICATE:
                    error = NO_ERROR
                if error == NO_ERROR:
                    stamp = cluster.now_ms() if log.append_time else -1
                    pending.append((topic, log, log.epoch, log.end))
                    cluster.on_write(session.link.client, topic)
            part = (partition, error, first, stamp)
            parts.append((*part, log.start if log else -1) if request.version >= 5 else part)
    cluster.active_at = cluster.loop.now
    answer = request.answer(answers, 0)
    if order is not None and order.how == "truncate":
        cluster.later(max(order.seconds, 0.01), _cut_off, cluster, pending, session)
    else:
        cluster.later(
            _COPY_SECONDS * cluster.loop.rng.random(), _copied, cluster, pending, answer, session
        )


def _copied(cluster: "Cluster", pending: list[Any], answer: bytes, session: "Session") -> None:
    for topic, log, _, _ in pending:
        log.replicate()
        cluster.fetches.wake(topic)
    if any(log.epoch != epoch for _, log, epoch, _ in pending):
        session.hang_up()  # another leads since: whether it has the records, this one can't say
    elif all(log.replicated >= end for _, log, _, end in pending):
        session.reply(answer)
    else:  # a copy lags: the answer waits for it
        cluster.later(0.2, _copied, cluster, pending, answer, session)


def _cut_off(cluster: "Cluster", pending: list[Any], session: "Session") -> None:
    for topic, log, _, _ in pending:
        cluster.move_leader(topic, log, truncate=True)
    session.hang_up()
