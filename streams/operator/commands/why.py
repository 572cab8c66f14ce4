"""`notifier why`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

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
    used_wrongly,
)
from streams.operator.commands.output import finish, moment, print_table, reading_topics, shown
from streams.operator.did_you_mean import did_you_mean
from streams.operator.history.assessment import Limits
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.report import NotificationReport, details, report_on
from streams.operator.history.report import as_json as report_as_json
from streams.operator.history.scan import Scanned, orders_with
from streams.operator.history.search import OrderRecords, search_order
from streams.operator.history.text import rfc3339
from streams.partners import Partner, PartnersFileError, load_partners
from streams.settings import CONSOLE_FILES, Settings

_MOST_ORDERS = 20
"""So many are explained of those that an id was found with."""


def why(
    order_id: Annotated[
        str,
        typer.Argument(
            help="The order id, as the partner knows it; with --scan any id that an event has."
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            help="Look at what was written since: 2h, 7d or a time. Faster; says less.",
            metavar="TIME",
        ),
    ] = None,
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Find the order by a payment id, an event id or the place of an event: everything is read for it.",
        ),
    ] = False,
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

    notifier why --scan evt-20261122-000123
    """
    if scan and console is not None:
        used_wrongly("--scan reads Kafka, and the console finds these ids itself; give one of them")
    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    clock = Clock()
    since_ms = moment(since, clock.now_ms(), "--since")
    if scan:
        _why_scanned(settings, order_id, since_ms, clock, as_json=as_json)
        return
    address = None if console is None else _address(console, token_file, allow_http=allow_http)
    records = None if address is None else _ask(address, order_id)
    if records is None:
        records = finish(_search(settings, order_id, since_ms))
    now_ms = clock.now_ms()
    explained = _explained(settings, _partners(settings, clock), records, now_ms)
    if as_json:
        print_json(_order_as_json(order_id, explained, records, since_ms, now_ms))
    elif explained:
        _print_order(explained, since_ms, now_ms)
    else:
        say(_not_found(order_id, records, since_ms))
    if not explained:
        raise typer.Exit(FAULT)


def _why_scanned(
    settings: Settings, text: str, since_ms: int | None, clock: Clock, *, as_json: bool
) -> None:
    """Explain every order that an id was found with."""
    scanned, orders = finish(_scan(settings, text, since_ms))
    partners, now_ms = _partners(settings, clock), clock.now_ms()
    explained = [
        (order_id, records, _explained(settings, partners, records, now_ms))
        for order_id, records in orders
    ]
    if as_json:
        reports = [
            _order_as_json(order_id, found, records, None, now_ms)
            for order_id, records, found in explained
        ]
        print_json(
            {
                "id": text,
                "found": bool(scanned.orders),
                "since": None if since_ms is None else rfc3339(since_ms),
                "records_read": scanned.read,
                "complete": since_ms is None
                and not (scanned.is_cut or scanned.left_out)
                and len(orders) == len(scanned.orders),
                "orders": reports,
                "without_order": [str(place) for place in scanned.nameless],
            }
        )
    else:
        for order_id, _, found in explained:
            print(f"Order {shown(order_id)}")
            _print_order(found, None, now_ms)
            print()
        say(_scan_summary(text, scanned, len(orders), since_ms))
    if not scanned.orders:
        raise typer.Exit(FAULT)


def _scan_summary(text: str, scanned: Scanned, explained: int, since_ms: int | None) -> str:
    """Return what a scan found, in sentences."""
    read = f"{scanned.read:,} records were read"
    since = "" if since_ms is None else f", what was written since {rfc3339(since_ms)}"
    if scanned.orders:
        more = scanned.is_cut or explained < len(scanned.orders)
        orders = f"{explained} order{'' if explained == 1 else 's'}"
        which = f"more orders than the {explained} above" if more else orders
        sentence = f"{shown(text)} belongs to {which} ({read}{since})."
    elif scanned.nameless:
        sentence = f"No order has {shown(text)} ({read}{since})."
    else:
        sentence = f"Nothing that was read has {shown(text)} as a whole ({read}{since})."
    if scanned.nameless:
        places = ", ".join(map(str, scanned.nameless[:3]))
        sentence += f" It stands where no order can be read: {places}."
    return sentence


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


async def _scan(
    settings: Settings, text: str, since_ms: int | None
) -> tuple[Scanned, list[tuple[str, OrderRecords]]]:
    mapping, what = mapping_or_fail(settings), "reading all topics"
    async with reading_topics(settings, "why", what) as (reader, on_progress):
        scanned = await orders_with(
            settings, reader, text, since_ms=since_ms, on_progress=on_progress, mapping=mapping
        )
        orders = [
            (order_id, await search_order(settings, reader, order_id, mapping=mapping))
            for order_id in scanned.orders[:_MOST_ORDERS]
        ]
    return scanned, orders


_Explained = list[tuple[NotificationHistory, NotificationReport]]


def _explained(
    settings: Settings, partners: Mapping[str, Partner], records: OrderRecords, now_ms: int
) -> _Explained:
    histories = histories_of(records.facts)
    limits = _limits(settings, partners, histories)
    return [
        (history, report_on(history, now_ms, limits, known_since_ms=records.oldest_ms))
        for history in histories
    ]


def _partners(settings: Settings, clock: Clock) -> Mapping[str, Partner]:
    try:
        return load_partners(
            settings.partners_file, clock.now_seconds(), allow_http=settings.allow_http
        )
    except PartnersFileError:
        return {}  # an operator's machine may have none


def _limits(
    settings: Settings,
    partners: Mapping[str, Partner],
    histories: tuple[NotificationHistory, ...],
) -> Limits:
    named = [partners.get(history.partner_id or "") for history in histories]
    timeouts = [partner.attempt_timeout_seconds for partner in named if partner]
    return Limits.of(settings, max(timeouts)) if timeouts else Limits.of(settings)


def _not_found(order_id: str, records: OrderRecords, since_ms: int | None) -> str:
    oldest = since_ms if since_ms is not None else records.oldest_ms
    since = f" since {rfc3339(oldest)}, the oldest that was looked at" if oldest is not None else ""
    event = ", and no event that waits to be read" if records.looked_for_event else ""
    guess = did_you_mean(records.near) or "; is it another id than the order's? --scan finds those"
    return f"Nothing is known of order {shown(order_id)}: no record{since}{event} ({records.read:,} records passed){guess}"


def _print_order(explained: _Explained, since_ms: int | None, now_ms: int) -> None:
    for number, (history, report) in enumerate(explained):
        if number:
            print()
        _print(history, report, now_ms)
    if since_ms is not None:
        say(f"Only what was written since {rfc3339(since_ms)} was looked at.")


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


def _order_as_json(
    order_id: str,
    explained: _Explained,
    records: OrderRecords,
    since_ms: int | None,
    now_ms: int,
) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "found": bool(explained),
        "as_of": rfc3339(now_ms),
        "complete": since_ms is None and not records.left_out,
        "since": None if since_ms is None else rfc3339(since_ms),
        "oldest": None if records.oldest_ms is None else rfc3339(records.oldest_ms),
        "records_read": records.read,
        "did_you_mean": list(records.near),
        "notifications": [report_as_json(*pair) for pair in explained],
    }
