"""The read model with all that a question to it needs: its file, what keeps it up to date, the clock, the limits."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from streams.kafka.topics import TopicNames
from streams.operator.console.ingest import STALE_SECONDS, Ingest
from streams.operator.console.store import ReadModelStore
from streams.operator.console.views import AsOf, Sum
from streams.operator.dead_letters.plan import attempts_kept_since
from streams.operator.history.assessment import Limits


@dataclass(frozen=True, slots=True)
class ReadModel:
    """What the console knows.

    Attributes:
        store: the file.
        ingest: what keeps it up to date.
        names: of our topics.
        source_topics: payment core's.
        limits: from the settings.
        keep_ms: how far back attempts, events and replays are read: `NOTIFIER_CONSOLE_KEEP`.
        now_ms: the clock.
    """

    store: ReadModelStore
    ingest: Ingest
    names: TopicNames
    source_topics: tuple[str, ...]
    limits: Limits
    keep_ms: int
    now_ms: Callable[[], int]

    @property
    def overdue_before_ms(self) -> int:
        """What is due since before then and has not been attempted is late, even if a call was begun in time.

        Judged as of the last moment of which everything is known: what happened since then was not read.
        """
        known_ms = min(self.now_ms(), self.ingest.freshness.caught_up_ms or self.now_ms())
        return known_ms - self.limits.overdue_after - self.limits.attempt_timeout

    @property
    def known_since_ms(self) -> int:
        """From when on all that was done is known; what was done about an older dead letter is forgotten."""
        now_ms = self.now_ms()
        kept = attempts_kept_since(now_ms, self.oldest_ms(self.names.attempts))
        return max(now_ms - self.keep_ms, kept)

    def oldest_ms(self, *topics: str) -> int | None:
        """Return when the first record was written that was read of these topics, or of any; None where none was."""
        of = f"WHERE topic IN ({', '.join('?' * len(topics))})" if topics else ""
        row = self.store.row(
            "SELECT min((SELECT at_ms FROM facts WHERE topic = p.topic AND partition = p.partition ORDER BY offset LIMIT 1))"  # noqa: S608  # marks only
            f" FROM positions AS p {of}",
            topics,
        )
        return None if row is None or row[0] is None else int(row[0])

    def as_of(self) -> AsOf:
        """Return how fresh the model is now."""
        fresh = self.ingest.freshness
        now_ms = self.now_ms()
        return AsOf(
            at_ms=now_ms, percent=fresh.percent, left_ms=fresh.left_ms(now_ms), **asdict(fresh)
        )

    def is_stale(self) -> bool:
        """Tell whether answers may be wrong: being rebuilt, or more than half a minute behind."""
        fresh = self.ingest.freshness
        return fresh.rebuilding or self.now_ms() - fresh.caught_up_ms > STALE_SECONDS * 1000

    def sum(self) -> Sum | None:
        """Return the newest reconciliation, or None before the first."""
        reconciliation = self.ingest.reconciliation
        return None if reconciliation is None else Sum.model_validate(reconciliation)

    def count(self, sql: str, *values: object) -> int:
        """Return the number that a question brings."""
        return int(self.store.row(sql, values)[0])
