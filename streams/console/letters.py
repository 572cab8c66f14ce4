"""Dead letters: how many of which kind, which ones, and one in full. Never a body."""

from dataclasses import dataclass
from typing import Any

from streams.console.read_model import ReadModel
from streams.console.views import Letter, LetterCount, LetterPage, Letters
from streams.kafka.raw import Place

_KINDS = 200
_COUNTS = (
    "SELECT reason, partner_id, answer, count(*) AS count, min(at_ms) AS oldest_ms FROM letters"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters. What is empty does not matter.

    Attributes:
        reason: exactly.
        partner: the partner id, exactly.
        answer: what the last attempt brought, exactly.
        profile: exactly.
        everything: also those that were dealt with.
    """

    reason: str = ""
    partner: str = ""
    answer: str = ""
    profile: str = ""
    everything: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The same as a page's query."""
        named = {
            "reason": self.reason,
            "partner": self.partner,
            "answer": self.answer,
            "profile": self.profile,
            "all": "1" if self.everything else "",
        }
        return {name: value for name, value in named.items() if value}

    def where(self) -> tuple[str, tuple[str, ...]]:
        """Return a condition of SQL and its values."""
        given = (
            ("reason", self.reason),
            ("partner_id", self.partner),
            ("answer", self.answer),
            ("profile", self.profile),
        )
        parts = ["1" if self.everything else "open"]
        parts += [f"{column} = ?" for column, value in given if value]
        return " AND ".join(parts), tuple(value for _, value in given if value)


def letters(scene: ReadModel, chosen: Filter, limit: int, after: int = 0) -> Letters:
    """Return counts of all kinds that match, and some dead letters, the newest first."""
    where, values = chosen.where()
    counts = scene.store.rows(
        f"{_COUNTS} WHERE {where} GROUP BY reason, partner_id, answer ORDER BY count DESC LIMIT ?",
        (*values, _KINDS),
    )
    found = scene.store.rows(
        f"SELECT * FROM letters WHERE {where} ORDER BY at_ms DESC, topic, partition, offset LIMIT ? OFFSET ?",  # noqa: S608  # of this file
        (*values, limit, after),
    )
    (total,) = scene.store.row(f"SELECT count(*) FROM letters WHERE {where}", values)  # noqa: S608  # of this file
    return Letters(
        total=total,
        open=open_letters(scene),
        counts=tuple(LetterCount(**dict(row)) for row in counts),
        letters=tuple(_letter(row) for row in found),
    )


def open_letters(scene: ReadModel) -> int:
    """Return how many dead letters nobody has dealt with."""
    return int(scene.store.row("SELECT count(*) FROM letters WHERE open")[0])


def places(scene: ReadModel, chosen: Filter, limit: int) -> tuple[Place, ...]:
    """Return where the dead letters stand that match, the oldest first."""
    where, values = chosen.where()
    found = scene.store.rows(
        f"SELECT topic, partition, offset FROM letters WHERE {where} ORDER BY at_ms LIMIT ?",  # noqa: S608  # of this file
        (*values, limit),
    )
    return tuple(Place(*row) for row in found)


def choices(scene: ReadModel) -> dict[str, tuple[str, ...]]:
    """Return what can be chosen in each filter."""
    found: dict[str, tuple[str, ...]] = {}
    for name, column in (
        ("reason", "reason"),
        ("partner", "partner_id"),
        ("answer", "answer"),
        ("profile", "profile"),
    ):
        rows = scene.store.rows(
            f"SELECT DISTINCT {column} FROM letters WHERE coalesce({column}, '') <> '' ORDER BY 1 LIMIT ?",  # noqa: S608  # of this file
            (_KINDS,),
        )
        found[name] = tuple(row[0] for row in rows)
    return found


def letter_page(scene: ReadModel, place: Place) -> LetterPage | None:
    """Return one dead letter in full, or None where there is none."""
    row = scene.store.row("SELECT * FROM letters WHERE place = ?", (place.header,))
    fact = scene.store.fact_at(*place)
    if row is None or fact is None:
        return None
    return LetterPage(
        letter=_letter(row),
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


def _letter(row: Any) -> Letter:  # noqa: ANN401  # a row of SQLite
    return Letter(
        place=str(Place(row["topic"], row["partition"], row["offset"])),
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
    )
