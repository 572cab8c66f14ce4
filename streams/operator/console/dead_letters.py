"""Dead letters: how many of which kind, which ones, and one in full. Never a body."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.kafka.format.raw import RecordId
from streams.operator.console.letter_views import Cause, Letter, LetterCount, LetterPage, Letters
from streams.operator.console.read_model import ReadModel
from streams.operator.dead_letters.selection import Selection

_KINDS: Final = 200
_LONGEST: Final = 256
_COLUMNS: Final = {
    "reason": "reason",
    "partner": "partner_id",
    "answer": "answer",
    "profile": "profile",
}
"""What can be chosen, each with where the read model has it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are shown: those of a selection that nobody has dealt with, or all of them.

    Attributes:
        query: what was chosen, as a page's query has it: `_COLUMNS`, and `all` for those that were dealt with too.
    """

    query: Mapping[str, str]

    @classmethod
    def of(cls, query: Any) -> "Filter":  # noqa: ANN401  # a query, a form or the members of a model
        """Return what a query or a form asks for."""
        chosen = {name: str(query.get(name, ""))[:_LONGEST] for name in _COLUMNS}
        chosen["all"] = "1" if query.get("all") in {"1", True} else ""
        return cls({name: value for name, value in chosen.items() if value})

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return a condition of SQL and its values."""
        chosen = {
            name: frozenset({self.query[name]} if name in self.query else ()) for name in _COLUMNS
        }
        condition, values = Selection(
            reasons=chosen["reason"],
            partners=chosen["partner"],
            profiles=chosen["profile"],
            answers=chosen["answer"],
        ).where()
        return (condition if "all" in self.query else f"open AND {condition}"), values


def dead_letters(read_model: ReadModel, chosen: Filter, limit: int, after: int = 0) -> Letters:
    """Return counts of all kinds that match, and some dead letters, the newest first."""
    where, values = chosen.where()
    counts = read_model.store.rows(
        "SELECT reason, partner_id, answer, count(*) AS count, min(at_ms) AS oldest_ms FROM dead_letters"  # noqa: S608  # of this program
        f" WHERE {where} GROUP BY reason, partner_id, answer ORDER BY count DESC LIMIT ?",
        (*values, _KINDS),
    )
    rows = read_model.store.rows(
        f"SELECT * FROM dead_letters WHERE {where} ORDER BY at_ms DESC, topic, partition, offset LIMIT ? OFFSET ?",  # noqa: S608  # of this program
        (*values, limit, after),
    )
    known_since_ms = read_model.known_since_ms
    (total,) = read_model.store.row(f"SELECT count(*) FROM dead_letters WHERE {where}", values)  # noqa: S608  # of this program
    return Letters(
        total=total,
        open=open_dead_letters(read_model),
        counts=tuple(LetterCount(**dict(row)) for row in counts),
        forgotten=read_model.count(
            "SELECT count(*) FROM dead_letters WHERE open AND at_ms < ?", known_since_ms
        ),
        known_since_ms=known_since_ms,
        letters=tuple(_letter(row, known_since_ms) for row in rows),
    )


def causes(counts: Iterable[LetterCount]) -> tuple[Cause, ...]:
    """Return why notifications were given up, the commonest cause first, each with the partners that it befell."""
    groups: dict[tuple[str, str], list[LetterCount]] = {}
    for count in counts:
        groups.setdefault((count.reason, count.answer), []).append(count)
    found = [
        Cause(
            reason=reason,
            answer=answer,
            count=sum(count.count for count in group),
            oldest_ms=min(count.oldest_ms for count in group),
            partners=tuple((count.partner_id, count.count) for count in group),
        )
        for (reason, answer), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda cause: -cause.count))


def open_dead_letters(read_model: ReadModel) -> int:
    """Return how many dead letters nobody has dealt with, as far as is known."""
    return int(read_model.store.row("SELECT count FROM open_counts WHERE what = 'dead letters'")[0])


def places(read_model: ReadModel, chosen: Filter, limit: int) -> tuple[RecordId, ...]:
    """Return where the dead letters stand that match, the oldest first."""
    where, values = chosen.where()
    rows = read_model.store.rows(
        f"SELECT topic, partition, offset FROM dead_letters WHERE {where} ORDER BY at_ms LIMIT ?",  # noqa: S608  # of this program
        (*values, limit),
    )
    return tuple(RecordId(*row) for row in rows)


def choices(read_model: ReadModel) -> dict[str, tuple[str, ...]]:
    """Return what can be chosen in each filter."""
    return {
        name: tuple(
            row[0]
            for row in read_model.store.rows(
                f"SELECT DISTINCT {column} FROM dead_letters WHERE coalesce({column}, '') <> '' ORDER BY 1 LIMIT ?",  # noqa: S608  # of this file
                (_KINDS,),
            )
        )
        for name, column in _COLUMNS.items()
    }


def dead_letter_page(read_model: ReadModel, place: RecordId) -> LetterPage | None:
    """Return one dead letter in full, or None where there is none."""
    row = read_model.store.row("SELECT * FROM dead_letters WHERE place = ?", (place.header,))
    fact = read_model.store.fact_at(*place)
    if row is None or fact is None:
        return None
    return LetterPage(
        letter=_letter(row, read_model.known_since_ms),
        detail=fact.detail,
        unreadable=fact.unreadable,
        holds_event=fact.holds_event,
        value_bytes=fact.value_bytes,
        value_sha256=fact.value_sha256,
        origin=fact.origin,
        url_origin=fact.url_origin,
        result=fact.result,
        occurred_at_ms=fact.occurred_at_ms,
        accepted_at_ms=fact.accepted_at_ms,
    )


def _letter(row: Any, known_since_ms: int) -> Letter:  # noqa: ANN401  # a row of SQLite
    return Letter(
        place=str(RecordId(row["topic"], row["partition"], row["offset"])),
        at_ms=row["at_ms"],
        order_id=row["order_id"],
        notification_id=row["notification_id"],
        profile=row["profile"],
        partner_id=row["partner_id"],
        reason=row["reason"],
        answer=row["answer"],
        attempts=row["attempts"],
        replays=row["replays"],
        open=bool(row["open"]),
        forgotten=bool(row["open"]) and row["at_ms"] < known_since_ms,
    )
