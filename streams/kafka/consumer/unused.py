"""What of Faust an application has no use for that only has agents: tables, Faust's producer, and Faust's statistics.

Each of these would wait when a worker starts, or wake it up several times a second for nothing.
"""

import asyncio
import logging
from typing import Any, Final

from aiokafka.errors import KafkaError
from faust.sensors import Monitor
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from mode import Service

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 1.0


def _unused(member: str) -> Any:  # noqa: ANN401  # each has its own type in Faust
    def refuse(*_: object, **__: object) -> None:
        message = (
            f"Faust called Consumer.{member}, for which the notifier has no use; expected no table and no producer of"
            " Faust's in the application"
        )
        raise NotImplementedError(message)

    return refuse


class WithoutTables(base.Consumer):
    """Faust's abstract consumer for an application that only has agents."""

    create_topic = _unused("create_topic")
    earliest_offsets = _unused("earliest_offsets")
    highwater = _unused("highwater")
    highwaters = _unused("highwaters")
    key_partition = _unused("key_partition")
    position = _unused("position")
    seek_wait = _unused("seek_wait")
    topic_partitions = _unused("topic_partitions")
    _commit = _unused("_commit")
    _new_topicpartition = _unused("_new_topicpartition")
    _seek = _unused("_seek")

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Look for nothing: acknowledgements that it would miss are not made."""


class _NoRecovery(Recovery):
    """Lets records flow after each assignment: there is nothing to recover. Looks for nothing in between."""

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """Let records flow once their positions are set, unless another rebalance has begun meanwhile.

        Faust's own lets them flow all the same, and also where the positions could not be set.
        """
        app: Any = self.app
        consumer = app.consumer
        consumer.resume_partitions(consumer.assignment())
        await self._wait(self._seek(generation_id))
        if app.consumer_generation_id != generation_id:
            return
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001  # as Faust's own
        app.on_rebalance_end()

    async def _seek(self, generation_id: int) -> None:
        while self.app.consumer_generation_id == generation_id:
            try:
                async with asyncio.timeout(self.app.conf.broker_request_timeout):
                    await self.app.consumer.perform_seek()
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "the committed offsets can't be read, trying again: %s",
                    error or type(error).__name__,
                )
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Read nothing: there are no changelogs."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Tell nothing."""


class NoTables(TableManager):
    """Stands where Faust wants a manager of tables. Faust's own waits for a second whether the program adds one."""

    async def on_start(self) -> None:
        """Say at once that all tables are known."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """What Faust asks to recover tables."""
        if self._recovery is None:
            self._recovery = _NoRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class QuietMonitor(Monitor):
    """Faust's statistics without those of each record and each second: ours are `streams.telemetry.metrics`."""

    @Service.task
    async def _sampler(self) -> None:
        """Reckon nothing."""

    def on_message_in(self, *_: object) -> None:
        """Count nothing."""

    def on_stream_event_in(self, *_: object) -> dict[str, object]:
        """Count nothing."""
        return {}

    def on_stream_event_out(self, *_: object) -> None:
        """Count nothing."""

    def on_message_out(self, *_: object) -> None:
        """Count nothing."""
