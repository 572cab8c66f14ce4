"""`notifier check` and `notifier ladder`: what is set up, and what it means."""

import json
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.mapping.file import MappingFileError
from streams.mapping.mapping import mapping_of
from streams.notification.profiles import PROFILES
from streams.operator.commands.common import Json, report
from streams.operator.commands.ports import port_fault
from streams.partners import PartnersFileError, load_partners
from streams.partners.judgement import own_key_faults, shared_key_warnings
from streams.settings import Settings, SettingsError, load_settings, unknown_variables


def check(as_json: Json = False) -> None:
    """Check settings, partners, keys and topics, and list every fault at once."""
    from streams.kafka.admin.preflight import Brokers, Unusable

    del as_json  # `report` knows
    faults: list[str] = []
    warnings = [
        f"{name}: there is no such setting; it is ignored" for name in unknown_variables(os.environ)
    ]
    try:
        settings = load_settings()
    except SettingsError as error:
        faults += error.faults
        settings = None
    named = settings.partners_file if settings else os.environ.get("NOTIFIER_PARTNERS_FILE")
    if named:  # without settings there may be none, which is a fault of theirs
        try:
            partners = load_partners(
                Path(named),
                Clock().now_seconds(),
                allow_http=settings is None or settings.allow_http,
            )
            warnings += (*partners.warnings, *shared_key_warnings(partners))
            faults += own_key_faults(partners)
        except PartnersFileError as error:
            faults += error.faults
    if settings:
        warnings += settings.warnings()
        taken = port_fault("NOTIFIER_WEB_PORT", settings.web_bind, settings.web_port)
        warnings += [taken] if taken is not None else []
        try:
            mapping_of(settings)
        except MappingFileError as error:
            faults += error.faults

        async def topics(settings: Settings) -> tuple[list[str], list[str]]:
            async with Brokers(settings) as brokers:
                found = await brokers.faults() or await brokers.unknown_tier_faults()
                return found, [] if found else await brokers.warnings()

        try:
            found, surprises = run_until_interrupted(topics(settings))
        except Unusable as error:
            faults += error.faults
        else:
            faults += found
            warnings += surprises
    report(faults, warnings, "settings, partners, keys and topics are good")


def ladder(as_json: Json = False) -> None:
    """Print each profile's attempts and waits."""
    if as_json:
        print(
            json.dumps(
                {
                    name: {
                        "attempts": profile.ladder.attempts,
                        "waits": [wait.label for wait in profile.ladder.waits],
                    }
                    for name, profile in PROFILES.items()
                }
            )
        )
        return
    console = Console()
    for name, profile in PROFILES.items():
        table = Table(title=f"{name}: {profile.ladder.attempts} attempts", title_justify="left")
        for heading in ("attempt", "wait before it", "elapsed at least"):
            table.add_column(heading, justify="right")
        elapsed = 0
        table.add_row("1", "-", "0:00:00")
        for number, wait in enumerate(profile.ladder.waits, start=2):
            elapsed += wait.seconds
            table.add_row(
                str(number),
                wait.label,
                f"{elapsed // 3600}:{elapsed // 60 % 60:02}:{elapsed % 60:02}",
            )
        console.print(table)
