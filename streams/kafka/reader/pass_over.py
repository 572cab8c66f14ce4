"""Moves a consumer group behind a batch that can't be read, while it has no members."""

from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.committed_state import CommittedState
from streams.kafka.connection import Connection
from streams.kafka.format.raw import RecordId

_TAKEN = (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)


class CannotPass(Exception):  # noqa: N818  # what it is
    """The group can't be moved: what was seen, what was expected, what to do."""


class StoppedGroup:
    """A consumer group without members, at one partition.

    Use as an async context manager.

    Args:
        connection: the brokers.
        group_id: the group.
        record_id: the offset that it must have committed.

    Raises:
        CannotPass: on entry, when it has members, may not be moved by us, or stands somewhere else.
    """

    def __init__(self, connection: Connection, group_id: str, record_id: RecordId) -> None:
        self._group, self._record_id = group_id, record_id
        self._tp = TopicPartition(record_id.topic, record_id.partition)
        self._options = connection.options(f"{group_id}-unreadable")
        self._consumer: AIOKafkaConsumer = None
        self._progress = CommittedState(record_id.offset)

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **self._options,
            group_id=self._group,
            enable_auto_commit=False,
            request_timeout_ms=20_000,
        )
        try:
            await self._consumer.start()
            await self._check()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            message = f"group {self._group} can't be asked: {type(error).__name__} {error}"
            raise CannotPass(message) from error
        except CannotPass:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def _check(self) -> None:
        consumer, tp = self._consumer, self._tp
        consumer.assign([tp])
        committed = await consumer._coordinator.fetch_committed_offsets([tp])  # noqa: SLF001  # with its text
        seen = committed.get(tp)
        if seen is None:
            self._progress = CommittedState((await consumer.beginning_offsets([tp]))[tp])
        else:
            self._progress = CommittedState.read(seen.offset, seen.metadata)
        if self._progress.offset != self._record_id.offset:
            message = (
                f"group {self._group} stands at {self._record_id._replace(offset=self._progress.offset)}, expected at"
                f" {self._record_id}; let the workers run until all before it is settled, and name the offset that their"
                " log gives"
            )
            raise CannotPass(message)
        # Where it stands already: what is refused later is refused now.
        await self._commit(self._progress)

    async def move(self, offset: int) -> None:
        """Commit an offset behind the batch. What is settled further on stays so.

        Raises:
            CannotPass: the group has got members since, or the brokers refuse it.
        """
        ahead = frozenset(at for at in self._progress.finished if at >= offset)
        await self._commit(CommittedState(offset, ahead))

    async def _commit(self, progress: CommittedState) -> None:
        to = OffsetAndMetadata(progress.offset, progress.metadata())
        try:
            await self._consumer.commit({self._tp: to})
        except KafkaError as error:
            if isinstance(error, _TAKEN) or isinstance(error.__cause__, _TAKEN):
                message = (
                    f"group {self._group} has members; stop its workers first, all of them, and start them again"
                    " afterwards"
                )
            else:
                message = f"group {self._group} can't be moved: {type(error).__name__} {error}"
            raise CannotPass(message) from error
