"""`notifier why`."""

from pathlib import Path
from typing import Annotated

import typer

from streams.clock import Clock
from streams.operator.commands.ask_console import CannotAsk, ConsoleAddress, ask_console
from streams.operator.commands.common import (
    FAULT,
    Json,
    mapping_or_fail,
    print_json,
    say,
    settings_or_fail,
)
from streams.operator.commands.output import finish, moment, print_table, reading_topics, shown
from streams.operator.history.assessment import Limits
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.report import NotificationReport, details, report_on
from streams.operator.history.report import as_json as report_as_json
from streams.operator.history.search import OrderRecords, search_order
from streams.operator.history.text import rfc3339
from streams.partners import PartnersFileError, load_partners
from streams.settings import CONSOLE_FILES, Settings


def why(
    order_id: Annotated[str, typer.Argument(help="The order id, as the partner knows it.")],
    since: Annotated[
        str | None,
        typer.Option(
            help="Look at what was written since: 2h, 7d or a time. Faster; says less.",
            metavar="TIME",
        ),
    ] = None,
    console: Annotated[
        str | None,
        typer.Option(
            help="Ask a running console, which knows at once; Kafka is read if it can't say.",
            metavar="URL",
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with an access token of the console.")
    ] = None,
    allow_http: Annotated[
        bool,
        typer.Option(
            "--allow-http", help="Send the token to another machine although the URL is plain http."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether a partner was told, and if not, why, whose turn it is and when it goes on.

    notifier why 2026112219074102000100

    notifier why 2026112219074102000100 --since 2h --json
    """
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    clock = Clock()
    since_ms = moment(since, clock.now_ms(), "--since")
    address = None if console is None else _address(console, token_file, allow_http=allow_http)
    records = None if address is None else _ask(address, order_id)
    if records is None:
        records = finish(_search(settings, order_id, since_ms))
    histories, now_ms = histories_of(records.facts), clock.now_ms()
    limits = _limits(settings, histories, clock)
    explained = [
        (history, report_on(history, now_ms, limits, known_since_ms=records.oldest_ms))
        for history in histories
    ]
    if as_json:
        _print_json(order_id, explained, records, since_ms, now_ms)
    elif not explained:
        say(_not_found(order_id, records, since_ms))
    else:
        for number, (history, report) in enumerate(explained):
            if number:
                print()
            _print(history, report, now_ms)
        if since_ms is not None:
            say(f"Only what was written since {rfc3339(since_ms)} was looked at.")
    if not explained:
        raise typer.Exit(FAULT)


def _address(url: str, token_file: Path | None, *, allow_http: bool) -> ConsoleAddress:
    try:
        return ConsoleAddress.of(url, token_file, allow_http=allow_http)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _ask(address: ConsoleAddress, order_id: str) -> OrderRecords | None:
    """Return what the console knows, or None where Kafka must be read."""
    try:
        return ask_console(address, order_id)
    except CannotAsk as error:
        say(f"The console can't say ({shown(error)}); reading Kafka.")
        return None


async def _search(settings: Settings, order_id: str, since_ms: int | None) -> OrderRecords:
    async with reading_topics(settings, "why", "reading the attempts") as (reader, on_progress):
        return await search_order(
            settings,
            reader,
            order_id,
            since_ms=since_ms,
            on_progress=on_progress,
            mapping=mapping_or_fail(settings),
        )


def _limits(settings: Settings, histories: tuple[NotificationHistory, ...], clock: Clock) -> Limits:
    try:
        partners = load_partners(
            settings.partners_file, clock.now_seconds(), allow_http=settings.allow_http
        )
    except PartnersFileError:
        return Limits.of(settings)  # an operator's machine may have none
    named = [partners.get(history.partner_id or "") for history in histories]
    timeouts = [partner.attempt_timeout_seconds for partner in named if partner]
    return Limits.of(settings, max(timeouts)) if timeouts else Limits.of(settings)


def _not_found(order_id: str, records: OrderRecords, since_ms: int | None) -> str:
    oldest = since_ms if since_ms is not None else records.oldest_ms
    since = f" since {rfc3339(oldest)}, the oldest that was looked at" if oldest is not None else ""
    event = ", and no event that waits to be read" if records.looked_for_event else ""
    return f"Nothing is known of order {shown(order_id)}: no record{since}{event} ({records.read:,} records passed)."


def _print(history: NotificationHistory, report: NotificationReport, now_ms: int) -> None:
    print(shown(report.sentence))
    print(shown(report.next))
    print()
    print_table(("", ""), details(history, report, now_ms))
    print()
    rows = [
        (rfc3339(row.at_ms), row.what, row.answer, row.late, row.then) for row in report.timeline
    ]
    print_table(("time", "what", "answer", "late", "then"), rows)
    if spent := report.spent.text():
        print()
        print(spent)


def _print_json(
    order_id: str,
    explained: list[tuple[NotificationHistory, NotificationReport]],
    records: OrderRecords,
    since_ms: int | None,
    now_ms: int,
) -> None:
    print_json(
        {
            "order_id": order_id,
            "found": bool(explained),
            "as_of": rfc3339(now_ms),
            "complete": since_ms is None,
            "since": None if since_ms is None else rfc3339(since_ms),
            "oldest": None if records.oldest_ms is None else rfc3339(records.oldest_ms),
            "records_read": records.read,
            "notifications": [report_as_json(*pair) for pair in explained],
        }
    )
