"""`notifier undelivered`."""

import csv
import sys
from typing import Annotated, Any

import typer

from streams.clock import Clock
from streams.kafka.topics import TopicNames
from streams.operator.commands.common import Json, known_or_fail, print_json, say, settings_or_fail
from streams.operator.commands.output import finish, moment, print_table, reading_topics, shown
from streams.operator.history.assessment import Limits, assess
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.text import rfc3339, short_answer
from streams.operator.history.undelivered import Undelivered, find_undelivered
from streams.settings import CONSOLE_FILES, Settings

_COLUMNS = (
    "order_id",
    "notification_id",
    "profile",
    "result",
    "told",
    "state",
    "reason",
    "attempts",
    "last_answer",
    "last_at",
    "due_at",
    "occurred_at",
)


def undelivered(
    partner: Annotated[str, typer.Option(help="An entry of the partners file.")],
    since: Annotated[str, typer.Option(help="Worked on since: 2h, 7d or a time.", metavar="TIME")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with headings.")] = False,
    as_json: Json = False,
) -> None:
    """List what a partner has not acknowledged, for reconciliation.

    `told` says whether it may know all the same: perhaps, refused, or no.

    notifier undelivered --partner acme --since 1d --csv > acme.csv
    """
    if as_csv and as_json:
        message = "--csv and --json: expected one of them"
        raise typer.BadParameter(message)
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    now_ms = Clock().now_ms()
    since_ms = moment(since, now_ms, "--since") or 0
    result = finish(_find(settings, partner, since_ms))
    if not result.histories:
        known_or_fail(settings, [partner])
    limits = Limits.of(settings)
    rows = [_row(history, now_ms, limits) for history in result.histories]
    if as_json:
        print_json(
            {
                "partner_id": partner,
                "since": rfc3339(since_ms),
                "as_of": rfc3339(now_ms),
                "complete": not result.left_out,
                "records_read": result.read,
                "count": len(rows),
                "notifications": rows,
            }
        )
        return
    if as_csv:
        writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: "" if value is None else _cell(value) for name, value in row.items()}
            for row in rows
        )
    else:
        print_table(_COLUMNS, [[row[name] for name in _COLUMNS] for row in rows])
    say(f"{len(rows):,} not acknowledged by {shown(partner)} since {rfc3339(since_ms)}.")


def _cell(value: object) -> str:
    """Return text that no spreadsheet takes for a formula."""
    text = shown(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


async def _find(settings: Settings, partner: str, since_ms: int) -> Undelivered:
    names = TopicNames(settings.topic_prefix)
    async with reading_topics(settings, "open", "reading the attempts") as (reader, on_progress):
        return await find_undelivered(reader, names, partner, since_ms, on_progress)


def _row(history: NotificationHistory, now_ms: int, limits: Limits) -> dict[str, Any]:
    assessment = assess(history, now_ms, limits)
    last = history.last_attempt
    return {
        "order_id": history.order_id,
        "notification_id": history.notification_id,
        "profile": history.profile,
        "result": history.result,
        "told": assessment.told,
        "state": assessment.state,
        "reason": history.reason,
        "attempts": history.attempts,
        "last_answer": short_answer(last) if last else None,
        "last_at": rfc3339(history.since_ms),
        "due_at": None if history.due_at_ms is None else rfc3339(history.due_at_ms),
        "occurred_at": None if history.occurred_at_ms is None else rfc3339(history.occurred_at_ms),
    }
