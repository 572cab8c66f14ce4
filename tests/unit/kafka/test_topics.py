"""The topics: what each must be like, and what differs."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.kafka.format.records import OutRecord
from streams.kafka.sizes import LEAST_MESSAGE_BYTES, MAX_RECORD_BYTES
from streams.kafka.topics import TopicNames, TopicSpec, compare_topics, size_warnings, topic_specs
from streams.notification.profiles import TIERS

NAMES = TopicNames("pn")
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
# The contract, section 4: name, retention.ms, who stamps the records of a new one.
TOPICS = [
    ("pn-retry-1s", WEEK_MS + 1_000, "LogAppendTime"),
    ("pn-retry-3s", WEEK_MS + 3_000, "LogAppendTime"),
    ("pn-retry-30s", WEEK_MS + 30_000, "LogAppendTime"),
    ("pn-retry-1m", WEEK_MS + 60_000, "LogAppendTime"),
    ("pn-retry-2m", WEEK_MS + 120_000, "LogAppendTime"),
    ("pn-retry-5m", WEEK_MS + 300_000, "LogAppendTime"),
    ("pn-retry-10m", WEEK_MS + 600_000, "LogAppendTime"),
    ("pn-retry-15m", WEEK_MS + 900_000, "LogAppendTime"),
    ("pn-retry-30m", WEEK_MS + 1_800_000, "LogAppendTime"),
    ("pn-retry-1h", WEEK_MS + 3_600_000, "LogAppendTime"),
    ("pn-retry-2h", WEEK_MS + 7_200_000, "LogAppendTime"),
    ("pn-retry-3h", WEEK_MS + 10_800_000, "LogAppendTime"),
    ("pn-retry-4h", WEEK_MS + 14_400_000, "LogAppendTime"),
    ("pn-retry-6h", WEEK_MS + 21_600_000, "LogAppendTime"),
    ("pn-retry-15h", WEEK_MS + 54_000_000, "LogAppendTime"),
    ("pn-replay", WEEK_MS, "LogAppendTime"),
    ("pn-dead-letter", -1, "LogAppendTime"),
    ("pn-attempts", 30 * DAY_MS, "LogAppendTime"),
]


def specs(replication=3):
    return topic_specs(NAMES, TIERS, 12, replication)


def test_every_topic_with_its_retention():
    """As a table a person can read."""
    assert [
        (spec.name, int(spec.config["retention.ms"]), spec.config["message.timestamp.type"])
        for spec in specs()
    ] == TOPICS


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_what_all_topics_have_in_common(replication, in_sync):
    """Nothing is compacted or bounded by size, and no replica that lags may lead."""
    for spec in specs(replication):
        assert (spec.partitions, spec.replication) == (12, replication)
        assert spec.config["cleanup.policy"] == "delete"
        assert spec.config["retention.bytes"] == "-1"
        assert (
            spec.config["max.message.bytes"] == "1048588"
        )  # Kafka's default, whatever its platform's
        assert spec.config["min.insync.replicas"] == in_sync
        assert spec.config["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.name)
def test_a_topic_made_from_its_spec_does_not_differ(spec):
    """What is created passes the check."""
    assert spec.differences(spec.config) == []


@pytest.mark.parametrize(
    ("name", "seen", "fault"),
    [
        ("cleanup.policy", "compact", "cleanup.policy is compact, expected delete"),
        ("cleanup.policy", "compact,delete", "cleanup.policy is compact,delete, expected delete"),
        ("cleanup.policy", None, "cleanup.policy is not set, expected delete"),
        ("retention.bytes", "1073741824", "retention.bytes is 1073741824, expected -1"),
        ("retention.ms", "604800999", "retention.ms is 604800999, expected at least 604801000"),
        ("retention.ms", None, "retention.ms is not set, expected at least 604801000"),
        ("retention.ms", "-2", "retention.ms is -2, expected at least 604801000"),
        ("retention.ms", "604801000", None),
        ("retention.ms", "904801000", None),
        ("retention.ms", "-1", None),
        ("max.message.bytes", "131072", None),
        ("max.message.bytes", None, None),
        ("min.insync.replicas", "1", "min.insync.replicas is 1, expected 2"),
        ("min.insync.replicas", "3", "min.insync.replicas is 3, expected 2"),
        ("min.insync.replicas", None, "min.insync.replicas is not set, expected 2"),
        (
            "unclean.leader.election.enable",
            "true",
            "unclean.leader.election.enable is true, expected false",
        ),
        ("message.timestamp.type", "LogAppendTime", None),
        ("segment.bytes", "1", None),
    ],
)
def test_what_differs_on_a_tier_is_said(name, seen, fault):
    """Property by property; more retention than needed is no fault."""
    spec = specs()[0]
    actual = {key: value for key, value in (spec.config | {name: seen}).items() if value}
    assert spec.differences(actual) == ([] if fault is None else [f"pn-retry-1s: {fault}"])


@pytest.mark.parametrize("seen", ["1000061", "1048588", "8388608"])
def test_a_topic_that_takes_all_that_we_write_is_not_warned_about(seen):
    """More than needed is as good."""
    assert size_warnings({"pn-retry-1s": {"max.message.bytes": seen}}) == []


@pytest.mark.parametrize("seen", ["131072", "1000012", "1000060", None])
def test_a_topic_that_takes_less_than_we_write_is_warned_about(seen):
    """What was seen and expected, what follows and what to do."""
    config = {} if seen is None else {"max.message.bytes": seen}
    (warning,) = size_warnings({"pn-retry-1s": config})
    assert warning == (
        f"max.message.bytes is {seen or 'not set'} on pn-retry-1s; expected at least 1000061: a notification that is larger"
        " than its retry topic takes is dead-lettered as oversized instead of waiting for its next attempt; for each:"
        " kafka-configs.sh --alter --topic NAME --add-config max.message.bytes=1048588"
    )


def test_all_topics_that_take_too_little_are_named_in_one_sentence():
    """A platform's default is that of every topic."""
    configs = {spec.name: {"max.message.bytes": "1000012"} for spec in specs()}
    configs["pn-replay"] = {"max.message.bytes": "131072"}
    configs["pn-retry-3s"] = {"max.message.bytes": "1048588"}
    (warning,) = size_warnings(configs)
    assert warning.startswith(
        "max.message.bytes is 1000012 on pn-retry-1s, pn-retry-30s, pn-retry-1m,"
    )
    assert ", pn-retry-15h, pn-dead-letter, pn-attempts; 131072 on pn-replay; expected" in warning
    assert "pn-retry-3s" not in warning


def test_a_topic_without_a_warning_takes_the_largest_record_that_we_write():
    """As it goes over the wire, in a batch of its own; what is asked for is little more than that."""
    headers = (("origin", b"source/3/42"), ("shop", b"x" * 9000))
    empty = OutRecord("t", b"order", b"", headers)
    value = b"x" * (MAX_RECORD_BYTES - empty.size_bytes)
    batch = DefaultRecordBatchBuilder(2, 0, 0, 7, 0, 0, 2 * MAX_RECORD_BYTES)
    assert batch.append(0, 1_795_342_530_000, b"order", value, list(headers)) is not None
    assert 0 <= LEAST_MESSAGE_BYTES - len(batch.build()) < 64


def test_dead_letters_are_kept_for_ever():
    """A hundred years are not enough."""
    spec = next(spec for spec in specs() if spec.name == "pn-dead-letter")
    assert spec.differences(spec.config | {"retention.ms": str(36_500 * DAY_MS)}) == [
        f"pn-dead-letter: retention.ms is {36_500 * DAY_MS}, expected -1 (for ever)"
    ]


def test_an_older_topic_may_have_its_writers_stamps():
    """`topics create` gives new ones the broker's; only attempts must have them, as the clocks are compared by those."""
    for spec in specs():
        if spec.name != "pn-attempts":
            assert spec.differences(spec.config | {"message.timestamp.type": "CreateTime"}) == []


def test_attempts_are_stamped_by_the_broker():
    """Its clock is the one that workers compare theirs with."""
    spec = next(spec for spec in specs() if spec.name == "pn-attempts")
    assert spec.differences(spec.config | {"message.timestamp.type": "CreateTime"}) == [
        "pn-attempts: message.timestamp.type is CreateTime, expected LogAppendTime"
    ]


def test_five_copies_may_ask_for_more_of_them_to_be_in_sync():
    """As long as one may be down."""
    spec = TopicSpec("t", 1, 5, 1)
    for count, faults in (("2", 0), ("4", 0), ("5", 1)):
        assert len(spec.differences(spec.config | {"min.insync.replicas": count})) == faults


def test_every_difference_is_named_at_once():
    """A topic that the broker made by itself."""
    assert len(specs()[0].differences({})) == 5


@pytest.mark.parametrize(("code", "passes"), [(3, True), (29, False)])
async def test_settings_that_can_not_be_read_say_whether_that_passes(code, passes):
    """A broker that was told late does not know a topic yet: a start waits for that, and not for a right that is missing."""

    class Admin:
        async def list_topics(self):
            return ["t"]

        async def describe_topics(self, topics):
            return [{"topic": topic, "partitions": []} for topic in topics]

        async def describe_configs(self, resources):
            answers: list[Any] = [(code, "not now", 2, one.name, []) for one in resources]
            return [SimpleNamespace(resources=answers)]

    admin: Any = Admin()
    with pytest.raises(KafkaError, match="reading the settings of t: not now") as raised:
        await compare_topics(admin, [TopicSpec("t", 1, 1, 1)])
    assert raised.value.retriable is passes
