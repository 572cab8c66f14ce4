"""A worker that starts while Kafka can't be reached waits for it, and says so at a falling rate.

Nodes come up in any order. A worker that ended instead would be started again by its supervisor, with back-off that
grows to minutes after Kafka is back, and with alerts about crashes where nothing is wrong with the worker.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.kafka.admin.diagnosis import KeptOut, knock
from streams.kafka.admin.preflight import Brokers, Unreachable, Unusable
from streams.kafka.connection import connection_of
from streams.settings import Settings

log = logging.getLogger(__name__)

_BETWEEN_TRIES_SECONDS: Final = 2.0
_FIRST_SILENCE_SECONDS: Final = 10.0
_LONGEST_SILENCE_SECONDS: Final = 600.0


class FallingRate:
    """Decides when to log a sentence again: after 10 s, then 20 s, 40 s, up to ten minutes."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._next = 0.0
        self._silence = _FIRST_SILENCE_SECONDS

    def is_time(self, sentence: str, now_seconds: float) -> bool:
        """Tell whether to log it now; a new sentence is logged at once and begins the pauses anew."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._silence = _FIRST_SILENCE_SECONDS
        elif now_seconds < self._next:
            return False
        self._next = now_seconds + self._silence
        self._silence = min(self._silence * 2, _LONGEST_SILENCE_SECONDS)
        return True


async def reach_kafka(settings: Settings, waiting: Callable[[str | None], None]) -> None:
    """Return when a broker was reached and everything that a worker needs of it is as it must be.

    Args:
        settings: the worker's.
        waiting: called with the reason to wait, in a sentence, and with None when it is over.

    Raises:
        Unusable: nothing to wait for: the brokers refuse us, or the topics or rights are not what they must be.
    """
    loop = asyncio.get_running_loop()
    begun, rate, waited = loop.time(), FallingRate(), False
    while (why := await _try(settings)) is not None:
        waiting(why)
        waited = True
        if rate.is_time(why, loop.time()):
            log.warning("waiting for Kafka for %.0f s: %s", loop.time() - begun, why)
        await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
    waiting(None)
    if waited:
        log.info("Kafka was reached after %.0f s", loop.time() - begun)


async def _try(settings: Settings) -> str | None:
    """Check once; return why Kafka can't be reached, or None where all is well."""
    kept_out: KeptOut | None
    try:
        # A client of aiokafka's would log each of its tries.
        kept_out = await knock(connection_of(settings), f"{settings.group_id}-admin")
    except OSError:  # a file of the settings: checking says which
        kept_out = None
    if kept_out is not None and not kept_out.refused:
        return kept_out.why
    try:
        await prepare_start(settings)
    except Unreachable as error:
        return str(error)
    return None


async def prepare_start(settings: Settings) -> None:
    """Check all that a worker needs of the brokers, log what is only warned about, and write down where its group begins.

    Raises:
        Unusable: with every fault.
        Unreachable: no broker answers, or they can't do now what is asked of them.
    """
    async with Brokers(settings) as brokers:
        try:
            faults = await brokers.start_faults()
            if not faults:
                await brokers.seed()
        except (KafkaError, OSError, TimeoutError) as error:
            passes = (
                not isinstance(error, KafkaError)
                or error.retriable
                or isinstance(error, KafkaTimeoutError)
            )
            kind = Unreachable if passes else Unusable
            raise kind([f"the topics can't be read: {error or type(error).__name__}"]) from error
    if faults:
        raise Unusable(faults)
    for warning in brokers.topic_warnings:
        log.warning("%s", warning)
