"""`notifier console`."""

import asyncio
import logging
import logging.config
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.interruptible import run_until_interrupted
from streams.operator.commands.common import (
    INTERRUPTED,
    fail,
    mapping_or_fail,
    settings_or_fail,
)
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
    running = Console(settings, tokens, mapping=mapping_or_fail(settings))
    try:
        code = run_until_interrupted(_run(running))
    except OSError as error:
        where = f"{settings.console_bind}:{settings.console_port}"
        fail(f"NOTIFIER_CONSOLE_PORT: can't listen on {where}: {error.strerror}")
    raise typer.Exit(code)


async def _run(running: "Console") -> int:
    """Run it until a signal; return the exit code, 0 after SIGTERM and 130 after Ctrl-C."""
    settings = running.settings
    loop = asyncio.get_running_loop()
    ended: asyncio.Queue[int] = asyncio.Queue()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, ended.put_nowait, code)
    try:
        await running.start()
        log.info("listening on %s:%s for the console", settings.console_bind, running.port)
        code = await ended.get()
        log.info("stopping")
    finally:
        await running.stop()
    return code


@console_app.command("token")
def token(
    name: Annotated[str, typer.Argument(help="Whose it is; stands in the record of a replay.")],
    right: Annotated[
        Literal["read", "replay"], typer.Option(help="What it allows; replay includes read.")
    ] = "read",
) -> None:
    """Make an access token: print it, and the line for NOTIFIER_CONSOLE_TOKENS_FILE."""
    from streams.operator.console.tokens import TokenRight, entry_of, is_name, new_token

    if not is_name(name):
        message = "NAME: expected 1 to 64 of A-Z a-z 0-9 . _ @ -"
        raise typer.BadParameter(message)
    made = new_token()
    print(f"tokens:\n{entry_of(name, made, TokenRight(right))}")
    print(f"The token, shown this once: {made}", file=sys.stderr)
    print(
        "The lines on standard output go into the file that NOTIFIER_CONSOLE_TOKENS_FILE names.",
        file=sys.stderr,
    )
