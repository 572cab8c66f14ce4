"""`notifier dead-letters list`, `show`, `export`: what was given up on. No body is shown unless it is asked for."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.notify_url import origin_of
from streams.clock import Clock
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.topics import TopicNames
from streams.operator.commands.common import (
    Json,
    fail,
    known_or_fail,
    print_json,
    say,
    settings_or_fail,
)
from streams.operator.commands.dead_letter_options import (
    Codes,
    PartnerIds,
    Profiles,
    Reasons,
    Since,
    Until,
    Which,
    selection_of,
)
from streams.operator.commands.output import (
    finish,
    open_for_owner,
    print_table,
    reading_topics,
    shown,
)
from streams.operator.commands.replay import replay
from streams.operator.dead_letters.find import Survey, age_order, each_dead_letter
from streams.operator.dead_letters.selection import Selection, code_of
from streams.operator.history.text import duration, rfc3339
from streams.settings import Settings

dead_letters_app = typer.Typer(
    help="What ended without being delivered: list it, look at it, put it back.",
    no_args_is_help=True,
)
dead_letters_app.command()(replay)

OnRecord = Callable[[Fact, RawRecord], None]
_URL = re.compile(rb"[a-z][a-z0-9+.-]*://[^\s\"'<>]*", re.IGNORECASE)


@dead_letters_app.command("list")
def list_dead_letters(
    reason: Reasons = None,
    partner: PartnerIds = None,
    profile: Profiles = None,
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(help="Rows at most, the youngest first; 0 for the counts only.", min=0)
    ] = 50,
    as_json: Json = False,
) -> None:
    """Count dead letters by reason, partner and code, then list them.

    notifier dead-letters list --partner acme --since 2d
    """
    settings = settings_or_fail()
    selection = selection_of(None, reason, partner, profile, code, since, until)
    survey = Survey(limit)
    finish(_find(settings, selection, lambda dead_letter, _: survey.add(dead_letter)))
    if not survey.count:
        known_or_fail(settings, partner or ())
    youngest = survey.youngest
    groups = [asdict(group) for group in survey.groups]
    now_ms = Clock().now_ms()
    if as_json:
        for group in groups:
            for name in ("oldest", "youngest"):
                group[name] = rfc3339(group.pop(f"{name}_ms"))
        print_json(
            {
                "as_of": rfc3339(now_ms),
                "count": survey.count,
                "groups": groups,
                "letters": [_as_json(dead_letter) for dead_letter in youngest],
            }
        )
        return
    columns = ("count", "partner_id", "reason", "code", "oldest_ms")
    print_table(
        ("count", "partner", "reason", "code", "oldest"),
        [
            [_age(g[name], now_ms) if name == "oldest_ms" else g[name] or "-" for name in columns]
            for g in groups
        ],
    )
    if youngest:
        print()
        print_table(
            ("place", "order", "partner", "reason", "code", "died at", "replays"),
            [
                (
                    dead.record_id,
                    dead.order_id or "-",
                    dead.partner_id or "-",
                    dead.reason or "-",
                    code_of(dead.last_outcome) or "-",
                    rfc3339(dead.at_ms),
                    dead.replays or 0,
                )
                for dead in youngest
            ],
        )
    say(
        f"Showing {len(youngest):,} of {survey.count:,} dead letters."
        if survey.count
        else "No dead letters match."
    )


@dead_letters_app.command()
def show(
    which: Annotated[
        str,
        typer.Argument(
            help="A place like payment-notification-dead-letter:3:1182, or an order id."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show all that is known of a dead letter but its body: that is given by length and SHA-256 only."""
    settings = settings_or_fail()
    records: list[tuple[Fact, RawRecord]] = []
    finish(_find(settings, selection_of([which]), lambda *pair: records.append(pair)))
    if not records:
        fail(f"no dead letter is {shown(which)}; see `notifier dead-letters list`")
    records.sort(key=lambda pair: age_order(pair[0]))
    if as_json:
        print_json({"letters": [_with_headers(*pair) for pair in records]})
        return
    for dead_letter, record in records:
        what = "the event's original bytes" if dead_letter.holds_event else "the request body"
        length = dead_letter.value_bytes
        size = "a tombstone" if length is None else f"{length:,} bytes"
        facts = (
            ("place", dead_letter.record_id),
            ("died at", rfc3339(dead_letter.at_ms)),
            ("order", dead_letter.order_id),
            ("reason", dead_letter.reason),
            ("result", dead_letter.result),
            ("body", f"{what}: {size}, SHA-256 {dead_letter.value_sha256}"),
        )
        print_table(("", ""), facts)
        print()
        for fault in (dead_letter.detail or "").split("; "):
            print(shown(fault))
        print()
        headers = [(shown(name), _text(value)) for name, value in _headers(record)]
        print_table(("header", "value"), headers)


@dead_letters_app.command()
def export(
    which: Which = None,
    reason: Reasons = None,
    partner: PartnerIds = None,
    profile: Profiles = None,
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file; else standard output.")
    ] = None,
    with_bodies: Annotated[
        bool,
        typer.Option(
            "--with-bodies", help="Bodies too, in base64: CUSTOMER DATA, handle them as such."
        ),
    ] = False,
) -> None:
    """Write dead letters as JSON, one a line."""
    settings = settings_or_fail()
    selection = selection_of(which, reason, partner, profile, code, since, until)
    try:
        file = (
            sys.stdout
            if output is None
            else open(output, "x", encoding="utf-8", opener=open_for_owner)  # noqa: SIM115  # closed below; Path.open takes no opener
        )
    except OSError as error:
        fail(f"--output: {error}; expected a file that does not exist yet")

    def write(dead_letter: Fact, record: RawRecord) -> None:
        """Write one as it is read: a million of them need no memory for their bodies."""
        file.write(_exported(dead_letter, record, with_bodies=with_bodies))

    with file if output is not None else nullcontext():
        count = finish(_find(settings, selection, write))
    if not count:
        known_or_fail(settings, partner or ())
    say(f"Exported {count:,} dead letters{', with bodies' if with_bodies else ''}.")


def _exported(dead_letter: Fact, record: RawRecord, *, with_bodies: bool) -> str:
    """Return the line of an export."""
    members = _with_headers(dead_letter, record)
    if with_bodies and record.value is not None:
        members["body_base64"] = b64encode(record.value).decode()
    return json.dumps(members, ensure_ascii=True) + "\n"


def _headers(record: RawRecord) -> Iterator[tuple[str, bytes | None]]:
    """Yield headers; of a URL in any of them its origin only, as path and query may hold a token."""
    for name, value in record.headers:
        if name == "notify-url" and value is not None:
            yield name, _server(value)
        elif name != "dead-letter-detail":
            yield name, value and _URL.sub(lambda found: _server(found[0]), value)


def _text(value: bytes | None) -> str:
    return "(null)" if value is None else shown(value.decode("utf-8", "backslashreplace"))


def _with_headers(dead_letter: Fact, record: RawRecord) -> dict[str, Any]:
    """Return a dead letter with its headers, so that each can be told from every other: null as null, what is no UTF-8 in base64."""
    headers = [
        [_json_text(name.encode("utf-8", "surrogateescape")), _json_text(value)]
        for name, value in _headers(record)
    ]
    return _as_json(dead_letter) | {"headers": headers}


def _json_text(raw: bytes | None) -> str | dict[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(raw).decode()}


def _server(url: bytes) -> bytes:
    try:
        return f"{origin_of(url.decode())}/…".encode()
    except ValueError:  # no URL, or no text
        return "…".encode()


async def _find(settings: Settings, selection: Selection, on_record: OnRecord) -> int:
    """Give every dead letter that is meant with its record as it is read; return how many there are."""
    names, what, count = TopicNames(settings.topic_prefix), "reading the dead letters", 0
    async with reading_topics(settings, "letters", what) as (reader, on_progress):
        async for dead_letter, record in each_dead_letter(reader, names, selection, on_progress):
            on_record(dead_letter, record)
            count += 1
    return count


def _age(at_ms: int, now_ms: int) -> str:
    return f"{duration(now_ms - at_ms)} ago" if sys.stdout.isatty() else rfc3339(at_ms)


def _as_json(dead: Fact) -> dict[str, Any]:
    return {
        "place": str(dead.record_id),
        "at": rfc3339(dead.at_ms),
        "order_id": dead.order_id,
        "notification_id": dead.notification_id,
        "partner_id": dead.partner_id,
        "profile": dead.profile,
        "reason": dead.reason,
        "code": code_of(dead.last_outcome),
        "detail": dead.detail,
        "attempt": dead.attempt,
        "parks": dead.parks,
        "replays": dead.replays or 0,
        "holds": "event" if dead.holds_event else "notification",
        "result": dead.result,
        "origin": dead.origin,
        "body_bytes": dead.value_bytes,
        "body_sha256": dead.value_sha256,
    }
