"""What partners answer, since when, and what has not reached them: from the attempts of the last hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.operator.console.overdue import OVERDUE, overdue_values
from streams.operator.console.read_model import ReadModel
from streams.operator.console.tiers import waiting_for
from streams.operator.console.views import (
    DestinationView,
    Outcome,
    PartnerPage,
    PartnerState,
    PartnerView,
    Whose,
)

HOUR_MS = 3_600_000
_TWELFTH_MS = HOUR_MS // 12
_LOOKED_AT = 5_000  # attempts of a partner: enough to judge it by
_LAST = 10  # attempts of which none was answered: failing
_WELL = 0.9  # of the last attempts are answered: answering
_SHOWN = 50
_ORDER: Sequence[PartnerState] = ("failing", "struggling", "parked", "answering", "idle")


def partners(read_model: ReadModel, text: str = "", state: str = "") -> tuple[PartnerView, ...]:
    """Return the partners, those that don't answer first."""
    names = read_model.store.rows(
        "SELECT partner_id FROM partners WHERE instr(lower(partner_id), lower(?)) ORDER BY partner_id",
        (text,),
    )
    views = [partner(read_model, name) for (name,) in names]
    views.sort(key=_badness)
    return tuple(view for view in views if state in {"", view.state})


def names(read_model: ReadModel) -> tuple[str, ...]:
    """Return every partner that was called or waited for."""
    rows = read_model.store.rows("SELECT partner_id FROM partners ORDER BY partner_id")
    return tuple(row[0] for row in rows)


@dataclass(frozen=True, slots=True)
class PartnerStanding:
    """How it stands with a partner, in the least that must be looked at.

    Attributes:
        last_answer: of the newest call within the hour, or None without one.
        undelivered: notifications that have not ended.
        parked: of these, how many are set aside.
        overdue: of these, how many are due and not attempted: ours, whatever the partner answers.
        oldest_accepted_ms: of the undelivered, or None.
    """

    partner_id: str
    state: PartnerState
    last_answer: str | None
    undelivered: int
    parked: int
    overdue: int
    oldest_accepted_ms: int | None


def standings(read_model: ReadModel) -> tuple[PartnerStanding, ...]:
    """Return how it stands with every partner, those that don't answer first."""
    return tuple(sorted(_standings(read_model), key=_badness))


def _standings(read_model: ReadModel, partner_id: str | None = None) -> list[PartnerStanding]:
    """Return how it stands with one partner, or with all of them, in one question."""
    rows = read_model.store.rows(
        "SELECT p.partner_id,"  # noqa: S608  # of this program
        " (SELECT avg(answered IN ('S', 'F')) FROM (SELECT answered FROM attempts WHERE partner_id = p.partner_id"
        " AND ended_ms > :since ORDER BY ended_ms DESC LIMIT :last)) AS answered,"
        " (SELECT answer FROM attempts WHERE partner_id = p.partner_id AND ended_ms > :since"
        " ORDER BY ended_ms DESC LIMIT 1) AS last_answer,"
        " coalesce((SELECT count FROM open_counts WHERE what = 'partner' AND name = p.partner_id), 0) AS undelivered,"
        " coalesce((SELECT count FROM open_counts WHERE what = 'partner parked' AND name = p.partner_id), 0) AS parked,"
        " (SELECT count(*) FROM notifications INDEXED BY notifications_open_of_partner"
        f" WHERE partner_id = p.partner_id AND NOT ended AND {OVERDUE}) AS overdue,"
        " (SELECT min(accepted_at_ms) FROM notifications INDEXED BY notifications_open_by_age"
        " WHERE partner_id = p.partner_id AND NOT ended) AS oldest"
        " FROM (SELECT :only AS partner_id WHERE :only NOTNULL UNION ALL SELECT partner_id FROM partners WHERE :only IS NULL) AS p",
        {
            **overdue_values(read_model),
            "since": read_model.now_ms() - HOUR_MS,
            "last": _LAST,
            "only": partner_id,
        },
    )
    return [
        PartnerStanding(
            row["partner_id"],
            _state(row["answered"], row["undelivered"], row["parked"]),
            row["last_answer"],
            row["undelivered"],
            row["parked"],
            row["overdue"],
            row["oldest"],
        )
        for row in rows
    ]


def _badness(one: "PartnerStanding | PartnerView") -> tuple[bool, int, int, str]:
    return not one.overdue, _ORDER.index(one.state), -one.undelivered, one.partner_id


def _calls(read_model: ReadModel, partner_id: str) -> list[Any]:
    """Return the newest calls of the last hour, the newest first."""
    return read_model.store.rows(
        "SELECT ended_ms, answered, answer, took_ms FROM attempts"
        " WHERE partner_id = ? AND ended_ms > ? ORDER BY ended_ms DESC LIMIT ?",
        (partner_id, read_model.now_ms() - HOUR_MS, _LOOKED_AT),
    )


def partner(read_model: ReadModel, partner_id: str) -> PartnerView:
    """Return one partner; of an unknown one nothing but zeros."""
    calls = _calls(read_model, partner_id)
    (standing,) = _standings(read_model, partner_id)
    dead_letters = read_model.count(
        "SELECT count(*) FROM dead_letters WHERE partner_id = ? AND open", partner_id
    )
    took = sorted(call["took_ms"] for call in calls)
    return PartnerView(
        partner_id=partner_id,
        state=standing.state,
        since_ms=_since(read_model, partner_id, standing.state, calls),
        attempts_hour=len(calls),
        acknowledged_hour=sum(call["answered"] == "S" for call in calls),
        answered_hour=sum(_knows(call) for call in calls),
        took_p50_ms=_quantile(took, 0.5),
        took_p99_ms=_quantile(took, 0.99),
        last_answer=standing.last_answer,
        last_ms=calls[0]["ended_ms"] if calls else None,
        undelivered=standing.undelivered,
        overdue=standing.overdue,
        oldest_accepted_ms=standing.oldest_accepted_ms,
        dead_letters=dead_letters,
        trend=_trend(calls, read_model.now_ms()),
    )


def partner_page(read_model: ReadModel, partner_id: str) -> PartnerPage | None:
    """Return all about a partner, or None where nothing was ever sent to it."""
    if read_model.store.row("SELECT 1 FROM partners WHERE partner_id = ?", (partner_id,)) is None:
        return None
    since = read_model.now_ms() - HOUR_MS
    # With max() SQLite takes the bare columns from the row that has the maximum.
    outcomes = read_model.store.rows(
        "SELECT answer, count(*) AS count, max(ended_ms) AS last_ms, order_id FROM attempts"
        " WHERE partner_id = ? AND ended_ms > ? GROUP BY answer ORDER BY count DESC LIMIT ?",
        (partner_id, since, _SHOWN),
    )
    origins = read_model.store.rows(
        "SELECT url_origin, count(*) AS attempts, sum(answered = 'S') AS acknowledged, answer AS last_answer,"
        " max(ended_ms) AS last_ms FROM attempts WHERE partner_id = ? AND ended_ms > ? AND url_origin NOTNULL"
        " GROUP BY url_origin ORDER BY attempts DESC LIMIT ?",
        (partner_id, since, _SHOWN),
    )
    view = partner(read_model, partner_id)
    return PartnerPage(
        partner=view,
        whose=_whose(view),
        outcomes=tuple(Outcome(**dict(row)) for row in outcomes),
        destinations=tuple(DestinationView(**dict(row)) for row in origins),
        waiting=waiting_for(read_model, partner_id, _SHOWN),
    )


def _whose(view: PartnerView) -> Whose:
    """Return whose turn it is with a partner. What is overdue says nothing of the partner: nobody calls it."""
    if view.overdue:
        return "us"
    return "partner" if view.state in {"failing", "struggling"} else "nobody"


def _knows(call: Any) -> bool:  # noqa: ANN401  # a row of SQLite
    return call["answered"] in {"S", "F"}


def _state(share: float | None, undelivered: int, parked: int) -> PartnerState:
    """Return the state by the share of the last calls that were answered; None without a call."""
    if share is None:
        return "parked" if parked else "idle"
    if share == 0:
        return "failing"
    if share < _WELL:
        return "struggling"
    return "parked" if undelivered and parked == undelivered else "answering"


def _since(
    read_model: ReadModel, partner_id: str, state: PartnerState, calls: Sequence[Any]
) -> int | None:
    """Return the end of the first attempt after the last one that says otherwise."""
    if state not in {"answering", "failing"} or not calls:
        return None
    if state == "failing":
        first = read_model.store.row(
            "SELECT min(ended_ms) FROM attempts WHERE partner_id = ?1 AND ended_ms > coalesce("
            " (SELECT max(ended_ms) FROM attempts WHERE partner_id = ?1 AND answered IN ('S', 'F')), 0)",
            (partner_id,),
        )
        return int(first[0])
    run = None
    for call in calls:  # the newest first
        if not _knows(call):
            break
        run = call["ended_ms"]
    return run


def _quantile(ordered: Sequence[int], share: float) -> int | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _trend(calls: Sequence[Any], now_ms: int) -> tuple[int | None, ...]:
    parts: list[list[bool]] = [[] for _ in range(12)]
    for call in calls:
        part = 11 - min(11, max(0, now_ms - call["ended_ms"]) // _TWELFTH_MS)
        parts[part].append(call["answered"] == "S")
    return tuple(round(100 * sum(part) / len(part)) if part else None for part in parts)
