"""The operator of a world: puts dead letters back, as `notifier dead-letters replay` does."""

from collections.abc import Callable, Iterator

from schemas.attempt_record import render
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import OutRecord
from streams.kafka.topics import TopicNames
from streams.operator.dead_letters.replay_record import (
    ReplayAudit,
    replay_record,
    replay_settlement,
)
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import batch_of, records_of

_AGAIN_SECONDS = 2.0


class Operator:
    """Puts dead letters back.

    Args:
        cluster: where they are.
        mended: told of each order that is put back: its partner takes it from now on.
        names: of the topics.
        now_ms: the true time.
        after: does something later that is planned.
        say: told what happens.

    Attributes:
        done: the orders that were put back.
    """

    def __init__(  # noqa: PLR0913  # by name
        self,
        cluster: Cluster,
        names: TopicNames,
        mended: Callable[[str], None],
        *,
        now_ms: Callable[[], int],
        after: Callable[..., None],
        say: Callable[[str], None],
    ) -> None:
        self._cluster, self._names, self._mended = cluster, names, mended
        self._now_ms, self._after, self._say = now_ms, after, say
        self.done: set[str] = set()

    def put_back(self, order: str, looks: int) -> None:
        """Put an order's dead letter back; look so often for one, should it not be there yet."""
        dead = next(
            (one for one in self._dead_letters() if (one.key or b"").decode() == order), None
        )
        topics = [self._cluster.topics[name] for name in (self._names.attempts, self._names.replay)]
        if dead is None or any(log.held for topic in topics for log in topic.logs):
            if looks > 1:
                self._after(_AGAIN_SECONDS, self.put_back, order, looks - 1)
            return
        now, audit = self._now_ms(), ReplayAudit("run", "operator", "the partner was mended")
        fact = read_fact("dead-letter", dead)
        replayed = replay_record(self._names, dead, fact, audit, now)
        report = replay_settlement(replayed, fact, audit, now).report
        self._write(OutRecord(self._names.attempts, dead.key, render(report)), dead.partition)
        self._write(replayed, dead.partition)
        self._say(f"{order} is put back")
        self.done.add(order)
        self._mended(order)

    def _dead_letters(self) -> Iterator[RawRecord]:
        """Yield those of refused notifications that every copy has."""
        name = self._names.dead_letter
        for number, log in enumerate(self._cluster.topics[name].logs):
            for batch in log.batches:
                if batch.last >= log.replicated:
                    break
                for one in records_of(batch):
                    headers = tuple(one.headers)
                    if ("dead-letter-reason", b"rejected") in headers:
                        yield RawRecord(
                            name, number, one.offset, one.key, one.value, headers, batch.at_ms
                        )

    def _write(self, record: OutRecord, partition: int) -> None:
        raw = batch_of(record.key, record.value, record.headers, self._now_ms())
        partitions = len(self._cluster.topics[record.topic].logs)
        self._cluster.write(record.topic, partition % partitions, raw)
