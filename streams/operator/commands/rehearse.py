"""`notifier sandbox` and `notifier demo`: the rehearsal kit, an extra of the package."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streams.operator.commands.common import fail

SANDBOX_PARTS = ("broker", "partner", "events")


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
    fail(f"the rehearsal kit is not installed ({error}): pip install 'payment-notifier[sandbox]'")
