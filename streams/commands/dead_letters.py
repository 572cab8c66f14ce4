"""`notifier dead-letters list`, `show`, `export`: what was given up on. No body is shown unless it is asked for."""

import json
import os
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from schemas.notify_url import origin_of
from streams.clock import Clock
from streams.commands.common import Json, fail, settings_or_fail
from streams.commands.output import finish, print_json, print_table, reading, say, shown
from streams.commands.replay import replay
from streams.commands.selecting import (
    Codes,
    Names,
    PartnerIds,
    Profiles,
    Reasons,
    Since,
    Until,
    selection_of,
)
from streams.history.facts import Fact
from streams.history.text import duration, rfc3339
from streams.kafka.connection import connection_of
from streams.kafka.raw import RawRecord
from streams.kafka.reader import RecordReader
from streams.kafka.topics import TopicNames
from streams.replay.letters import Selection, code_of, find_letters, groups_of
from streams.settings import Settings

dead_letters_app = typer.Typer(
    help="What ended without being delivered: list it, look at it, put it back.",
    no_args_is_help=True,
)
dead_letters_app.command()(replay)

_URL = re.compile(rb"[a-z][a-z0-9+.-]*://[^\s\"'<>]*", re.IGNORECASE)
OnRecord = Callable[[Fact, RawRecord], None]


@dead_letters_app.command("list")
def list_letters(
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
    settings = settings_or_fail(as_json=as_json)
    selection = selection_of(None, reason, partner, profile, code, since, until)
    letters = finish(_find(settings, selection), as_json=as_json)
    youngest = list(reversed(letters))[:limit]
    now_ms = Clock().now_ms()
    if as_json:
        groups = [
            {
                "reason": group.reason,
                "partner_id": group.partner_id,
                "code": group.code,
                "count": group.count,
                "oldest": rfc3339(group.oldest_ms),
                "youngest": rfc3339(group.youngest_ms),
            }
            for group in groups_of(letters)
        ]
        print_json(
            {
                "as_of": rfc3339(now_ms),
                "count": len(letters),
                "groups": groups,
                "letters": [_as_json(letter) for letter in youngest],
            }
        )
        return
    print_table(
        ("count", "partner", "reason", "code", "oldest"),
        [
            (g.count, g.partner_id or "-", g.reason, g.code or "-", _age(g.oldest_ms, now_ms))
            for g in groups_of(letters)
        ],
    )
    if youngest:
        print()
        print_table(
            ("place", "order", "partner", "reason", "code", "died at", "replays"),
            [
                (
                    letter.place,
                    letter.order_id or "-",
                    letter.partner_id or "-",
                    letter.reason or "-",
                    code_of(letter) or "-",
                    rfc3339(letter.at_ms),
                    letter.replays or 0,
                )
                for letter in youngest
            ],
        )
    say(
        f"Showing {len(youngest):,} of {len(letters):,} dead letters."
        if letters
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
    settings = settings_or_fail(as_json=as_json)
    selection = selection_of([which], None, None, None, None, None, None)
    records: list[tuple[Fact, RawRecord]] = []
    finish(_find(settings, selection, lambda *pair: records.append(pair)), as_json=as_json)
    if not records:
        fail(
            [f"no dead letter is {shown(which)}; see `notifier dead-letters list`"], as_json=as_json
        )
    records.sort(key=lambda pair: (pair[0].at_ms, pair[0].place))
    if as_json:
        print_json(
            {
                "letters": [
                    _as_json(letter) | {"headers": _json_headers(record)}
                    for letter, record in records
                ]
            }
        )
        return
    for letter, record in records:
        what = "the event's original bytes" if letter.holds_event else "the request body"
        size = "a tombstone" if letter.value_bytes is None else f"{letter.value_bytes:,} bytes"
        facts = (
            ("place", letter.place),
            ("died at", rfc3339(letter.at_ms)),
            ("order", letter.order_id),
            ("reason", letter.reason),
            ("result", letter.result),
            ("body", f"{what}: {size}, SHA-256 {letter.value_sha256}"),
        )
        print_table(("", ""), facts)
        print()
        for fault in (letter.detail or "").split("; "):
            print(shown(fault))
        print()
        print_table(
            ("header", "value"), [(shown(name), _text(value)) for name, value in _headers(record)]
        )


def _headers(record: RawRecord) -> Iterator[tuple[str, bytes | None]]:
    """Yield headers; of a URL in any of them its origin only, as path and query may hold a token."""
    for name, value in record.headers:
        if name == "notify-url" and value is not None:
            yield name, _server(value)
        elif name != "dead-letter-detail":
            yield name, value and _URL.sub(lambda found: _server(found[0]), value)


def _text(value: bytes | None) -> str:
    return "(null)" if value is None else shown(value.decode("utf-8", "backslashreplace"))


def _json_headers(record: RawRecord) -> list[list[Any]]:
    """Return headers so that each can be told from every other: null as null, what is no UTF-8 in base64."""
    return [
        [_json_text(name.encode("utf-8", "surrogateescape")), _json_text(value)]
        for name, value in _headers(record)
    ]


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


async def _find(
    settings: Settings, selection: Selection, on_record: OnRecord | None = None
) -> list[Fact]:
    with reading("reading the dead letters") as on_progress:
        async with RecordReader(connection_of(settings), f"{settings.group_id}-letters") as reader:
            names = TopicNames(settings.topic_prefix)
            return await find_letters(
                reader, names, selection, on_progress=on_progress, on_record=on_record
            )


def _age(at_ms: int, now_ms: int) -> str:
    return f"{duration(now_ms - at_ms)} ago" if sys.stdout.isatty() else rfc3339(at_ms)


def _as_json(letter: Fact) -> dict[str, Any]:
    return {
        "place": str(letter.place),
        "at": rfc3339(letter.at_ms),
        "order_id": letter.order_id,
        "notification_id": letter.notification_id,
        "partner_id": letter.partner_id,
        "profile": letter.profile,
        "reason": letter.reason,
        "code": code_of(letter),
        "detail": letter.detail,
        "attempt": letter.attempt,
        "parks": letter.parks,
        "replays": letter.replays or 0,
        "holds": "event" if letter.holds_event else "notification",
        "result": letter.result,
        "origin": letter.origin,
        "body_bytes": letter.value_bytes,
        "body_sha256": letter.value_sha256,
    }


@dead_letters_app.command()
def export(
    which: Names = None,
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
        file = sys.stdout if output is None else open(output, "x", encoding="utf-8", opener=_own)  # noqa: SIM115  # closed below; Path.open takes no opener
    except OSError as error:
        fail([f"--output: {error}; expected a file that does not exist yet"])
    with file if output is not None else nullcontext():
        writer = _Exporter(file, with_bodies=with_bodies)
        finish(_find(settings, selection, writer.write), as_json=False)
    say(f"Exported {writer.count:,} dead letters{', with bodies' if with_bodies else ''}.")


def _own(path: str, flags: int) -> int:
    """Open a file that only its owner may read, whatever the umask is: it may hold customers' data."""
    return os.open(path, flags, 0o600)


class _Exporter:
    """Writes dead letters as they are read, so that a million of them need no memory."""

    def __init__(self, file: IO[str], *, with_bodies: bool) -> None:
        self._file, self._with_bodies = file, with_bodies
        self.count = 0

    def write(self, letter: Fact, record: RawRecord) -> None:
        """Write one."""
        members = _as_json(letter) | {"headers": _json_headers(record)}
        if self._with_bodies and record.value is not None:
            members["body_base64"] = b64encode(record.value).decode()
        self._file.write(json.dumps(members, ensure_ascii=True) + "\n")
        self.count += 1
