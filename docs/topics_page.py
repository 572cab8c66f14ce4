"""The page of the topics."""

from collections.abc import Iterator
from typing import Final

from docs.markdown import NOTE, spelled, table
from streams.kafka.sizes import LEAST_MESSAGE_BYTES
from streams.kafka.topics import TopicNames, topic_specs
from streams.notification.profiles import PROFILES, TIERS
from streams.settings import Settings

_DAY_S: Final = 24 * 3600
_COPIES: Final = 3  # of a cluster with three brokers or more

_CHANGING_TOPICS: Final = (
    "## Where a worker begins\n",
    (
        "A group has read a topic when it has committed an offset in any of its partitions; a worker does so within "
        "seconds, in partitions without records too."
    ),
    "Beside each offset stands the id of the topic that it is of, and on the main group's also which source topics it has read.\n",
    *table(
        "Seen | Where it begins",
        [
            "a committed offset | there",
            (
                "no offset in any partition of a source topic: the group has never read it | `NOTIFIER_START_FROM`: "
                "`earliest`, `latest` (before a transaction that is open) or the first record that is at least as young as a"
                " time"
            ),
            "no offset in a partition, but in others of the topic: it came later | at its beginning",
            (
                "no offset in a source topic that the group has read: it was deleted, and its offsets with it | at its "
                "beginning, and said"
            ),
            (
                "an offset of a topic with another id: it was deleted and made again | at its beginning, and said; the old "
                "log's offsets count for nothing"
            ),
            "an offset that a mirror brought from another cluster | there; what was finished above it is attempted again",
            "an offset above the log's end: its brokers lost the end | at its beginning, and said",
            (
                "an offset below the log's beginning: retention or a deletion of records has passed it | at the log's "
                "beginning; what was passed is counted as lost, and said"
            ),
            "no offset in a topic of ours | at its beginning, whatever `NOTIFIER_START_FROM` says",
        ],
    ),
    (
        "Said is: an error in the log, `notifier_topic_resets_total` or `notifier_lost_offsets_total`, and the alerts "
        "[NotifierTopicReset](runbooks/NotifierTopicReset.md) and [NotifierOffsetsLost](runbooks/NotifierOffsetsLost.md)."
    ),
    "An offset that stands without an id (an older version's, or one that `kafka-consumer-groups --reset-offsets` wrote) is taken as it is.\n",
    (
        "Offsets expire: brokers forget those of a group that has had no members for `offsets.retention.minutes` (7 days "
        "unless they are told otherwise)."
    ),
    "Kafka then shows what it shows of a group that has never read anything, so `NOTIFIER_START_FROM` decides again.",
    (
        "With `earliest` all that the topics still hold is told again; with a time all since then; with `latest` whatever "
        "came while no worker ran would be passed over."
    ),
    "Set `latest` for a first start only, and a time or `earliest` after it; where workers may be away for longer than a week, raise the brokers' setting.",
    "While any worker runs, nothing expires.\n",
    "## When topics change under a worker\n",
    "Every 5 s each worker asks a broker for the ids and the numbers of partitions of its group's topics, in one request.\n",
    *table(
        "What happens | What a worker does",
        [
            (
                "partitions are added | the group shares them out anew, a rebalance of about a second; they are read from "
                "their beginning, and what stands in them is pending from the first look on"
            ),
            (
                "a topic is deleted and made again | its partitions are read from their beginning, or on from where another "
                "worker has begun the new one; nothing of the old log is "
                "committed any more; what was not settled of the old one is gone, and said as above; what was on its way to a "
                "partition that the new one does not have is written to another"
            ),
            (
                "a topic is made again twice, and a broker speaks of the topic in between | what is settled is committed under "
                "that one's id until every look has found the newest for 100 s; who is given the partition meanwhile may read it "
                "from its beginning"
            ),
            (
                "a topic is deleted | within 15 s `/health/ready` fails and names it, `notifier_missing_topics` and "
                "[NotifierTopicMissing](runbooks/NotifierTopicMissing.md); the others are read; when it is made again, it is "
                "read from its beginning"
            ),
            (
                "retention passes a record that a worker holds in memory | it is attempted all the same; one that is not held "
                "is lost, and said as above"
            ),
            (
                "a transaction ends | its marker takes an offset, and is neither pending nor a lag of the group once it is "
                "read; nor are records of one that was aborted"
            ),
            (
                "a transaction stays open | what stands behind its first record can't be given to any reader of committed "
                "records: it is not pending but `notifier_undecided_offsets`, see "
                "[NotifierTransactionOpen](runbooks/NotifierTransactionOpen.md)"
            ),
        ],
    ),
)

_SIZES: Final = (
    "## What a topic takes\n",
    f"The largest record that a worker writes needs a `max.message.bytes` of {LEAST_MESSAGE_BYTES}.",
    (
        "Where a topic takes less, by a default of its platform or by Kafka's own before 2.5 (1000012), workers start and warn, "
        "as `notifier topics check` and `notifier topics create` do."
    ),
    "What is larger than its topic takes:\n",
    *table(
        "Record | What becomes of it",
        [
            (
                "a notification that must wait on a retry topic | a dead letter, `oversized`, that names the topic, instead of "
                "its next attempt"
            ),
            "a dead letter | cut to what can be kept, `oversized`; where not even that fits, the worker stops",
            "what an operator puts back | not put back, which the command says",
            "a record of an attempt or a decision, a few KiB | the worker stops; it does not go on without it",
        ],
    ),
    "To mend it: `kafka-configs.sh --alter --topic NAME --add-config max.message.bytes=1048588`.\n",
)


def topics_page() -> str:
    """Return the list of our topics."""
    field = Settings.model_fields
    prefix, partitions = field["topic_prefix"].default, field["topic_partitions"].default
    specs = topic_specs(TopicNames(prefix), TIERS, partitions, _COPIES)
    return "\n".join(
        [
            NOTE,
            "# Topics\n",
            f"Names begin with `NOTIFIER_TOPIC_PREFIX`; here it is the default, `{prefix}`.",
            "`notifier topics create` makes those that are missing and changes none that exists.",
            (
                "`notifier topics check` says in what they differ from this page, and a worker does not start while they do; "
                "of `max.message.bytes` alone both only warn ([below](#what-a-topic-takes))."
            ),
            (
                f"Each has exactly `NOTIFIER_TOPIC_PARTITIONS` partitions ({partitions} by default) and "
                f"`NOTIFIER_TOPIC_REPLICATION` copies (min({_COPIES}, brokers) by default)."
            ),
            (
                "There is one retry topic for each wait that was ever released, and all are read; one named `<prefix>-retry-*` "
                "that is none of these was made by a newer version: [upgrade](upgrade.md#what-a-newer-version-wrote)."
            ),
            "What their records hold stands in [attempts.md](attempts.md).\n",
            *table(
                "Topic | Kept for | Read by role | Records",
                [
                    f"`{spec.name}` | {lifetime(spec.retention_ms)} | {record_of(spec.name, prefix)}"
                    for spec in specs
                ],
            ),
            "Retention may be longer than stated, never shorter.",
            "Every topic is created with these settings:\n",
            *table(
                "Setting | Value",
                [
                    f"`{name}` | {'as above' if name == 'retention.ms' else f'`{value}`'}"
                    f"{'; `CreateTime` is let be on all but the attempts topic' if name == 'message.timestamp.type' else ''}"
                    f"{f'; less than `{LEAST_MESSAGE_BYTES}` is only warned about' if name == 'max.message.bytes' else ''}"
                    f"{'; `1` with fewer than three copies' if name == 'min.insync.replicas' else ''}"
                    for name, value in specs[0].config.items()
                ],
            ),
            *_SIZES,
            *_CHANGING_TOPICS,
            "## Who waits where\n",
            "The attempts before which a notification waits on a tier, by profile.\n",
            *table(" | ".join(["Wait", *(f"`{name}`" for name in PROFILES)]), tier_rows()),
        ]
    )


def lifetime(milliseconds: int) -> str:
    """Spell a retention: `7d 30s`."""
    if milliseconds < 0:
        return "ever"
    days, rest = divmod(milliseconds // 1000, _DAY_S)
    return f"{days}d {spelled(rest)}" if rest else f"{days}d"


def record_of(name: str, prefix: str) -> str:
    """Say who reads a topic and what stands there."""
    kind = name.removeprefix(f"{prefix}-")
    return {
        "replay": "`main` | what an operator puts back",
        "dead-letter": "- | what ended without being delivered, and why",
        "attempts": "- | one for each attempt and each decision",
    }.get(kind) or f"`retry` | notifications that wait {kind.removeprefix('retry-')}"


def tier_rows() -> Iterator[str]:
    """Return a row for every tier."""
    for wait in TIERS:
        cells = [
            ", ".join(
                str(attempt)
                for attempt, waited in enumerate(profile.ladder.waits, start=2)
                if waited == wait
            )
            for profile in PROFILES.values()
        ]
        yield " | ".join([f"`{wait.label}`", *(cell or "-" for cell in cells)])
