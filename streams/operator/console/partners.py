"""What partners answer, since when, and what has not reached them: from the attempts of the last hour."""

from collections.abc import Sequence
from typing import Any

from streams.operator.console.read_model import ReadModel
from streams.operator.console.tiers import waiting_for
from streams.operator.console.views import (
    DestinationView,
    Outcome,
    PartnerPage,
    PartnerState,
    PartnerView,
)

HOUR_MS = 3_600_000
_TWELFTH_MS = HOUR_MS // 12
_LOOKED_AT = 5_000  # attempts of a partner: enough to judge it by
_LAST = 10  # attempts of which none was answered: failing
_WELL = 0.9  # of the last attempts are answered: answering
_SHOWN = 50


def partners(read_model: ReadModel, text: str = "", state: str = "") -> tuple[PartnerView, ...]:
    """Return the partners, those that don't answer first."""
    names = read_model.store.rows(
        "SELECT partner_id FROM partners WHERE instr(lower(partner_id), lower(?)) ORDER BY partner_id",
        (text,),
    )
    views = [partner(read_model, name) for (name,) in names]
    order: Sequence[PartnerState] = ("failing", "struggling", "parked", "answering", "idle")
    views.sort(key=lambda view: (order.index(view.state), -view.undelivered, view.partner_id))
    return tuple(view for view in views if state in {"", view.state})


def partner(read_model: ReadModel, partner_id: str) -> PartnerView:
    """Return one partner; of an unknown one nothing but zeros."""
    now = read_model.now_ms()
    calls = read_model.store.rows(
        "SELECT ended_ms, answered, answer, took_ms FROM attempts"
        " WHERE partner_id = ? AND ended_ms > ? ORDER BY ended_ms DESC LIMIT ?",
        (partner_id, now - HOUR_MS, _LOOKED_AT),
    )
    undelivered, oldest, parked = read_model.store.row(
        "SELECT count(*), min(accepted_at_ms), coalesce(sum(status = 'parked'), 0) FROM notifications"
        " WHERE partner_id = ? AND NOT ended",
        (partner_id,),
    )
    dead_letters = read_model.count(
        "SELECT count(*) FROM dead_letters WHERE partner_id = ? AND open", partner_id
    )
    state = _state(calls, undelivered, parked)
    took = sorted(call["took_ms"] for call in calls)
    return PartnerView(
        partner_id=partner_id,
        state=state,
        since_ms=_since(read_model, partner_id, state, calls),
        attempts_hour=len(calls),
        acknowledged_hour=sum(call["answered"] == "S" for call in calls),
        answered_hour=sum(_knows(call) for call in calls),
        took_p50_ms=_quantile(took, 0.5),
        took_p99_ms=_quantile(took, 0.99),
        last_answer=calls[0]["answer"] if calls else None,
        last_ms=calls[0]["ended_ms"] if calls else None,
        undelivered=undelivered,
        oldest_accepted_ms=oldest,
        dead_letters=dead_letters,
        trend=_trend(calls, now),
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
    return PartnerPage(
        partner=partner(read_model, partner_id),
        outcomes=tuple(Outcome(**dict(row)) for row in outcomes),
        destinations=tuple(DestinationView(**dict(row)) for row in origins),
        waiting=waiting_for(read_model, partner_id, _SHOWN),
    )


def _knows(call: Any) -> bool:  # noqa: ANN401  # a row of SQLite
    return call["answered"] in {"S", "F"}


def _state(calls: Sequence[Any], undelivered: int, parked: int) -> PartnerState:
    last = calls[:_LAST]
    if not last:
        return "parked" if parked else "idle"
    share = sum(_knows(call) for call in last) / len(last)
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
