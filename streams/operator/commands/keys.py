"""`notifier keys`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from streams.clock import Clock
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    partners_or_fail,
    settings_or_fail,
    warn,
)
from streams.partners.inventory import KeyRow, key_rows
from streams.partners.judgement import own_key_faults, shared_key_warnings

keys_app = typer.Typer(help="The keys and certificates of partners.", no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Make `check` a command of its own, also while it is the only one."""


@keys_app.command("check")
def keys_check(as_json: Json = False) -> None:
    """List every key and certificate, what is in force and what expires, and every fault; shows no secret."""
    from streams.kafka.connection import connection_of

    settings = settings_or_fail()
    partners, now = partners_or_fail(settings), Clock().now_seconds()
    faults = list(own_key_faults(partners))
    warnings = [*partners.warnings, *shared_key_warnings(partners)]
    rows = list(key_rows(partners, now))
    holders = {partner.partner_id: partner.certificates for partner in partners.values()}
    kafka = connection_of(settings).certificates()
    certificates = [
        {
            "holder": holder,
            "use": held.kind,
            "file": held.file,
            "expires_at": _text(held.expires_at_seconds),
        }
        for holder, all_held in [*holders.items(), ("Kafka", kafka)]
        for held in all_held
    ]
    if as_json:
        print(
            json.dumps(
                {
                    "ok": not faults,
                    "faults": faults,
                    "warnings": warnings,
                    "keys": [_as_json(row) for row in rows],
                    "certificates": certificates,
                }
            )
        )
        raise typer.Exit(FAULT if faults else 0)
    warn(warnings)
    for row in rows:
        since = _text(row.from_seconds) or ("always" if row.use == "signing" else "-")
        print(
            f"{row.partner}: {row.use} key {row.version} {row.state}, from {since}, {row.bits} bits,"
            f" {row.file}\n  SHA-256 {row.fingerprint}"
        )
    for found in certificates:
        print("{holder}: {use} certificates until {expires_at}, {file}".format(**found))
    if faults:
        fail(*faults)


def _text(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except ValueError:  # a `from` with an offset may be hours beyond the years of UTC
        return "after the year 9999" if seconds > 0 else "before the year 1"


def _as_json(row: KeyRow) -> dict[str, Any]:
    found = asdict(row)
    found["from"] = _text(found.pop("from_seconds"))
    return found
