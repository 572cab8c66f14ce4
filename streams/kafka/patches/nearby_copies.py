"""Finds the copy of a partition nearby that a leader names (follower fetching, KIP-392).

Upstream: none filed known; aiokafka's pull request 1159 brought follower fetching.

Why: a leader that sends a reader to a copy nearby gives it no records. Where aiokafka does not know the copy's broker, because
that was away when it looked last, it goes to the leader again and is sent away again, until it looks in five minutes:
nothing is read of the partition meanwhile.

Remove when: aiokafka asks for new metadata when it is sent to a broker that it does not know.
"""

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

REPLACES: Final = ("aiokafka.consumer.fetcher.Fetcher._update_preferred_read_replica",)


def learn_of_nearby_copies(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that was started look at once which brokers there are, when it is sent to one that it doesn't know."""
    fetcher, client = consumer._fetcher, consumer._client  # noqa: SLF001  # aiokafka has no public word for it
    go_to = fetcher._update_preferred_read_replica  # noqa: SLF001

    def go_or_look(partition: TopicPartition, node_id: int) -> None:
        if node_id >= 0 and client.cluster.broker_metadata(node_id) is None:
            client.force_metadata_update()
        else:
            go_to(partition, node_id)

    fetcher._update_preferred_read_replica = go_or_look  # noqa: SLF001
