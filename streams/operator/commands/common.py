"""What every command shares: how it fails, what it reads, what it prints for a program."""

import json
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from streams.operator.did_you_mean import did_you_mean, nearest
from streams.printable import printable

if TYPE_CHECKING:
    from streams.mapping.mapping import EventMapping
    from streams.partners import Partners
    from streams.settings import Settings

FAULT = 1
USAGE = 2
INTERRUPTED = 130
SCHEMA = 1
"""Version of every JSON object of the operator's commands."""
_MOST_MEANT = 3  # names that a message asks for

_for_a_program: ContextVar[bool] = ContextVar("for_a_program", default=False)


def speak_json(value: bool) -> bool:
    """Remember whether the command that runs prints JSON: its faults are JSON too, and nobody is asked anything."""
    _for_a_program.set(value)
    return value


def is_for_a_program() -> bool:
    """Tell whether the command that runs prints JSON."""
    return _for_a_program.get()


Json = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=speak_json)]


def say(text: str) -> None:
    """Talk: to standard error, so that a pipe sees data only."""
    print(text, file=sys.stderr)


def print_json(members: dict[str, Any]) -> None:
    """Print one object for a program."""
    print(json.dumps({"schema": SCHEMA, **members}, ensure_ascii=True))


def fail(*faults: str, **more: object) -> NoReturn:
    """Say every fault and exit with 1; a program is told more, where something was done already."""
    if is_for_a_program():
        print(json.dumps({"ok": False, "faults": faults, **more}))
    else:
        for fault in faults:
            say(f"fault: {fault}")
    raise typer.Exit(FAULT)


def used_wrongly(message: str) -> NoReturn:
    """Say how the command line should have been and exit with 2."""
    say(f"usage: {message}")
    raise typer.Exit(USAGE)


def settings_or_fail(*unneeded: str) -> "Settings":
    """Return the settings, or say everything that is wrong with them and exit with 1.

    Args:
        unneeded: settings of files that the command does not open (`load_settings`).
    """
    from streams.settings import SettingsError, load_settings

    try:
        return load_settings(unneeded=unneeded)
    except SettingsError as error:
        fail(*error.faults)


def partners_or_fail(settings: "Settings") -> "Partners":
    """Return the partners file, or say every fault of it and exit with 1."""
    from streams.partners import PartnersFileError

    try:
        return partners_of(settings)
    except PartnersFileError as error:
        fail(*error.faults)


def partners_of(settings: "Settings") -> "Partners":
    """Return the partners file.

    Raises:
        PartnersFileError: with every fault.
    """
    from streams.clock import Clock
    from streams.partners import load_partners

    now = Clock().now_seconds()
    return load_partners(settings.partners_file, now, allow_http=settings.allow_http)


def known_or_fail(
    settings: "Settings",
    partners: Iterable[str],
    unknown_to: str = "neither the topics nor the partners file know it",
) -> None:
    """Exit with 1 where the partners file has no entry for a partner: it is mistyped.

    Nothing where the file can't be used: an operator's machine may have none.

    Args:
        settings: name the file.
        partners: as they were typed.
        unknown_to: who does not know them, in a sentence.
    """
    from streams.partners import PartnersFileError

    try:
        entries = partners_of(settings)
    except PartnersFileError:
        return
    for partner in partners:
        if partner not in entries:
            guess = did_you_mean(nearest(partner, entries, _MOST_MEANT))
            message = f"--partner: seen {printable(partner)}, and {unknown_to}{guess}"
            fail(message)


def mapping_or_fail(settings: "Settings") -> "EventMapping | None":
    """Return the event mapping, None without one; or say every fault of it and exit with 1."""
    if settings.event_mapping is None:
        return None
    from streams.mapping.file import MappingFileError
    from streams.mapping.mapping import mapping_of

    try:
        return mapping_of(settings)
    except MappingFileError as error:
        fail(*error.faults)


def warn(warnings: Iterable[str]) -> None:
    """Say what should be better."""
    for warning in warnings:
        say(f"warning: {warning}")


def report(faults: list[str], warnings: list[str], good: str) -> None:
    """Say what a check found: exit with 1 for faults, go on with the good word otherwise."""
    if is_for_a_program():
        print(json.dumps({"ok": not faults, "faults": faults, "warnings": warnings}))
        raise typer.Exit(FAULT if faults else 0)
    warn(warnings)
    if faults:
        fail(*faults)
    print(good)
