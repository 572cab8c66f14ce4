"""The command `notifier`."""

import asyncio
import json
import logging
import logging.config
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from streams.clock import Clock
from streams.notification.profiles import PROFILES
from streams.operate.logs import logging_config
from streams.partners import PartnersFile, PartnersFileError, load_partners
from streams.settings import Settings, SettingsError, load_settings, unknown_variables

app = typer.Typer(
    name="notifier",
    help="Tells partners the result of a payment, signed, until they acknowledge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="The topics the notifier owns.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")

FAULT = 1
USAGE = 2
INTERRUPTED = 130
SANDBOX_PARTS = ("broker", "partner", "events")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
log = logging.getLogger(__name__)


def main() -> None:
    """Run the command; Ctrl-C ends it with 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fail(faults: Iterable[str], *, as_json: bool = False) -> NoReturn:
    if as_json:
        print(json.dumps({"ok": False, "faults": list(faults)}))
    else:
        for fault in faults:
            print(f"fault: {fault}", file=sys.stderr)
    raise typer.Exit(FAULT)


def _settings(*, as_json: bool = False) -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        _fail(error.faults, as_json=as_json)


@app.command()
def worker() -> None:
    """Consume, notify, retry. Runs until SIGTERM or Ctrl-C."""
    from streams.kafka.preflight import Unusable, prepare_start
    from streams.kafka.worker import run_worker
    from streams.runtime import Runtime

    logging.config.dictConfig(logging_config())
    settings = _settings()
    for name in unknown_variables(os.environ):
        log.warning("%s: there is no such setting; it is ignored", name)
    try:
        partners = PartnersFile(
            settings.partners_file, Clock().now_seconds(), allow_http=settings.allow_http
        )
    except PartnersFileError as error:
        _fail(error.faults)
    for warning in partners.current.warnings:
        log.warning("%s", warning)
    if settings.ladder_scale != 1:
        log.warning(
            "NOTIFIER_LADDER_SCALE is %g: EVERY WAIT IS SHORTENED, for rehearsals only",
            settings.ladder_scale,
        )
    try:
        asyncio.run(prepare_start(settings))
    except Unusable as error:
        _fail(error.faults)
    run_worker(Runtime(settings, partners).apps, logging_config())


@topics_app.command("create")
def topics_create(as_json: Json = False) -> None:
    """Create the topics that are missing; change none that exists."""
    from streams.kafka.preflight import Brokers, Unusable

    async def create() -> tuple[list[str], list[str]]:
        async with Brokers(settings) as brokers:
            created = await brokers.create()
            return created, await brokers.faults()

    settings = _settings(as_json=as_json)
    try:
        created, faults = asyncio.run(create())
    except Unusable as error:
        _fail(error.faults, as_json=as_json)
    own = [fault for fault in faults if fault.startswith(f"{settings.topic_prefix}-")]
    others = [fault for fault in faults if fault not in own]
    if as_json:
        print(json.dumps({"ok": not own, "created": created, "faults": own, "warnings": others}))
        raise typer.Exit(FAULT if own else 0)
    for name in created:
        print(f"created {name}")
    print(f"{len(created)} topics created" if created else "nothing to create: every topic exists")
    for fault in others:
        print(f"warning: {fault}", file=sys.stderr)
    if own:
        _fail(own)


@topics_app.command("check")
def topics_check(as_json: Json = False) -> None:
    """Say in what the topics differ from what they must be."""
    from streams.kafka.preflight import Brokers, Unusable

    async def check() -> tuple[list[str], list[str]]:
        async with Brokers(settings) as brokers:
            faults = await brokers.faults()
            return faults, [] if faults else await brokers.warnings()

    settings = _settings(as_json=as_json)
    try:
        faults, warnings = asyncio.run(check())
    except Unusable as error:
        _fail(error.faults, as_json=as_json)
    _report(faults, warnings, "the topics are as they must be", as_json=as_json)


def _report(faults: list[str], warnings: list[str], good: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": not faults, "faults": faults, "warnings": warnings}))
        raise typer.Exit(FAULT if faults else 0)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if faults:
        _fail(faults)
    print(good)


@app.command()
def check(as_json: Json = False) -> None:
    """Check settings, partners, keys and topics, and list every fault at once."""
    from streams.kafka.preflight import Brokers, Unusable

    faults: list[str] = []
    warnings = [
        f"{name}: there is no such setting; it is ignored" for name in unknown_variables(os.environ)
    ]
    try:
        settings = load_settings()
    except SettingsError as error:
        faults += error.faults
        settings = None
    path = (
        settings.partners_file if settings else Path(os.environ.get("NOTIFIER_PARTNERS_FILE", ""))
    )
    if path.name:
        try:
            warnings += load_partners(
                path, Clock().now_seconds(), allow_http=settings is None or settings.allow_http
            ).warnings
        except PartnersFileError as error:
            faults += error.faults
    if settings:

        async def topics(settings: Settings) -> tuple[list[str], list[str]]:
            async with Brokers(settings) as brokers:
                found = await brokers.faults()
                return found, [] if found else await brokers.warnings()

        try:
            found, surprises = asyncio.run(topics(settings))
        except Unusable as error:
            faults += error.faults
        else:
            faults += found
            warnings += surprises
    _report(faults, warnings, "settings, partners, keys and topics are good", as_json=as_json)


@app.command()
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


@app.command()
def sandbox(
    parts: Annotated[
        list[str] | None, typer.Argument(help="broker, partner, events; all three unless named.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where keys and partners.yaml are kept; a temporary one unless given."),
    ] = None,
    rate: Annotated[float, typer.Option(help="Payments a second.", min=0.01)] = 10.0,
    payments: Annotated[
        int | None, typer.Option(help="How many payments; without end unless given.", min=1)
    ] = None,
    brokers: Annotated[
        str, typer.Option(help="Where the payments go when no broker is started.")
    ] = "localhost:9092",
    topic: Annotated[str, typer.Option(help="The source topic.")] = "payment-final-state",
    answers: Annotated[
        str,
        typer.Option(help="The partner's answers by weight, like S=0.9,U:UNKNOWN_EXCEPTION=0.1."),
    ] = "S=1",
    port: Annotated[int, typer.Option(help="The partner's port; a free one unless given.")] = 0,
) -> None:
    """Rehearse: a real Kafka, a partner to test against and a stream of payments, on this machine."""
    try:
        from streams.sandbox.run import run_sandbox
        from streams.sandbox.script import parse_shares
    except ImportError as error:
        _no_sandbox(error)
    wanted = set(parts or SANDBOX_PARTS)
    if unknown := wanted - set(SANDBOX_PARTS):
        message = f"seen {', '.join(sorted(unknown))}, expected some of {', '.join(SANDBOX_PARTS)}"
        raise typer.BadParameter(message)
    try:
        shares = parse_shares(answers)
    except ValueError as error:
        message = f"--answers: {error}"
        raise typer.BadParameter(message) from error
    code = run_sandbox(
        directory,
        broker="broker" in wanted,
        partner="partner" in wanted,
        events=payments if "events" in wanted else 0,
        rate_per_second=rate,
        brokers=brokers,
        topic=topic,
        shares=shares,
        port=port,
    )
    raise typer.Exit(code)


@app.command()
def demo(
    payments: Annotated[int, typer.Option(help="How many.", min=1)] = 300,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running until Ctrl-C.")] = False,
) -> None:
    """Show the main job: a real Kafka, a partner that breaks in every way, and an account of each payment."""
    try:
        from streams.sandbox.demo import run_demo
    except ImportError as error:
        _no_sandbox(error)
    raise typer.Exit(run_demo(payments=payments, keep=keep))


def _no_sandbox(error: ImportError) -> NoReturn:
    _fail(
        [f"the rehearsal kit is not installed ({error}): pip install 'payment-notifier[sandbox]'"]
    )
