"""The command `notifier`."""

import sys
from typing import Final

import typer

from streams.operator.commands.capacity import capacity
from streams.operator.commands.check import check, ladder
from streams.operator.commands.common import INTERRUPTED, speak_json
from streams.operator.commands.console import console_app
from streams.operator.commands.dead_letters import dead_letters_app
from streams.operator.commands.keys import keys_app
from streams.operator.commands.rehearse import demo, sandbox
from streams.operator.commands.resend import resend
from streams.operator.commands.send_test import send_test
from streams.operator.commands.topics import topics_app
from streams.operator.commands.undelivered import undelivered
from streams.operator.commands.unreadable import unreadable_app
from streams.operator.commands.why import why
from streams.operator.commands.worker import worker

_WITHOUT_KAFKA: Final = {"capacity", "demo", "keys", "ladder", "sandbox", "send-test"}
"""Commands that make no client of aiokafka, or, as the rehearsal kit, one that shall be as others' are."""

app = typer.Typer(
    name="notifier",
    help="Tells partners the result of a payment, signed, until they acknowledge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def prepare(context: typer.Context) -> None:
    """Patch aiokafka for every command that may make a client of it; speak to a person unless JSON is asked for."""
    speak_json(value=False)
    if context.invoked_subcommand not in _WITHOUT_KAFKA:
        from streams.kafka.patches import patch_clients  # noqa: PLC0415  # `--help` and the others need no aiokafka

        patch_clients()


app.command()(worker)
app.add_typer(topics_app, name="topics")
app.command()(check)
app.add_typer(keys_app, name="keys")
app.command()(ladder)
app.command()(capacity)
app.command()(why)
app.add_typer(dead_letters_app, name="dead-letters")
app.command()(resend)
app.command()(undelivered)
app.add_typer(unreadable_app, name="unreadable")
app.command("send-test")(send_test)
app.add_typer(console_app, name="console")
app.command()(sandbox)
app.command()(demo)


def main() -> None:
    """Run the command; Ctrl-C ends it with 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
