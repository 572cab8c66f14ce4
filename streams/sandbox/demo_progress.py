"""How far the demo has come, from what Kafka holds: the source, attempts and dead-letter topics, read as they grow."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError
from rich.table import Table

from schemas.attempt_record import AttemptRecord
from streams.notification.profiles import TIERS
from streams.sandbox.ledger import Kept


@dataclass(slots=True)
class DemoProgress:
    """What is known so far.

    Attributes:
        source_topic: where the events come in.
        prefix: of our topics.
    """

    source_topic: str
    prefix: str
    _events: set[str] = field(default_factory=set)
    _last: dict[str, AttemptRecord] = field(default_factory=dict)
    _letters: dict[str, str] = field(default_factory=dict)

    def take(self, records: Iterable[Kept]) -> None:
        """Take in more records, each partition's in its order."""
        for record in records:
            if record.topic == self.source_topic:
                self._events.add(record.place)
            elif record.topic == f"{self.prefix}-dead-letter":
                self._letters[record.origin] = record.headers.get("dead-letter-reason", "?")
            elif record.topic == f"{self.prefix}-attempts":
                try:
                    entry = AttemptRecord.model_validate_json(record.value or b"")
                except ValidationError:  # the ledger says so at the end
                    continue
                if entry.origin:
                    self._last[entry.origin] = entry

    @property
    def events(self) -> int:
        """Events on the source topic."""
        return len(self._events)

    @property
    def delivered(self) -> int:
        """Notifications that were acknowledged."""
        return sum(entry.decision == "delivered" for entry in self._last.values())

    @property
    def dead_letters(self) -> Counter[str]:
        """Dead letters by reason."""
        return Counter(self._letters.values())

    @property
    def waiting(self) -> Counter[str]:
        """Notifications on each tier, the shortest wait first."""
        tiers = Counter(
            (entry.next_topic or "").removeprefix(f"{self.prefix}-retry-")
            for entry in self._last.values()
            if entry.decision in {"retry", "parked"}
        )
        order = [wait.label for wait in TIERS]
        return Counter({label: tiers[label] for label in order if tiers[label]})

    @property
    def settled(self) -> int:
        """Events that are in their final place."""
        return self.delivered + len(self._letters)

    def next_due_seconds(self, now_ms: int) -> float | None:
        """Return how long until the next attempt is due, or None when none is; those that are due are being made."""
        dues = [
            entry.next_due_at_ms
            for entry in self._last.values()
            if entry.decision in {"retry", "parked"} and (entry.next_due_at_ms or 0) > now_ms
        ]
        return (min(due for due in dues if due is not None) - now_ms) / 1000 if dues else None

    def line(self, elapsed_seconds: float, now_ms: int, requests: int) -> str:
        """Return all of it in one line."""
        due = self.next_due_seconds(now_ms)
        return (
            f"{elapsed_seconds:5.1f} s: {self.events} events in, {self.delivered} delivered, "
            f"{sum(self.waiting.values())} waiting{_listed(self.waiting)}, "
            f"{len(self._letters)} dead letters{_listed(self.dead_letters)}, {requests} requests"
            + (f", next due in {due:.1f} s" if due is not None else "")
        )

    def table(self, elapsed_seconds: float, now_ms: int, requests: int) -> Table:
        """Return all of it as a table for a terminal."""
        due = self.next_due_seconds(now_ms)
        table = Table(show_header=False, title="payment notifications", title_justify="left")
        table.add_column(min_width=24)
        table.add_column(min_width=6, justify="right")
        table.add_column(min_width=36)
        table.add_row("events in", str(self.events), "")
        table.add_row("delivered", str(self.delivered), "", style="green")
        waiting, letters = self.waiting, self.dead_letters
        table.add_row(
            "waiting on tiers", str(sum(waiting.values())), _listed(waiting), style="yellow"
        )
        table.add_row("dead letters", str(sum(letters.values())), _listed(letters), style="red")
        table.add_row("requests at the partner", str(requests), "")
        table.add_row(
            "elapsed",
            f"{elapsed_seconds:.0f} s",
            "" if due is None else f"next attempt due in {due:.1f} s",
        )
        return table


def _listed(counted: Counter[str]) -> str:
    named = ", ".join(f"{name} {number}" for name, number in counted.items())
    return f" ({named})" if named else ""
