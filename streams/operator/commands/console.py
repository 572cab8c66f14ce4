"""`notifier console`."""

import asyncio
import logging
import logging.config
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.interruptible import run_until_interrupted
from streams.operator.commands.common import fail, mapping_or_fail, settings_or_fail
from streams.telemetry.logs import logging_config

if TYPE_CHECKING:
    from streams.operator.console.app import Console

log = logging.getLogger(__name__)

console_app = typer.Typer(
    help="A web page over what stands in Kafka: orders, tiers, partners, dead letters, replays.",
    invoke_without_command=True,
)


@console_app.callback()
def console(context: typer.Context) -> None:
    """Run the console until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_or_fail()
    logging.config.dictConfig(logging_config(settings.log_level, settings.log_format))
    for warning in settings.warnings():
        log.warning("%s", warning)
    try:
        from streams.operator.console.app import Console
    except ModuleNotFoundError as error:
        fail(
            f"{error.name} is not installed; the console needs the extra: payment-notifier[console]"
        )
    from streams.operator.console.tokens import AccessTokens, TokensError

    if settings.console_tokens_file is None:
        message = (
            "NOTIFIER_CONSOLE_TOKENS_FILE: not set, expected a file with access tokens;"
            " `notifier console token NAME --right replay` says what to write into it"
        )
        fail(message)
    try:
        tokens = AccessTokens(settings.console_tokens_file)
    except TokensError as error:
        fail(str(error))
    try:
        run_until_interrupted(_run(Console(settings, tokens, mapping=mapping_or_fail(settings))))
    except OSError as error:
        where = f"{settings.console_bind}:{settings.console_port}"
        fail(f"NOTIFIER_CONSOLE_PORT: can't listen on {where}: {error.strerror}")


async def _run(running: "Console") -> None:
    settings = running.settings
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await running.start()
        log.info("listening on %s:%s for the console", settings.console_bind, running.port)
        await ended.wait()
        log.info("stopping")
    finally:
        await running.stop()


@console_app.command("token")
def token(
    name: Annotated[str, typer.Argument(help="Whose it is; stands in the record of a replay.")],
    right: Annotated[
        Literal["read", "replay"], typer.Option(help="What it allows; replay includes read.")
    ] = "read",
) -> None:
    """Make an access token: print it, and the line for NOTIFIER_CONSOLE_TOKENS_FILE."""
    from streams.operator.console.tokens import TokenRight, entry_of, new_token

    made = new_token()
    print(f"tokens:\n{entry_of(name, made, TokenRight(right))}")
    print(f"The token, shown this once: {made}", file=sys.stderr)
    print(
        "The lines on standard output go into the file that NOTIFIER_CONSOLE_TOKENS_FILE names.",
        file=sys.stderr,
    )
