"""Which dead letters are meant: one table of criteria, from which the test of a record and the SQL of the read model come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId

SQL_FUNCTION: Final = "code_of"
"""Under this name `where` expects `code_of` on its connection."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant. What is left empty excludes none; record ids and orders together mean either.

    Attributes:
        record_ids: of the dead letters.
        orders: order ids.
        reasons: `dead-letter-reason`.
        partners: partner ids.
        profiles: names of profiles.
        answers: what the last attempt brought, as `last-outcome` has it (`F:RISK_REJECT`, `read_timeout`).
        codes: the same without the status, as `code_of` returns it.
        since_ms: dead-lettered at this time or later, milliseconds since the epoch.
        until_ms: dead-lettered before this time.
    """

    record_ids: frozenset[RecordId] = frozenset()
    orders: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    partners: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def predicate(self) -> Callable[[Fact], bool]:
        """Return what tells whether a dead letter is meant."""
        given, since_ms, until_ms = self._given(), self.since_ms, self.until_ms

        def is_meant(dead_letter: Fact) -> bool:
            return (
                (since_ms is None or dead_letter.at_ms >= since_ms)
                and (until_ms is None or dead_letter.at_ms < until_ms)
                and all(any(c.value_of(dead_letter) in accepted for c, accepted in group) for group in given)
            )  # fmt: skip

        return is_meant

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the same as a condition on the read model's table `dead_letters`, and the condition's values."""
        conditions: list[str] = []
        values: list[object] = []
        for group in self._given():
            marks = [f"{c.column} IN ({', '.join('?' * len(accepted))})" for c, accepted in group]
            conditions.append(" OR ".join(marks))
            values += (value for _, accepted in group for value in sorted(accepted))
        for condition, moment in (("at_ms >= ?", self.since_ms), ("at_ms < ?", self.until_ms)):
            if moment is not None:
                conditions.append(condition)
                values.append(moment)
        return " AND ".join(f"({condition})" for condition in conditions) or "1", tuple(values)

    def _given(self) -> list[list[tuple["Criterion", frozenset[str]]]]:
        """Return the criteria that have values: of each group one must be met."""
        groups = (
            [(criterion, accepted) for criterion in group if (accepted := criterion.accepted(self))]
            for group in _CRITERIA
        )
        return [group for group in groups if group]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that dead letters are selected by.

    Attributes:
        accepted: which values a selection accepts; empty where any will do.
        column: where the read model has the value.
        value_of: where a dead letter has it.
    """

    accepted: Callable[[Selection], frozenset[str]]
    column: str
    value_of: Callable[[Fact], str | None]


def code_of(last_outcome: str | None) -> str | None:
    """Return what an attempt brought: the partner's code (`RISK_REJECT`) or our word for it (`read_timeout`)."""
    return (last_outcome.partition(":")[2] or last_outcome) if last_outcome else None


_CRITERIA: Final[tuple[tuple[Criterion, ...], ...]] = (
    (
        Criterion(lambda s: frozenset(p.header for p in s.record_ids), "place", lambda d: d.record_id.header),
        Criterion(lambda s: s.orders, "order_id", lambda d: d.order_id),
    ),
    (Criterion(lambda s: s.reasons, "reason", lambda d: d.reason or "unknown"),),
    (Criterion(lambda s: s.partners, "partner_id", lambda d: d.partner_id),),
    (Criterion(lambda s: s.profiles, "profile", lambda d: d.profile),),
    (Criterion(lambda s: s.answers, "answer", lambda d: d.last_outcome or ""),),
    (Criterion(lambda s: s.codes, f"{SQL_FUNCTION}(answer)", lambda d: code_of(d.last_outcome)),),
)  # fmt: skip
