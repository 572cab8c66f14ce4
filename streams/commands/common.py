"""What every command shares: how it fails, what it reads, what it prints for a program."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, NoReturn

import typer

from streams.settings import Settings, SettingsError, load_settings

FAULT = 1
USAGE = 2
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(faults: Iterable[str], *, as_json: bool = False) -> NoReturn:
    """Say every fault and exit with 1."""
    if as_json:
        print(json.dumps({"ok": False, "faults": list(faults)}))
    else:
        for fault in faults:
            print(f"fault: {fault}", file=sys.stderr)
    raise typer.Exit(FAULT)


def settings_or_fail(*, as_json: bool = False) -> Settings:
    """Return the settings, or say everything that is wrong with them and exit with 1."""
    try:
        return load_settings()
    except SettingsError as error:
        fail(error.faults, as_json=as_json)


def report(faults: list[str], warnings: list[str], good: str, *, as_json: bool) -> None:
    """Say what a check found: exit with 1 for faults, go on with the good word otherwise."""
    if as_json:
        print(json.dumps({"ok": not faults, "faults": faults, "warnings": warnings}))
        raise typer.Exit(FAULT if faults else 0)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if faults:
        fail(faults)
    print(good)
