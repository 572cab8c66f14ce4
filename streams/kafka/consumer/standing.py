"""Of which topics a member's partitions are, and where each of them begins.

Kafka keeps what a group has settled under the topic's name, and a position is a number. Neither says that the topic
was deleted and made again, that retention has passed what was not read, or that the log is shorter than it was. Left
to the clients' reset policy each of these skips records in silence; here each is noticed, logged and counted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.admin.topic_ids import Topics, look_at_topics
from streams.kafka.committed_state import MOST_BYTES, CommittedState, short_name
from streams.kafka.consumer import member
from streams.kafka.consumer.begins import Begins
from streams.kafka.consumer.group import StandingReport
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.member import partition_of
from streams.kafka.consumer.recall import Starts, starts_of_recall
from streams.kafka.consumer.topic_watch import TopicWatch
from streams.kafka.format.records import PartitionId
from streams.kafka.patches.answer_times import know_brokers

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5.0
"""How long a look waits for the brokers."""

_BROKERS_ASKED: Final = 3
"""When a generation begins: without an id nothing is committed."""

_FORBIDDEN_SECONDS: Final = 60.0
"""From one try to commit of a topic that may not be read any more to the next."""

Commit = Callable[[dict[PartitionId, CommittedState]], Awaitable[object]]
"""Writes down where partitions begin, while nobody else commits."""


class Standing:
    """What one member knows of its partitions.

    Args:
        consumer: aiokafka's, once it was made.
        lanes: what was read.
        report: who is told.
        sources: those of the group's topics that others make and delete; the group's commits keep which of them it has
            read.
    """

    def __init__(
        self,
        consumer: Callable[[], AIOKafkaConsumer],
        lanes: Callable[[], Lanes],
        report: StandingReport,
        sources: Iterable[str] = (),
    ) -> None:
        self._consumer = consumer
        self._lanes = lanes
        self._report = report
        self._short_names = {topic: short_name(topic) for topic in sources}
        self._have_read: frozenset[str] = frozenset()
        self._watch = TopicWatch()
        self._back: set[str] = set()
        self._no_ids = False
        self._is_compared = False
        self._held_back: frozenset[str] = frozenset()
        self._shared: dict[str, int] | None = None
        # Ids of the topics that positions are of: one that is learned later may be that of another.
        self._read_as: Mapping[TopicPartition, str] = {}
        self._last_read: dict[TopicPartition, int] = {}
        # None where nothing was committed.
        self._began_at: Mapping[TopicPartition, int | None] = {}
        self._begins = Begins()
        self._forbidden_until: dict[str, float] = {}
        self._room = MOST_BYTES  # for the text beside an offset, as far as the brokers take it

    @property
    def absent(self) -> frozenset[str]:
        """Topics that the last look did not find."""
        return self._watch.absent

    # --- which topics there are -----------------------------------------------------------------------

    async def ask(self, topics: Iterable[str]) -> Topics | None:
        """Ask any broker about topics, see `look_at_topics`."""
        client = self._consumer()._client  # noqa: SLF001  # aiokafka has no public word for it
        return await look_at_topics(partial(client.send, client.get_random_node()), topics)

    async def _ask_some(self, topics: Iterable[str]) -> Topics | None:
        """Ask one broker after the other about topics, see `ask`.

        Raises:
            KafkaError: none of a few answers.
        """
        seen = None
        for left in reversed(range(_BROKERS_ASKED)):
            try:
                seen = await self.ask(topics)
                break
            except KafkaError:
                if not left:
                    raise
            except ValueError as error:
                log.warning("the topics' ids can't be read: %s", error)
                break
        self._note_whether_there_are_ids(seen)
        return seen

    def _note_whether_there_are_ids(self, seen: Topics | None) -> None:
        if seen is None or seen.existing:
            self._no_ids = seen is None or not any(topic.id for topic in seen.existing.values())

    async def look(self, commit: Commit) -> None:
        """See whether the topics are what they were, and act where they are not.

        More partitions than the client knows of: let it learn of them now, so that the group shares them out. Another
        topic under the same name: read it from its beginning.

        Args:
            commit: writes down where partitions begin, while nobody else commits.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now.
        """
        consumer = self._consumer()
        topics = consumer.subscription()
        if not topics:
            return
        self._know_brokers()
        seen = await asyncio.wait_for(self.ask(topics), ANSWER_SECONDS)
        self._note_whether_there_are_ids(seen)
        if seen is None:
            # A broker that knows no ids: the client's own metadata tell of new partitions.
            consumer._client.force_metadata_update()  # noqa: SLF001  # aiokafka has no public word for it
            return
        learned = self._watch.take(seen)
        back = self._watch.count_former(seen)
        self._back.update(back)
        if any(self._known(topic) != self._watch.partitions(topic) for topic in topics):
            consumer._client.force_metadata_update()  # noqa: SLF001  # aiokafka has no public word for it
        ours: set[TopicPartition] = consumer.assignment()
        changed = {
            partition_of(tp)
            for tp in ours
            if tp.topic in self._watch.changed
            # What it went on from was committed under the id that goes, and may be of the log that was before.
            or (not back.get(tp.topic, True) and self._began_at.get(tp))
        }
        again = {
            (topic, number): CommittedState(0, topic_id=self._watch.id(topic))
            for topic, number in changed
            if number < self._watch.partitions(topic)
        }
        if changed:
            # At once: a commit of partitions that the new topic does not have is tried in vain, and holds up those of others.
            self._lanes().give_up(changed)
        not_begun = await self._not_begun(again)
        self._watch.changed -= {topic for topic, _ in again} - {topic for topic, _ in not_begun}
        if not_begun:
            await self._begin_again(not_begun, commit)
        elif changed or any(tp.topic in learned for tp in ours):
            # What is gone may come back, what another member has begun goes on from there, and what is learned was not compared
            # with what is committed: all at the begin of a generation.
            self._rejoin()
        for topic in self._watch.count_missing(topics, seen):
            log.error(
                "topic %s does not exist any more, expected a topic that this worker reads: it reads the others, and this"
                " one from its beginning when it is made again; %s",
                topic,
                self._gone(topic),
            )
        self._report.on_missing(self._watch.missing)

    def take_back_ids(self) -> bool:
        """Go on under the ids that looks gave back to topics. Returns whether there are any: then all is to be committed anew."""
        back, self._back = self._back, set()
        for topic in sorted(back):
            log.warning("topic %s has its former id again, by whatever broker is asked", topic)
        if back:
            # Its log was read from its beginning since: the id that comes back was there before the one that goes.
            self._read_as = {
                tp: self._watch.id(tp.topic) if tp.topic in back else topic_id
                for tp, topic_id in self._read_as.items()
            }
        return bool(back)

    async def _not_begun(
        self, starts: Mapping[PartitionId, CommittedState]
    ) -> dict[PartitionId, CommittedState]:
        """Return these without the ones of which another member has read the new log before: begun again, it would be repeated.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now; a new generation sees it by what is committed.
        """
        if not starts:
            return {}
        partitions = [TopicPartition(*at) for at in starts]
        try:
            committed = await asyncio.wait_for(self._committed(partitions), ANSWER_SECONDS)
        except BaseException:
            self._rejoin()
            raise
        begun = {
            partition_of(tp): state.topic_id for tp, state in committed.items() if state.topic_id
        }
        return {at: state for at, state in starts.items() if begun.get(at) != state.topic_id}

    def _know_brokers(self) -> None:
        know_brokers(len(self._consumer()._client.cluster.brokers()))  # noqa: SLF001  # aiokafka has no public word for it

    def _known(self, topic: str) -> int:
        return len(self._consumer().partitions_for_topic(topic) or ())

    def _gone(self, topic: str) -> str:
        count = self._report.pending_of(topic)
        if count is None:
            return "what nobody had settled of it is gone, and how much that was is not known"
        return f"about {count} records that nobody had settled are gone with it"

    async def _begin_again(
        self, starts: Mapping[PartitionId, CommittedState], commit: Commit
    ) -> None:
        """Read partitions from somewhere else: nothing of what was read before counts for them."""
        self._lanes().give_up(starts)
        for topic in sorted({topic for topic, _ in starts}):
            self._say_reset(topic)
        try:
            await commit(dict(starts))
        finally:
            # Records of the old log may stand in queues between the client and the lanes. Only a new generation tells
            # them from the new ones, and sets all positions anew.
            self._rejoin()

    def _say_reset(self, topic: str) -> None:
        self._watch.changed.discard(topic)
        log.error(
            "topic %s is not the log any more that was read before (deleted and made again, or cut off by its brokers):"
            " it is read from its beginning; %s",
            topic,
            self._gone(topic),
        )
        if count := self._report.pending_of(topic):
            self._report.on_lost(topic, count)
        self._report.on_reset(topic)

    def _rejoin(self) -> None:
        self._consumer()._coordinator.request_rejoin()  # noqa: SLF001  # aiokafka has no public word for it

    # --- where partitions begin -----------------------------------------------------------------------

    async def begin(self, partitions: Collection[TopicPartition]) -> None:
        """See of which topics the partitions are that came, and say which of them are other logs than those that were read.

        To be called before their records; where it could not be done, `starts` does it.

        Raises:
            KafkaError: the brokers can't say.
        """
        self._is_compared = False
        self._know_brokers()
        coordinator = self._consumer()._coordinator  # noqa: SLF001  # aiokafka has no public word for it
        leads = coordinator._group_subscription is not None  # noqa: SLF001
        self._shared = dict(coordinator._metadata_snapshot) if leads else None  # noqa: SLF001
        if seen := await self._ask_some(self._consumer().subscription()):
            self._watch.take(seen)
        committed = await self._committed(partitions)
        states = {partition_of(tp): progress for tp, progress in committed.items()}
        for (topic, _), progress in states.items():
            if progress.is_of_another(self._watch.id(topic)):
                self._watch.note_committed(progress.topic_id)
        # Of what a look found while this member held nothing of the topic, another has taken note by now.
        self._watch.changed -= {topic for topic, _ in states}
        self._watch.changed |= {
            topic
            for (topic, _), progress in states.items()
            if progress.is_of_another(self._watch.id(topic))
        }
        bare = {tp.topic for tp in partitions if partition_of(tp) not in states}
        read_before = frozenset[str]().union(*(progress.have_read for progress in states.values()))
        self._watch.changed |= {
            topic
            for topic in bare - self._watch.changed
            if short_name(topic) in read_before and await self._has_no_offset(topic)
        }
        known = {self._short_names[topic] for topic, _ in states if topic in self._short_names}
        self._have_read |= known | (read_before & set(self._short_names.values()))
        for topic in sorted(self._watch.changed & {tp.topic for tp in partitions}):
            self._say_reset(topic)
        self._is_compared = True

    async def _has_no_offset(self, topic: str) -> bool:
        """Tell whether the group has no offset in any partition of a topic: its brokers delete them with the topic."""
        numbers = self._consumer().partitions_for_topic(topic) or ()
        return not await self._committed([TopicPartition(topic, number) for number in numbers])

    async def _committed(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, CommittedState]:
        # aiokafka's `committed` gives the offset without its text; its coordinator gives both.
        coordinator = self._consumer()._coordinator  # noqa: SLF001
        offsets = await coordinator.fetch_committed_offsets(list(partitions))
        return {
            tp: CommittedState.read(committed.offset, committed.metadata)
            for tp, committed in offsets.items()
        }

    async def starts(self) -> Starts:
        """Return where each partition that is ours is to be read from.

        Raises:
            KafkaError: the brokers can't say.
        """
        consumer = self._consumer()
        ours: set[TopicPartition] = consumer.assignment()
        if not self._is_compared:
            await self.begin(ours)
        committed = await self._committed(ours)
        states = {
            tp: progress.within(self._watch.id(tp.topic)) for tp, progress in committed.items()
        }
        states |= self._begins.over(committed, ours, self._watch.id)
        offsets = {tp: state.offset for tp, state in states.items()}
        finished = {
            partition_of(tp): state.finished for tp, state in states.items() if state.finished
        }
        ids = {
            tp: self._watch.id(tp.topic) or (committed[tp].topic_id if tp in committed else "")
            for tp in ours
        }
        recalls = await starts_of_recall(consumer, self._lanes(), offsets)
        return Starts(offsets | dict.fromkeys(ours - offsets.keys()), finished, recalls, ids)

    def seek(self, starts: Starts) -> None:
        """Go there, in all partitions at once.

        Raises:
            IllegalStateError: one of them is not ours any more.
        """
        # aiokafka's own method leaves a partition where it is when 0 or nothing is committed. What was fetched and
        # dropped before would then never be read again; and it asks for each partition in a round trip of its own.
        consumer = self._consumer()
        self._read_as = starts.topic_ids
        self._began_at = starts.offsets
        self._last_read.clear()
        bare = [tp for tp, offset in starts.offsets.items() if offset is None]
        member.reset_to_beginning(consumer, bare)
        lanes = self._lanes()
        for tp, offset in starts.offsets.items():
            if offset is not None:
                recalls = tp in starts.recalls and lanes.recall_before(partition_of(tp), offset)
                consumer.seek(tp, starts.recalls[tp] if recalls else offset)

    async def commit(
        self, progress: Mapping[PartitionId, CommittedState]
    ) -> Collection[PartitionId]:
        """Commit how far the partitions have come that are still ours. Returns which of them are committed now.

        What was read before anybody knew of which topic it is stays uncommitted, where brokers give topics ids: under no id it
        would count for whatever topic has the name by then. A look learns the id, and the next generation reads it again.

        A topic of which the brokers let us commit nothing, since somebody took the right to read it away, is left out for a
        minute, so that the others' commits are made as ever.

        Raises:
            KafkaError: it could not be committed.
        """
        consumer = self._consumer()
        ours, now = consumer.assignment(), asyncio.get_running_loop().time()
        of_ours = {
            tp: state
            for tp, state in ((TopicPartition(*at), state) for at, state in progress.items())
            if tp in ours and self._forbidden_until.get(tp.topic, 0.0) <= now
        }
        ids = {tp: state.topic_id or self._read_as.get(tp, "") for tp, state in of_ours.items()}
        if not self._no_ids:
            self._say_held_back(frozenset(tp.topic for tp, topic_id in ids.items() if not topic_id))
            ids = {tp: topic_id for tp, topic_id in ids.items() if topic_id}
        if not ids:
            return ()
        self._have_read |= {
            self._short_names[tp.topic] for tp in ids if tp.topic in self._short_names
        }
        states = {
            tp: replace(of_ours[tp], topic_id=topic_id, have_read=self._have_read)
            for tp, topic_id in ids.items()
        }

        def offsets(room: int) -> dict[TopicPartition, OffsetAndMetadata]:
            return {tp: OffsetAndMetadata(s.offset, s.metadata(room)) for tp, s in states.items()}

        # Of now: what is found out while the commit is under way it does not say.
        begins = self._begins.of(states)
        self._room, forbidden = await member.commit(consumer, offsets, self._room)
        self._forbidden_until |= dict.fromkeys(forbidden, now + _FORBIDDEN_SECONDS)
        for topic in sorted(forbidden):
            self._report.on_forbidden(topic)
        self._begins.carried({tp: b for tp, b in begins.items() if tp.topic not in forbidden})
        return [partition_of(tp) for tp in states if tp.topic not in forbidden]

    def allow_again(self) -> None:
        """Let the next commit be of topics too whose right was taken away: it is the last before the partitions go."""
        self._forbidden_until.clear()

    def _say_held_back(self, topics: frozenset[str]) -> None:
        for topic in sorted(topics - self._held_back):
            log.warning(
                "topic %s was read before its id was known, so nothing is committed of it: it is read again within seconds,"
                " when a broker has told the id",
                topic,
            )
        self._held_back = topics
