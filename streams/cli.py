"""The command `notifier`. A command's modules are imported when it is called, so that `--help` and every command start at once."""

import errno
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from schemas.strict_json import is_text
from streams.operator.commands.common import FAULT, INTERRUPTED, say, speak_json
from streams.webhook.quick_import import leave_out_authorities, leave_out_httpx_command

_WITHOUT_KAFKA: Final = {
    "capacity",
    "check-event",
    "conformance",
    "demo",
    "keys",
    "ladder",
    "sandbox",
    "send-test",
    "verify",
}
"""Commands that make no client of aiokafka, or, as the rehearsal kit, one that shall be as others' are."""
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command or a group of commands of `notifier`.

    Attributes:
        place: module below `streams.operator.commands` and name in it: a function, or a `typer.Typer` with commands.
        help: the first line of its help, which `notifier --help` shows without importing it.
    """

    place: str
    help: str


SUBCOMMANDS: Final = {
    "worker": Subcommand("worker:worker", "Consume, notify, retry. Runs until SIGTERM or Ctrl-C."),
    "topics": Subcommand("topics:topics_app", "The topics the notifier owns."),
    "check": Subcommand("check:check", "Check settings, partners, keys and topics, and list every fault at once."),
    "check-event": Subcommand("check_event:check_event", "Say every fault of a payment event, and show the exact request that it becomes."),
    "keys": Subcommand("keys:keys_app", "The keys and certificates of partners."),
    "ladder": Subcommand("check:ladder", "Print each profile's attempts and waits."),
    "capacity": Subcommand("capacity:capacity", "Plan pods, partitions, CPU and Kafka for a load; docs/capacity.md says how it is reckoned."),
    "why": Subcommand("why:why", "Say whether a partner was told, and if not, why, whose turn it is and when it goes on."),
    "dead-letters": Subcommand("dead_letters:dead_letters_app", "What ended without being delivered: list it, look at it, put it back."),
    "resend": Subcommand("resend:resend", "Send a delivered notification again, for a partner that lost it."),
    "tail": Subcommand("tail:tail", "Follow attempts and decisions as they are recorded, until Ctrl-C."),
    "undelivered": Subcommand("undelivered:undelivered", "List what a partner has not acknowledged, for reconciliation."),
    "unreadable": Subcommand("unreadable:unreadable_app", "A batch that can't be read: look at it, keep its bytes, let the workers pass."),
    "send-test": Subcommand("send_test:send_test", "Send one test notification to a partner, over the real way, and say what to mend."),
    "verify": Subcommand("verify:verify", "Say which rule a recorded request or answer breaks: key, algorithm, encoding, signed string, headers, body."),
    "conformance": Subcommand("conformance:conformance", "Play a receiver's life against it: first call, repeat, F, cancel, odd bytes, hang-up, slow, forged; print a report."),
    "console": Subcommand("console:console_app", "A web page over what stands in Kafka: orders, tiers, partners, dead letters, replays."),
    "sandbox": Subcommand("rehearse:sandbox", "Rehearse: a real Kafka, a partner to test against and a stream of payments, on this machine."),
    "demo": Subcommand("rehearse:demo", "Show the main job: a real Kafka, a partner that breaks in every way, and an account of each payment."),
}  # fmt: skip


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  # a command of typer's own click
        module, _, member = SUBCOMMANDS[name].place.partition(":")
        found = getattr(import_module(f"streams.operator.commands.{module}"), member)
        parent = _typer()
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=name, cls=Group)
        else:
            parent.command(name)(found)
        parent.callback()(lambda: None)  # else a single command would be the parent itself
        command = get_command(parent).commands[name]  # type: ignore[attr-defined]  # with a callback it is a group
        _refuse_odd_bytes(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(SUBCOMMANDS)

    def __len__(self) -> int:
        return len(SUBCOMMANDS)


def _refuse_odd_bytes(command: Any) -> None:  # noqa: ANN401  # of typer's own click
    """Have a command, and those below it, end with 2 at text that is no UTF-8: no id, name or URL that we know is.

    Names of files stay as they are; they may be of any bytes.
    """
    for below in getattr(command, "commands", {}).values():
        _refuse_odd_bytes(below)
    call = command.callback
    if call is None:
        return

    def checked(**given: Any) -> Any:  # noqa: ANN401  # any command's
        for parameter in command.params:
            value = given.get(parameter.name)
            for text in value if isinstance(value, list | tuple) else (value,):
                # Python gives bytes that are no UTF-8 as halves of surrogate pairs.
                if isinstance(text, str) and not is_text(text):
                    message = "it is no UTF-8"  # and is not shown: a URL may hold a password
                    raise typer.BadParameter(message, param=parameter)
        return call(**given)

    command.callback = checked


class Group(TyperGroup):
    """A group whose help shows the first paragraph of each command's help, uncut."""

    def lines(self) -> dict[str, str]:
        """Return what is shown of each command."""
        return {
            name: " ".join((command.help or "").partition("\n\n")[0].split())
            for name, command in self.commands.items()
        }

    def format_commands(self, _: Any, formatter: Any) -> None:  # noqa: ANN401  # typer's own click
        """Write them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines().items()))


class _LazyGroup(Group):
    """The group of all commands; its help imports none of them."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # typer's own
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing adds a command to it

    def lines(self) -> dict[str, str]:
        """Return what is shown of each command."""
        return {name: command.help for name, command in SUBCOMMANDS.items()}


def _typer(**options: Any) -> typer.Typer:  # noqa: ANN401  # typer's own
    # Without Rich's boxes: importing Rich takes twice as long as all the rest of `--help`.
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options
    )


app = _typer(
    name="notifier",
    cls=_LazyGroup,
    help="Tells partners the result of a payment, signed, until they acknowledge it.",
    no_args_is_help=True,
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"notifier {version('payment-notifier')}")
        raise typer.Exit


@app.callback()
def prepare(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Patch aiokafka for every command that may make a client of it; speak to a person unless JSON is asked for."""
    del version
    speak_json(value=False)
    leave_out_httpx_command()
    if context.invoked_subcommand == "worker":
        # What is imported and built from here on stays; `SharedServices.start` sees to it.
        gc.disable()
        context.call_on_close(gc.enable)
        leave_out_authorities()
    if context.invoked_subcommand not in _WITHOUT_KAFKA:
        from streams.kafka.patches import patch_clients

        patch_clients()


def main() -> None:
    """Run the command; Ctrl-C ends it with 130, and output that can't be written with 1."""
    # nothing where it is closed
    output = sys.stdout if isinstance(sys.stdout, TextIOWrapper) else None
    if output is not None:
        # what the encoding lacks is escaped, as on standard error
        output.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            if output is not None:
                output.flush()  # here, where it can be said that there is no room
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in {*_NO_ROOM, errno.EPIPE}:
            raise
        if error.errno in _NO_ROOM:
            say(f"fault: seen {error.strerror}, expected room for what is written")
        if output is not None:
            # else Python tries what is left once more at its end, and says so
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        sys.exit(FAULT)
