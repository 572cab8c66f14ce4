"""`notifier topics`."""

import json

import typer

from streams.interruptible import run_until_interrupted
from streams.operator.commands.common import FAULT, Json, fail, report, settings_or_fail, warn
from streams.settings import CONSOLE_FILES

topics_app = typer.Typer(help="The topics the notifier owns.", no_args_is_help=True)


@topics_app.command("create")
def topics_create(as_json: Json = False) -> None:
    """Create the topics that are missing; change none that exists."""
    from streams.kafka.admin.preflight import Brokers, Unusable

    async def create() -> tuple[list[str], list[str], list[str]]:
        async with Brokers(settings) as brokers:
            created = await brokers.create()
            faults = await brokers.faults("topics")
            warnings = [*await brokers.unknown_tier_faults(), *brokers.topic_warnings]
            return created, faults, warnings

    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    try:
        created, faults, warnings = run_until_interrupted(create())
    except Unusable as error:
        fail(*error.faults)
    own = [fault for fault in faults if fault.startswith(f"{settings.topic_prefix}-")]
    # A rollback comes by here too: what a newer version left must not keep it from being made.
    warnings = [fault for fault in faults if fault not in own] + warnings
    if as_json:
        print(json.dumps({"ok": not own, "created": created, "faults": own, "warnings": warnings}))
        raise typer.Exit(FAULT if own else 0)
    for name in created:
        print(f"created {name}")
    print(f"{len(created)} topics created" if created else "nothing to create: every topic exists")
    warn(warnings)
    if own:
        fail(*own)


@topics_app.command("check")
def topics_check(as_json: Json = False) -> None:
    """Say in what the topics differ from what they must be."""
    from streams.kafka.admin.preflight import Brokers, Unusable

    del as_json  # `report` knows

    async def check() -> tuple[list[str], list[str]]:
        async with Brokers(settings) as brokers:
            faults = await brokers.faults("topics") or await brokers.unknown_tier_faults()
            return faults, [] if faults else await brokers.warnings()

    settings = settings_or_fail("partners_file", *CONSOLE_FILES)
    try:
        faults, warnings = run_until_interrupted(check())
    except Unusable as error:
        fail(*error.faults)
    report(faults, warnings, "the topics are as they must be")
