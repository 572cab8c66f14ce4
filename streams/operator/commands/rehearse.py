"""`notifier sandbox` and `notifier demo`: the rehearsal kit, an extra of the package."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.operator.commands.common import fail
from streams.operator.commands.output import shown

if TYPE_CHECKING:
    from streams.sandbox.inbox import Received
    from streams.sandbox.keys import Keys

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
    port: Annotated[
        int,
        typer.Option(help="The partner's port; a free one unless given.", min=0, max=65535),
    ] = 0,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print each request that the partner gets, and its verdict."),
    ] = False,
) -> None:
    """Rehearse: a real Kafka, a partner to test against and a stream of payments, on this machine."""
    try:
        from streams.sandbox.kafka_jars import JarsError
        from streams.sandbox.node import BrokerError
        from streams.sandbox.partner import PartnerError
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
    try:
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
            show=print_received if show else None,
        )
    except PartnerError as error:
        fail(f"--port: {error}; expected a free port, or none for any")
    except (BrokerError, JarsError) as error:
        fail(str(error))
    raise typer.Exit(code)


def print_received(received: "Received", keys: "Keys") -> None:
    """Print a request to the rehearsal's partner as it was on the wire, and whether it is right."""
    from streams.sandbox.signatures import load_public_key
    from streams.webhook.diagnosis import KnownKey
    from streams.webhook.recording import RecordedRequest
    from streams.webhook.verdict import Side, request_findings

    print()
    print(shown(f"{received.method} {received.path} HTTP/1.1"))
    for name, value in received.headers.items():
        print(shown(f"{name}: {value}"))
    print(f"\n{shown(received.body.decode(errors='replace'))}\n")
    request = RecordedRequest(received.method, received.path, received.headers, received.body)
    known = (
        KnownKey("the sandbox's sender", load_public_key(keys.sender.public)),
        KnownKey("the sandbox's partner", load_public_key(keys.receiver.public), right=False),
    )
    findings = request_findings(request, Side(None, known))
    # the partner judges with code of its own, and what is right for both of them is right
    faults = [f"{finding.rule}: {finding.text}" for finding in findings if finding.broken]
    for fault in faults or received.faults:
        print(shown(f"broken: {fault}"))
    verdict = "good" if not faults and not received.faults else "not as it should be"
    print(
        shown(
            f"request {received.number} is {verdict}; order {received.order_id}, attempt {received.attempt}; answered {received.answer}"
        ),
        flush=True,
    )


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
