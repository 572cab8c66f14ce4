"""Where partitions begin whose log was cut off by its brokers, until a commit has said so.

Such a log has the id that it had, so nothing but the member that met its end knows that what is committed is of records
that are gone. Where that can't be written down at once, the committed offset would count again in the next generation, and
what was written up to it meanwhile would never be read.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from streams.kafka.committed_state import CommittedState


@dataclass(frozen=True, slots=True, eq=False)
class Begin:
    """Where one partition begins.

    Attributes:
        state: to be committed.
        former: the offsets that this member may have committed of what is gone; any other is of one that has gone on.
    """

    state: CommittedState
    former: range


class Begins:
    """What one member knows of its partitions and nobody has committed."""

    def __init__(self) -> None:
        self._begins: dict[TopicPartition, Begin] = {}

    def note(self, tp: TopicPartition, state: CommittedState, former: range) -> None:
        """Keep where a partition begins."""
        before = self._begins.get(tp)
        if before is not None:
            # It was cut off twice, and what is committed may be from before the first time.
            former = range(
                min(former.start, before.former.start), max(former.stop, before.former.stop)
            )
        self._begins[tp] = Begin(state, former)

    def of(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Begin]:
        """Return what is kept of these."""
        return {tp: begin for tp, begin in self._begins.items() if tp in partitions}

    def carried(self, begins: Mapping[TopicPartition, Begin]) -> None:
        """Forget these: a commit that began after they were kept was made. What was kept since stays."""
        self._begins = {tp: b for tp, b in self._begins.items() if b is not begins.get(tp)}

    def over(
        self,
        committed: Mapping[TopicPartition, CommittedState],
        ours: Collection[TopicPartition],
        topic_id: Callable[[str], str],
    ) -> dict[TopicPartition, CommittedState]:
        """Return what counts in place of what is committed; forget what another member goes on with.

        Args:
            committed: what is committed.
            ours: the partitions of this generation.
            topic_id: returns a topic's id as it is known now, or nothing.
        """
        self._begins = {
            tp: begin
            for tp, begin in self._begins.items()
            if tp in ours
            and (tp not in committed or committed[tp].offset in begin.former)
            # Another topic by now: what is committed says so by itself.
            and (not begin.state.topic_id or topic_id(tp.topic) in {"", begin.state.topic_id})
        }
        return {tp: begin.state for tp, begin in self._begins.items()}
