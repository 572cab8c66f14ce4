"""Finds the leader of a partition that has moved since a consumer looked.

Upstream: none filed known in aiokafka; the Java client had the like of it (KAFKA-9535).

Why: where a partition begins and ends is asked of its leader. One that leads no longer says so; aiokafka asks it again, and
again, until it looks who leads in five minutes. A fetch would have it look at once, but none is made from a broker that
a partition's beginning is asked of. A group that begins on a partition without offsets would stand still for so long.

Remove when: aiokafka's `_proc_offset_request` asks for new metadata when a broker says that it leads no more.
"""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

REPLACES: Final = ("aiokafka.consumer.fetcher.Fetcher._proc_offset_request",)


def learn_of_moved_leaders(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that was started look at once who leads, when it is told that it has asked somebody else."""
    fetcher, client = consumer._fetcher, consumer._client  # noqa: SLF001  # aiokafka has no public word for it
    ask = fetcher._proc_offset_request  # noqa: SLF001

    async def ask_or_look(node_id: int, topics: Any) -> Any:  # noqa: ANN401  # aiokafka ships no types
        try:
            return await ask(node_id, topics)
        except KafkaError as error:
            if error.invalid_metadata:
                client.force_metadata_update()
            raise

    fetcher._proc_offset_request = ask_or_look  # noqa: SLF001
