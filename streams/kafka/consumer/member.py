"""The member of a consumer group that aiokafka makes: configured, started, polled, looked at and stopped by us."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchError, OffsetResetStrategy
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    InvalidCommitOffsetSizeError,
    KafkaError,
    OffsetMetadataTooLargeError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownError,
)

from streams.clock import uptime_seconds
from streams.kafka.connection import Connection
from streams.kafka.format.records import PartitionId
from streams.kafka.patches.answered_heartbeats import hear_answered_heartbeats
from streams.kafka.patches.fetch_sessions import keep_sessions
from streams.kafka.patches.member_commits import guard_commits
from streams.kafka.patches.moved_leaders import learn_of_moved_leaders
from streams.kafka.patches.nearby_copies import learn_of_nearby_copies
from streams.kafka.patches.paced_fetches import pace_fetches
from streams.kafka.patches.quick_close import close_quickly
from streams.kafka.patches.refused_members import ask_again

log = logging.getLogger(__name__)

_FETCH_WAIT_MS: Final = 250
"""How long a partition that flows again may wait for a fetch already under way. Faust: 1500."""
_LEAVE_SECONDS: Final = 3.0
"""How long a group's coordinator may take to let a member go."""
_NO_LEADER: Final = -1
_LONG_BYTES: Final = 64 * 1024
"""Of the texts beside the offsets of a commit, together: brokers take 1 MB, and this is little beside it."""
_LOOK_SECONDS: Final = 1.0
"""How often a fetcher looks through its partitions, of which there are hundreds, when nothing has happened."""


def make_consumer(connection: Connection, conf: Any) -> AIOKafkaConsumer:  # noqa: ANN401  # Faust's settings have no type
    """Return a consumer that is to be started.

    Args:
        connection: the brokers.
        conf: the Faust application's settings.
    """
    return AIOKafkaConsumer(
        **connection.options(conf.broker_client_id),
        group_id=conf.id,
        group_instance_id=conf.consumer_group_instance_id,
        client_rack=connection.rack,
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        enable_auto_commit=False,
        auto_offset_reset="none",  # no offset is skipped unseen, see `streams.kafka.consumer.reading`
        max_poll_records=conf.broker_max_poll_records,
        max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
        max_partition_fetch_bytes=conf.consumer_max_fetch_size,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        request_timeout_ms=int(conf.broker_request_timeout * 1000),
        session_timeout_ms=int(conf.broker_session_timeout * 1000),
        rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
        heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        isolation_level="read_committed",
    )


async def start(
    consumer: AIOKafkaConsumer,
    between_fetches_seconds: float,
    on_answered: Callable[[float], None],
    on_put_off: Callable[[], None],
    on_refused: Callable[[Exception], None],
) -> None:
    """Start it, with the patches that a member of a group needs.

    Args:
        consumer: as `make_consumer` returned it.
        between_fetches_seconds: from one fetch to the next, at least.
        on_answered: called for each request that the coordinator answered to its member, with when it was sent, by
            `uptime_seconds`.
        on_put_off: called each time that the coordinator can't take it into the group now; it asks again.
        on_refused: called each time that the group's coordinator does not take it, with the error.

    Raises:
        KafkaError: no broker could be reached, or they refused.
    """
    await consumer.start()
    hear_answered_heartbeats(consumer, uptime_seconds, on_answered, on_put_off)
    guard_commits(consumer)
    ask_again(consumer, on_refused)
    learn_of_moved_leaders(consumer)
    learn_of_nearby_copies(consumer)
    keep_sessions(consumer)
    # Each fetch that ends and each partition that flows again tells its fetcher; what is left is a safeguard. aiokafka: 0.2.
    consumer._fetcher._fetcher_timeout = _LOOK_SECONDS  # noqa: SLF001  # aiokafka has no public word for it
    if between_fetches_seconds:
        pace_fetches(consumer, between_fetches_seconds)


def send_heartbeats(consumer: AIOKafkaConsumer) -> None:
    """Begin to send heartbeats, where none are sent; aiokafka begins only when the partitions were taken over."""
    consumer._coordinator._start_heartbeat_task()  # noqa: SLF001  # aiokafka has no public word for it


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close the connections."""
    close_quickly(consumer._client)  # noqa: SLF001  # aiokafka has no public word for it
    try:
        # A broker that stands still is waited for no longer: without our word the group waits for our session's end.
        async with asyncio.timeout(_LEAVE_SECONDS):
            await consumer.stop()
    except (asyncio.CancelledError, TimeoutError):
        # The first is aiokafka's own: it cancels its fetches, and one that has just failed lets that through (its issue
        # 647). Whoever waits for the end would wait for ever.
        coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public word for it
        if coordinator is not None and coordinator._heartbeat_task is not None:  # noqa: SLF001
            coordinator._heartbeat_task.cancel()  # noqa: SLF001  # it would go on, on connections of its own
        await consumer._client.close()  # noqa: SLF001  # what was left to do


async def fetch(
    consumer: AIOKafkaConsumer, partitions: Collection[Any], seconds: float
) -> Mapping[Any, list[Any]]:
    """Return records of these partitions, which may be part of those that are ours; nothing after so many seconds.

    Raises:
        ConsumerStoppedError: it was stopped.
        KafkaError: what the brokers say against it.
    """
    # As aiokafka's `getmany` does it, which takes each partition as an argument and looks at all of them every time.
    fetcher = consumer._fetcher  # noqa: SLF001
    if consumer._closed or fetcher._closed:  # noqa: SLF001
        raise ConsumerStoppedError
    with fetcher._subscriptions.fetch_context():  # noqa: SLF001
        records: Mapping[Any, list[Any]] = await fetcher.fetched_records(
            partitions,
            timeout=seconds,
            max_records=consumer._max_poll_records,  # noqa: SLF001
        )
    return records


def led(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Return those of which it is known who leads them.

    aiokafka asks about the ends of partitions again and again until all of them have leaders: one without would hide the
    others' ends.
    """
    leader_of = consumer._client.cluster.leader_for_partition  # noqa: SLF001  # aiokafka has no public word for it
    return [tp for tp in partitions if leader_of(tp) not in {None, _NO_LEADER}]


def positions_out_of_range(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Return the partitions whose position their brokers found outside of the log, those that no fetch has raised yet."""
    waiting = consumer._fetcher._records.items()  # noqa: SLF001  # aiokafka has no public word for it
    errors = (found._error for _, found in waiting if isinstance(found, FetchError))  # noqa: SLF001  # likewise
    positions: dict[TopicPartition, int] = {}
    for error in errors:
        if isinstance(error, OffsetOutOfRangeError):
            positions |= error.args[0]
    return positions


def reset_to_beginning(consumer: AIOKafkaConsumer, partitions: Collection[Any]) -> None:
    """Let partitions be read from the beginning of their logs, wherever that is; nobody waits until it is known.

    Raises:
        IllegalStateError: one of them is not assigned.
    """
    # As aiokafka's `seek_to_beginning` does it, which waits: for 40 s where a topic was made again with fewer partitions.
    if foreign := set(partitions) - consumer.assignment():
        message = f"partitions {foreign} are not assigned"
        raise IllegalStateError(message)
    if partitions:
        consumer._fetcher.request_offset_reset(partitions, OffsetResetStrategy.EARLIEST)  # noqa: SLF001


async def commit(
    consumer: AIOKafkaConsumer, offsets: Callable[[int], Mapping[Any, Any]], room: int
) -> tuple[int, frozenset[str]]:
    """Commit, and return how long the texts beside the offsets may be, and of which topics nothing may be committed.

    The brokers bound each text, and what all partitions of a commit take together. A commit that they find too large is
    refused whatever is tried again later; the offsets count, the texts only spare repeats. The coordinator of Kafka 4 says
    of one that is too large together that it does not know what went wrong; so this is what is tried where texts are long.

    Args:
        consumer: a member of the group.
        offsets: what to commit, with texts of so many bytes at most.
        room: how many the brokers took until now.

    Raises:
        KafkaError: it could not be committed.
    """
    tried = room
    refusal: KafkaError | None = None
    forbidden: frozenset[str] = frozenset()
    while True:
        wanted = offsets(tried)
        try:
            await consumer.commit(wanted)
        except (OffsetMetadataTooLargeError, InvalidCommitOffsetSizeError, UnknownError) as error:
            bytes_together = sum(len(offset.metadata) for offset in wanted.values())
            if not tried or (isinstance(error, UnknownError) and bytes_together < _LONG_BYTES):
                raise
            refusal, tried = error, tried // 4
        except TopicAuthorizationFailedError as error:
            # Where aiokafka raises this, nothing was said against the others: they are committed.
            forbidden = frozenset(error.args[0])
            break
        else:
            break
    if refusal is not None:
        log.warning(
            "the brokers find what is written beside the offsets too long (%s): from now on it has at most %s bytes."
            " More is repeated after a crash",
            type(refusal).__name__,
            tried,
        )
    return tried, forbidden


def symptoms_of(consumer: AIOKafkaConsumer | None, *, put_off: bool) -> list[str]:
    """Return what looks dead about it, in words that do not change from look to look.

    Args:
        consumer: None where there is none yet.
        put_off: whether the group's coordinator takes nobody now: then a new one would be out of the group too.
    """
    # aiokafka has no public word for its state; a consumer that is starting has no coordinator yet
    if consumer is None or consumer._coordinator is None:  # noqa: SLF001
        return ["the consumer was not started"]
    coordinator = consumer._coordinator  # noqa: SLF001
    symptoms = []
    if not put_off and (coordinator.generation < 0 or not coordinator.member_id):
        symptoms.append("the worker is out of its group")
    # Each is expected to run for as long as the consumer; where one has ended, everything else looks well.
    tasks = {
        "coordination": coordinator._coordination_task,  # noqa: SLF001
        "fetch": consumer._fetcher._fetch_task,  # noqa: SLF001
        "metadata": consumer._client._sync_task,  # noqa: SLF001
    }
    for name, task in tasks.items():
        if task is not None and task.done():
            # aiokafka's own line about it is one of many that are not written.
            error = None if task.cancelled() else task.exception()
            symptoms.append(f"the {name} task has ended{f': {error}' if error else ''}")
    return symptoms


def partition_count(consumer: AIOKafkaConsumer) -> int:
    """Return how many partitions the subscribed topics have."""
    topics = consumer.subscription()
    return sum(len(consumer.partitions_for_topic(topic) or ()) for topic in topics)


def partition_of(tp: TopicPartition) -> PartitionId:
    """Return a partition's name as the lanes have it."""
    return tp.topic, tp.partition
