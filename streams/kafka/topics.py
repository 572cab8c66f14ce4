"""The topics the notifier owns: what each must be like, how they are made, what differs (contract, section 4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    NodeNotReadyError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from streams.kafka.sizes import LEAST_MESSAGE_BYTES
from streams.notification.ladder import Wait
from streams.topic_names import TopicNames as TopicNames  # noqa: PLC0414  # whoever makes topics names them too

_DAY_MS = 86_400_000
_FOREVER = -1
_MESSAGE_BYTES = 1_048_588  # Kafka's own default


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic of ours must be like.

    Attributes:
        name: in full.
        partitions: how many, exactly.
        replication: how many copies, exactly.
        retention_ms: how long records must be kept at least; -1 is for ever.
        append_time: whether the broker's clock must stamp its records. It does on every topic that we make, but one that was
            there before may have the writer's.
    """

    name: str
    partitions: int
    replication: int
    retention_ms: int
    append_time: bool = False

    @property
    def config(self) -> dict[str, str]:
        """The settings it is created with."""
        return {
            "cleanup.policy": "delete",
            "retention.bytes": "-1",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(_MESSAGE_BYTES),
            # Kafka deletes by the time of the stamp: with the writer's, what a worker writes whose clock is weeks behind
            # would be gone within minutes, and one that is an hour ahead could write nothing.
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": "2" if self.replication >= 3 else "1",  # noqa: PLR2004  # a third copy may be down
            "unclean.leader.election.enable": "false",
        }

    def differences(self, actual: Mapping[str, str]) -> list[str]:
        """Return what differs from the settings that a topic has, one sentence each."""
        differences = []
        for name, expected in self.config.items():
            seen = actual.get(name, "not set")
            if name == "retention.ms":
                if seen != str(_FOREVER) and not _at_least(seen, self.retention_ms):
                    differences.append(
                        f"{self.name}: retention.ms is {seen}, expected {_retention_text(self.retention_ms)}"
                    )
            elif name == "min.insync.replicas":
                if not seen.isdigit() or not int(expected) <= int(seen) <= max(
                    int(expected), self.replication - 1
                ):
                    differences.append(
                        f"{self.name}: min.insync.replicas is {seen}, expected {expected}"
                    )
            elif name == "max.message.bytes":
                continue  # it refuses no start: `size_warnings`
            elif name == "message.timestamp.type" and not self.append_time:
                continue
            elif seen != expected:
                differences.append(f"{self.name}: {name} is {seen}, expected {expected}")
        return differences


def size_warnings(configs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what to say of the topics that take less than we may write, in one sentence; nothing where none does.

    Usually it is all of them, by a default of their platform. Kafka's own was 1000012 before 2.5.

    Args:
        configs: the settings that our topics have, by name.
    """
    small: dict[str, list[str]] = {}
    for topic, config in configs.items():
        seen = config.get("max.message.bytes", "not set")
        if not _at_least(seen, LEAST_MESSAGE_BYTES):
            small.setdefault(seen, []).append(topic)
    if not small:
        return []
    found = "; ".join(f"{seen} on {', '.join(topics)}" for seen, topics in small.items())
    warning = (
        f"max.message.bytes is {found}; expected at least {LEAST_MESSAGE_BYTES}: a notification that is larger than its"
        " retry topic takes is dead-lettered as oversized instead of waiting for its next attempt; for each: kafka-configs.sh"
        f" --alter --topic NAME --add-config max.message.bytes={_MESSAGE_BYTES}"
    )
    return [warning]


def _at_least(seen: str, wanted: int) -> bool:
    return wanted != _FOREVER and seen.isdigit() and int(seen) >= wanted


def _retention_text(wanted_ms: int) -> str:
    return "-1 (for ever)" if wanted_ms == _FOREVER else f"at least {wanted_ms}"


def topic_specs(
    names: TopicNames, waits: Iterable[Wait], partitions: int, replication: int
) -> tuple[TopicSpec, ...]:
    """Return every topic of ours: the tiers by rising wait, then replay, dead letters and attempts."""
    tiers = [
        TopicSpec(names.tier(wait), partitions, replication, wait.seconds * 1000 + 7 * _DAY_MS)
        for wait in waits
    ]
    return (
        *tiers,
        TopicSpec(names.replay, partitions, replication, 7 * _DAY_MS),
        TopicSpec(names.dead_letter, partitions, replication, _FOREVER),
        TopicSpec(names.attempts, partitions, replication, 30 * _DAY_MS, append_time=True),
    )


async def broker_count(admin: AIOKafkaAdminClient) -> int:
    """Return how many brokers of the cluster are in service now.

    Raises:
        NodeNotReadyError: none is, as after a start or a long pause of all.
    """
    count = len((await admin.describe_cluster())["brokers"])
    if not count:
        message = "no broker of the cluster is in service yet"
        raise NodeNotReadyError(message)
    return count


async def most_copies(admin: AIOKafkaAdminClient, names: Iterable[str]) -> int:
    """Return how many copies the topics of these names have at most; 0 where none exists."""
    have = await existing_topics(admin)
    present = [name for name in names if name in have]
    topics = await admin.describe_topics(present) if present else ()
    return max(
        (len(part["replicas"]) for topic in topics for part in topic["partitions"]), default=0
    )


async def take_writes(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    """Tell whether each partition of these topics has a leader and as many copies in sync as a write with acks=all needs."""
    configs = await _configs(admin, [*names])
    return all(
        partition["leader"] >= 0
        and len(partition["isr"]) >= int(configs[topic["topic"]].get("min.insync.replicas", 1))
        for topic in await admin.describe_topics([*names])
        for partition in topic["partitions"]
    )


async def existing_topics(admin: AIOKafkaAdminClient) -> frozenset[str]:
    """Return the names of all topics that we may see. Asks for the whole list, which creates none."""
    return frozenset(await admin.list_topics())


async def create_topics(admin: AIOKafkaAdminClient, specs: Iterable[TopicSpec]) -> list[str]:
    """Create the topics that do not exist; leave the others alone. Return the names of those created.

    Raises:
        KafkaError: the broker refused one; its message names the topic.
    """
    have = await existing_topics(admin)
    missing = [spec for spec in specs if spec.name not in have]
    if not missing:
        return []
    new = [
        NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=spec.config)
        for spec in missing
    ]
    response = await admin.create_topics(new, timeout_ms=30_000)
    created = []
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.append(name)
        elif for_code(code) is not TopicAlreadyExistsError:
            text = f"creating {name}: {for_code(code).__name__} {message[0] if message and message[0] else ''}".strip()
            if for_code(code) is TopicAuthorizationFailedError:
                text += f"; expected a right to CREATE on topic {name}, or on the cluster"
            raise KafkaError(text)
    return created


async def compare_topics(
    admin: AIOKafkaAdminClient, specs: Iterable[TopicSpec]
) -> tuple[list[str], list[str]]:
    """Return in what the broker's topics differ from what they must be, and what is only warned about, in sentences."""
    specs = list(specs)
    have = await existing_topics(admin)
    differences = [f"{spec.name}: does not exist" for spec in specs if spec.name not in have]
    present = [spec for spec in specs if spec.name in have]
    if not present:
        return differences, []
    shapes = {
        topic["topic"]: topic
        for topic in await admin.describe_topics([spec.name for spec in present])
    }
    configs = await _configs(admin, [spec.name for spec in present])
    for spec in present:
        differences += _shape_differences(spec, shapes[spec.name]["partitions"])
        differences += spec.differences(configs[spec.name])
    return differences, size_warnings({spec.name: configs[spec.name] for spec in present})


def _shape_differences(spec: TopicSpec, partitions: list[dict[str, Any]]) -> list[str]:
    differences = []
    if len(partitions) != spec.partitions:
        differences.append(
            f"{spec.name}: has {len(partitions)} partitions, expected {spec.partitions}"
        )
    copies = {len(partition["replicas"]) for partition in partitions}
    if copies != {spec.replication}:
        seen = ", ".join(str(number) for number in sorted(copies))
        differences.append(f"{spec.name}: has {seen} replicas, expected {spec.replication}")
    return differences


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _kind, name, entries in response.resources:
            if code:
                # Which says whether it passes: a broker may have been told late of a new topic.
                error = for_code(code)
                text = f"reading the settings of {name}: {message or error.__name__}"
                raise error(text)
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
