"""The command `notifier`."""

import sys

import typer

from streams.commands.check import check, ladder
from streams.commands.common import INTERRUPTED
from streams.commands.rehearse import demo, sandbox
from streams.commands.topics import topics_app
from streams.commands.worker import worker

app = typer.Typer(
    name="notifier",
    help="Tells partners the result of a payment, signed, until they acknowledge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(worker)
app.add_typer(topics_app, name="topics")
app.command()(check)
app.command()(ladder)
app.command()(sandbox)
app.command()(demo)


def main() -> None:
    """Run the command; Ctrl-C ends it with 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
