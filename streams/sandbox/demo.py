"""The main job, once, on this machine: a real broker, a partner, the worker, some hundred payments, all accounted for.

`python -m streams.sandbox.demo --help`; `make demo`, by `demo_main.py`, and `notifier demo` run it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random  # noqa: TID251  # seeded from the command line

from aiokafka.errors import KafkaError
from rich.console import Console

from streams.clock import Clock
from streams.interruptible import run_until_interrupted
from streams.notification.profiles import PROFILES
from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic
from streams.sandbox.demo_keep import keep as keep_running
from streams.sandbox.demo_result import result_tables
from streams.sandbox.demo_script import Planned, moment, plan, write_partners
from streams.sandbox.demo_work import GROUP, PREFIX, SOURCE, Parts, account, say, work
from streams.sandbox.demo_worker import (
    NotifierError,
    Worker,
    free_port,
    run_command,
    settings,
)
from streams.sandbox.interrupts import ended_by_signals
from streams.sandbox.kafka_jars import JarsError
from streams.sandbox.keys import make_keys
from streams.sandbox.ledger import FaultKind, Reconciliation
from streams.sandbox.node import BrokerError
from streams.sandbox.partner import PartnerError
from streams.sandbox.partner_process import PartnerProcess

SCALE = 0.0004
"""Of every wait: a day becomes 35 s, so that the longest ladder and its time-outs fit in a minute."""

_PARTITIONS = 4
_PLAIN_WIDTH = 100
_INTERRUPTED = 130


def run_demo(  # noqa: PLR0913  # one argument for each option of the command
    *,
    payments: int = 300,
    scale: float = SCALE,
    time_limit_seconds: float = 180.0,
    keep: bool = False,
    seed: int = 0,
    console: Console | None = None,
) -> int:
    """Set everything up, notify, account for every event, take everything down.

    Args:
        payments: how many become final; some invalid events come on top.
        scale: `NOTIFIER_LADDER_SCALE`.
        time_limit_seconds: for the work, the set-up not counted.
        keep: leave everything running after the result, until Ctrl-C.
        seed: of everything that is drawn at random.
        console: takes the output.

    Returns:
        the exit code: 0 when every event is where it must be, 1 otherwise, 130 after Ctrl-C.
    """
    console = console or _console()
    try:
        with ended_by_signals(), ExitStack() as stack:
            try:
                parts, directory, environment = _set_up(stack, scale, console)
                rng = Random(seed)  # noqa: S311  # no secret: the same seed plays the same demo
                events = plan(payments, rng, parts.partner.url, moment(Clock().now_seconds()))
                say(
                    console,
                    f"\n{payments} payments become final, and {len(events) - payments} events are invalid. "
                    f"Every wait is scaled by {scale:g}: 1 h is {3600 * scale:g} s.",
                )
                code = _run(parts, events, scale, time_limit_seconds, console, keep=keep)
                if keep:
                    keep_running(parts, directory, environment, rng, console)
            except KeyboardInterrupt:
                say(console, "stopping …")
                raise
            return code
    except KeyboardInterrupt:
        say(console, "stopped; nothing is left running")
        return _INTERRUPTED
    except (BrokerError, JarsError, PartnerError, NotifierError, KafkaError) as error:
        say(console, f"the demo failed: {error}", "red")
        return 1


def _set_up(stack: ExitStack, scale: float, console: Console) -> tuple[Parts, Path, dict[str, str]]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
    started = time.monotonic()

    def step(what: str) -> None:
        say(console, f"{time.monotonic() - started:5.1f} s: {what}")

    step("starting Apache Kafka, a real single node; the first time on a machine fetches its jars")
    brokers = stack.enter_context(Broker(directory, remove=[directory])).bootstrap
    step("starting a partner that speaks HTTPS for all profiles and checks every signature")
    keys = make_keys(directory / "keys")
    partner = stack.enter_context(PartnerProcess(keys))
    port = free_port()
    environment = settings(
        brokers=brokers,
        source_topics=SOURCE,
        topic_prefix=PREFIX,
        group_id=GROUP,
        topic_partitions=str(_PARTITIONS),
        partners_file=str(write_partners(directory, partner.url, keys)),
        egress_allow="127.0.0.0/8",
        ladder_scale=f"{scale:.12f}",
        web_port=str(port),
        web_bind="127.0.0.1",
    )
    step("notifier topics create")
    run_until_interrupted(create_topic(brokers, SOURCE, _PARTITIONS))
    run_command(["topics", "create"], environment, directory / "topics.log")
    step("notifier worker")
    worker = stack.enter_context(Worker(environment, directory / "worker.log", port))
    worker.wait_until_ready()
    step("the worker is ready")
    return Parts(brokers, partner, worker), directory, environment


def _run(  # noqa: PLR0913  # the options that matter here
    parts: Parts,
    events: Sequence[Planned],
    scale: float,
    time_limit_seconds: float,
    console: Console,
    *,
    keep: bool,
) -> int:
    produced, complete = run_until_interrupted(work(parts, events, time_limit_seconds, console))
    if not keep:
        parts.worker.stop()
    report = run_until_interrupted(account(parts, produced, scale, running=keep))
    console.print(result_tables(report))
    if not complete:
        say(console, f"\nThe end of the worker's log:\n{parts.worker.log_tail()}")
    return conclude(report, time_limit_seconds, console)


def conclude(report: Reconciliation, limit_seconds: float, console: Console) -> int:
    """Say what the report means and return the exit code."""
    if report.count(FaultKind.WAITING):
        say(
            console,
            f"\nNot every event came to its final place within {limit_seconds:g} s. "
            "A busy machine may need more: make demo DEMO_ARGS='--time-limit SECONDS'",
            "red",
        )
    if report.faults:
        say(console, f"\n{len(report.faults)} faults, listed above", "bold red")
        return 1
    say(
        console,
        f"\nAll {len(report.accounts)} events of {len(PROFILES)} profiles are accounted for: each in exactly one place, "
        "each body the same on every attempt, each request freshly signed, no attempt early.",
        "bold green",
    )
    say(
        console,
        "Next: README.md says how to connect a payment core; `notifier sandbox` runs this broker and partner for your "
        "own trials; `notifier ladder` shows the waits without the scale.",
    )
    return 0


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m streams.sandbox.demo", description=__doc__)
    parser.add_argument("--payments", type=int, default=300, help="how many; 300 unless given")
    parser.add_argument(
        "--scale", type=float, default=SCALE, help=f"of every wait; {SCALE} unless given"
    )
    parser.add_argument(
        "--time-limit", type=float, default=180.0, help="seconds for the work; 180 unless given"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn at random")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    options = parser.parse_args(arguments)
    if options.payments < 1:
        parser.error(f"--payments: seen {options.payments}, expected 1 or more")
    if not 0 < options.scale <= 1:
        parser.error(f"--scale: seen {options.scale:g}, expected above 0, at most 1")
    return run_demo(
        payments=options.payments,
        scale=options.scale,
        time_limit_seconds=options.time_limit,
        keep=options.keep,
        seed=options.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
