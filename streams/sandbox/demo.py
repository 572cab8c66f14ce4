"""The main job, once, on this machine: a real broker, a partner, the worker, some hundred payments, all accounted for.

`python -m streams.sandbox.demo --help`; `make demo` and `notifier demo` run it.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251  # seeded from the command line

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from streams.clock import Clock
from streams.notification.profiles import PROFILES
from streams.sandbox.broker import Broker, BrokerError
from streams.sandbox.client import create_topic
from streams.sandbox.demo_progress import Progress
from streams.sandbox.demo_result import result_tables
from streams.sandbox.demo_script import Planned, moment, plan, write_partners
from streams.sandbox.demo_worker import (
    NotifierError,
    Worker,
    free_port,
    run_command,
    settings,
)
from streams.sandbox.kafka_jars import JarsError
from streams.sandbox.keys import make_keys
from streams.sandbox.ledger import Ledger, Produced, Report
from streams.sandbox.ledger_evidence import (
    committed_offsets,
    monotonic_zero_ms,
    read_topics,
    reading,
    topics_with_prefix,
    write_records,
)
from streams.sandbox.partner import PartnerError
from streams.sandbox.partner_process import PartnerProcess

SCALE = 0.0005
"""Of every wait: a day becomes 43 s, so the longest ladder and its time-outs fit in a minute."""

_SOURCE = "payment-final-state"
_PREFIX = "payment-notification"
_GROUP = "payment-notifier"
_PARTITIONS = 4
_LINE_EVERY_SECONDS = 5.0
_COMMIT_SECONDS = 15.0
_REPEATS_ALLOWED = 1  # delivery is at least once: a machine that stalls for seconds may cause one
_PLAIN_WIDTH = 100
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs."""

    brokers: str
    partner: PartnerProcess
    worker: Worker


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
        with _ended_as_by_ctrl_c(signal.SIGTERM, signal.SIGHUP), ExitStack() as stack:
            rng = Random(seed)  # noqa: S311  # no secret: the same seed plays the same demo
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
            parts = _set_up(directory, stack, scale, console)
            events = plan(payments, rng, parts.partner.url, moment(Clock().now_seconds()))
            _say(
                console,
                f"\n{payments} payments become final, and {len(events) - payments} events are invalid. Every wait is "
                f"scaled by {scale:g}: 1 h is {3600 * scale:g} s.",
            )
            produced, complete = asyncio.run(_work(parts, events, time_limit_seconds, console))
            if not keep:
                parts.worker.stop()
            report = asyncio.run(_account(parts, produced, scale))
            console.print(result_tables(report))
            code = _conclude(report, complete, time_limit_seconds, console)
            if keep:
                _keep(parts, directory, console)
            return code
    except KeyboardInterrupt:
        _say(console, "stopped; nothing is left running")
        return _INTERRUPTED
    except (BrokerError, JarsError, PartnerError, NotifierError, KafkaError) as error:
        _say(console, f"the demo failed: {error}", "red")
        return 1


def _set_up(directory: Path, stack: ExitStack, scale: float, console: Console) -> _Parts:
    started = time.monotonic()

    def say(what: str) -> None:
        _say(console, f"{time.monotonic() - started:5.1f} s: {what}")

    say("starting Apache Kafka, a real single node; the first time on a machine fetches its jars")
    brokers = stack.enter_context(Broker(directory)).bootstrap
    say("starting a partner that speaks HTTPS for all five profiles and checks every signature")
    keys = make_keys(directory / "keys")
    partner = stack.enter_context(PartnerProcess(keys))
    port = free_port()
    environment = settings(
        brokers=brokers,
        source_topics=_SOURCE,
        topic_prefix=_PREFIX,
        group_id=_GROUP,
        topic_partitions=str(_PARTITIONS),
        partners_file=str(write_partners(directory, partner.url, keys)),
        egress_allow="127.0.0.0/8",
        ladder_scale=f"{scale:.12f}",
        web_port=str(port),
        web_bind="127.0.0.1",
    )
    say("notifier topics create")
    asyncio.run(create_topic(brokers, _SOURCE, _PARTITIONS))
    run_command(["topics", "create"], environment, directory / "topics.log")
    say("notifier worker")
    worker = stack.enter_context(Worker(environment, directory / "worker.log", port))
    worker.wait_until_ready()
    say("the worker is ready")
    return _Parts(brokers, partner, worker)


async def _work(
    parts: _Parts, events: Sequence[Planned], time_limit_seconds: float, console: Console
) -> tuple[list[Produced], bool]:
    """Produce the events and follow them; return what was produced, and whether all came to their final place in time."""
    progress, clock, started = Progress(_SOURCE, _PREFIX), Clock(), time.monotonic()
    writing = asyncio.create_task(
        write_records(parts.brokers, _SOURCE, [(event.key, event.value) for event in events])
    )
    topics = [_SOURCE, f"{_PREFIX}-attempts", f"{_PREFIX}-dead-letter"]
    said = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        async with reading(parts.brokers, topics) as reader:
            elapsed = 0.0
            while elapsed < time_limit_seconds and progress.settled < len(events):
                progress.take(await reader.more())
                parts.worker.check()
                if writing.done():
                    writing.result()
                elapsed = time.monotonic() - started
                now = (elapsed, clock.now_ms(), len(parts.partner.requests))
                if console.is_terminal:
                    live.update(progress.table(*now), refresh=True)
                elif elapsed - said >= _LINE_EVERY_SECONDS or progress.settled >= len(events):
                    said = elapsed
                    _say(console, progress.line(*now))
    origins = await writing
    produced = [
        Produced(origin, event.profile, event.order_id, event.expected)
        for origin, event in zip(origins, events, strict=True)
    ]
    return produced, progress.settled >= len(events)


async def _account(parts: _Parts, produced: Sequence[Produced], scale: float) -> Report:
    names = [_SOURCE, *await topics_with_prefix(parts.brokers, _PREFIX)]
    kept = await read_topics(parts.brokers, names)
    ends = {(record.topic, record.partition): record.offset + 1 for record in kept}
    ends = {tag: end for tag, end in ends.items() if not tag[0].endswith(_READ_BY_NOBODY)}
    deadline = time.monotonic() + _COMMIT_SECONDS
    while True:  # a worker that runs commits a moment after it has settled
        committed = await committed_offsets(parts.brokers, [_GROUP, f"{_GROUP}-retry"])
        if all(committed.get(tag, 0) >= end for tag, end in ends.items()):
            break
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    return Ledger(
        prefix=_PREFIX,
        produced=produced,
        requests=parts.partner.requests,
        kept=kept,
        committed=committed,
        scale=scale,
        monotonic_zero_ms=monotonic_zero_ms(),
        repeats_allowed=_REPEATS_ALLOWED,
    ).reconcile()


_READ_BY_NOBODY = ("-attempts", "-dead-letter")


def _conclude(report: Report, complete: bool, limit_seconds: float, console: Console) -> int:  # noqa: FBT001  # private
    if not complete:
        _say(
            console,
            f"\nNot everything came to its final place within {limit_seconds:g} s. A busy machine may need more: "
            "--time-limit SECONDS",
            "red",
        )
    if report.faults:
        _say(console, f"\n{len(report.faults)} faults, listed above.", "bold red")
        return 1
    if not complete:
        return 1
    _say(
        console,
        f"\nAll {len(report.accounts)} events of {len(PROFILES)} profiles are accounted for: each in exactly one place, "
        "each body the same on every attempt, each request freshly signed, no attempt early.",
        "bold green",
    )
    _say(
        console,
        "Next: README.md says how to connect a payment core; `notifier sandbox` runs this broker and partner for your "
        "own trials; `notifier ladder` shows the waits as they are without the scale.",
    )
    return 0


def _keep(parts: _Parts, directory: Path, console: Console) -> None:
    _say(
        console,
        "\nEverything keeps running until Ctrl-C:\n"
        f"  brokers   {parts.brokers}\n"
        f"  metrics   {parts.worker.url}/metrics\n"
        f"  health    {parts.worker.url}/health/ready\n"
        f"  partner   {parts.partner.url}\n"
        f"  files     {directory} (partners.yaml, keys, worker.log)",
    )
    never = threading.Event()
    while not never.wait(1):
        parts.worker.check()


@contextmanager
def _ended_as_by_ctrl_c(*numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def _say(console: Console, text: str, style: str = "") -> None:
    # not through markup, and never wrapped: a line that a program reads stays one
    console.print(Text(text, style), soft_wrap=True)


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
