"""The check before a worker consumes, for both ways to run one, and how a start is refused."""

import sys
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from streams.kafka.admin.preflight import Unusable
from streams.kafka.admin.startup import reach_kafka
from streams.settings import Settings

_FAULT: Final = 1


async def check_brokers(settings: Settings, waiting: Callable[[str | None], None]) -> None:
    """Wait for Kafka and check it; say every fault and exit with 1 where it can't be used.

    Args:
        settings: the worker's.
        waiting: called with the reason to wait, in a sentence, and with None when it is over.
    """
    try:
        await reach_kafka(settings, waiting)
    except Unusable as error:
        refuse(error.faults)


def refuse(faults: Iterable[str]) -> NoReturn:
    """Say every fault and exit with 1."""
    sys.stderr.writelines(f"fault: {fault}\n" for fault in faults)
    sys.exit(_FAULT)
