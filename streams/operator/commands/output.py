"""How the operator's commands print: tables for people, tabs for pipes, talk on standard error."""

import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import typer

from schemas.iso8601 import typed_ms
from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.kafka.connection import connection_of
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.reader import OnProgress, ReadProgress, RecordReader
from streams.operator.commands.common import (
    FAULT,
    INTERRUPTED,
    fail,
    is_for_a_program,
    say,
    used_wrongly,
)
from streams.printable import printable
from streams.setting_values import parse_duration
from streams.settings import Settings

T = TypeVar("T")
_FIRST_SECONDS = 1.0
_EVERY_SECONDS = 10.0
_MUCH = 200_000  # records: some seconds
_TYPE_OVER = 100


def shown(text: object) -> str:
    """Return text of outside origin as one printable line: control and bidirectional characters become escapes."""
    return printable(str(text))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: a table on a terminal, tab-separated and uncut without headings elsewhere."""
    cells = [[shown("" if cell is None else cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    from rich.console import Console  # takes a tenth of a second, and a pipe needs none of it
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold",
        show_header=any(headings),
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@contextmanager
def reading(what: str) -> Iterator[OnProgress]:
    """Show how far a reading is: a bar on a terminal, else a line and then one every ten seconds.

    The first line comes after a second, or at once where there is much to read.
    """
    if sys.stderr.isatty():
        from rich.console import Console  # see `print_table`
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn(what), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), TimeElapsedColumn())  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=0)
            yield lambda seen: bar.update(task, completed=seen.passed, total=seen.of)
        return
    clock, last, said = Clock(), Clock().now_seconds() - _EVERY_SECONDS + _FIRST_SECONDS, False

    def line(seen: ReadProgress) -> None:
        nonlocal last, said
        if clock.now_seconds() - last >= _EVERY_SECONDS or (not said and seen.of >= _MUCH):
            last, said = clock.now_seconds(), True
            say(f"{what}: {seen.passed:,} of {seen.of:,} records")

    yield line


@asynccontextmanager
async def reading_topics(
    settings: Settings, purpose: str, what: str
) -> AsyncIterator[tuple[RecordReader, OnProgress]]:
    """Give a reader of the brokers, and what to tell how far it is.

    Args:
        settings: say which brokers.
        purpose: ends the client id by which the brokers know it.
        what: is being done, for whoever waits.
    """
    client_id = f"{settings.group_id}-{purpose}"
    with reading(what) as on_progress:
        async with RecordReader(connection_of(settings), client_id) as reader:
            yield reader, on_progress


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; say what went wrong at the brokers and exit with 1."""
    try:
        return run_until_interrupted(work)
    except ReadFailed as error:
        fail(str(error))


def open_for_owner(path: str, flags: int) -> int:
    """Open a file as `open` asks its `opener` to, so that only its owner may read it, whatever the umask is: it may hold customers' data."""
    return os.open(path, flags, 0o600)


def moment(text: str | None, now_ms: int, option: str) -> int | None:
    """Read `2h` (so long ago) or an ISO 8601 time with offset, as milliseconds since the epoch.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        return now_ms - int(parse_duration(text) * 1000)
    except ValueError:
        pass
    try:
        return typed_ms(text)
    except ValueError:
        pass
    message = f"{option}: expected how long ago (30m, 2h, 7d) or a time with offset (2026-11-22T03:00:00Z)"
    raise typer.BadParameter(message)


def confirm(question: str, count: int, *, yes: bool) -> None:
    """Ask before something that can't be taken back; exit with 1 when it is declined, with 2 when nobody can be asked.

    Exit with 130 at Ctrl-C.

    Args:
        question: what will happen.
        count: of how many things; over a hundred the number must be typed.
        yes: it was answered on the command line.
    """
    if yes:
        return
    if is_for_a_program() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        used_wrongly("nobody can be asked here; add --yes")
    if count > _TYPE_OVER:
        done = _answer(f"{question}\nType {count} to do it: ") == str(count)
    else:
        done = _answer(f"{question} [y/N]: ").lower() in {"y", "yes"}
    if not done:
        say("Nothing was done.")
        raise typer.Exit(FAULT)


def _answer(question: str) -> str:
    """Return what was typed; exit with 130 at Ctrl-C, which Typer's own questions make exit 1, as if it were a no."""
    try:
        return input(question).strip()
    except KeyboardInterrupt:
        say("\nNothing was done.")
        raise typer.Exit(INTERRUPTED) from None
    except (EOFError, UnicodeDecodeError):  # Ctrl-D, or bytes that are no text: no yes
        say("")
        return ""
