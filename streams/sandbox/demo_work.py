"""The demo's work: payments become final, are followed to their end, and are brought to account."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streams.clock import Clock
from streams.sandbox.demo_progress import DemoProgress
from streams.sandbox.demo_script import Planned
from streams.sandbox.demo_worker import Worker
from streams.sandbox.ledger import Ledger, Produced, Reconciliation
from streams.sandbox.ledger_evidence import (
    monotonic_zero_ms,
    read_topics,
    reading,
    settled_offsets,
    topics_with_prefix,
    write_records,
)
from streams.sandbox.partner_process import PartnerProcess

SOURCE = "payment-final-state"
PREFIX = "payment-notification"
GROUP = "payment-notifier"

_LINE_EVERY_SECONDS = 5.0
_COMMIT_SECONDS = 15.0
_REPEATS_ALLOWED = 1  # delivery is at least once: a machine that stalls for seconds may cause one
_READ_BY_NO_GROUP = (f"{PREFIX}-attempts", f"{PREFIX}-dead-letter")


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs."""

    brokers: str
    partner: PartnerProcess
    worker: Worker


async def work(
    parts: Parts, events: Sequence[Planned], time_limit_seconds: float, console: Console
) -> tuple[list[Produced], bool]:
    """Produce the events and follow them until each has its final place or the time is over.

    Returns:
        what was produced, and whether all have their final place.

    Raises:
        NotifierError: the worker ended.
        KafkaError: the broker refused.
    """
    records = [(event.key, event.value) for event in events]
    writing = asyncio.create_task(write_records(parts.brokers, SOURCE, records))
    progress, clock, started, elapsed, shown_at = (
        DemoProgress(SOURCE, PREFIX),
        Clock(),
        time.monotonic(),
        0.0,
        0.0,
    )
    # is_terminal alone won't do: with FORCE_COLOR a file is one, and a dumb one shows no table
    redrawn = console.file.isatty() and not console.is_dumb_terminal
    with (
        Live(console=console, refresh_per_second=8, transient=True) if redrawn else nullcontext()
    ) as live:
        async with reading(parts.brokers, [SOURCE, *_READ_BY_NO_GROUP]) as reader:
            while elapsed < time_limit_seconds and progress.settled < len(events):
                progress.take(await reader.more())
                parts.worker.check()
                if writing.done():
                    writing.result()
                elapsed = time.monotonic() - started
                now = (elapsed, clock.now_ms(), len(parts.partner.requests))
                if live is not None:
                    live.update(progress.table(*now))
                elif elapsed - shown_at >= _LINE_EVERY_SECONDS or progress.settled >= len(events):
                    shown_at = elapsed
                    say(console, progress.line(*now))
    produced = [
        Produced(origin, event.profile, event.order_id, event.expected)
        for origin, event in zip(await writing, events, strict=True)
    ]
    return produced, progress.settled >= len(events)


async def account(
    parts: Parts, produced: Sequence[Produced], scale: float, *, running: bool
) -> Reconciliation:
    """Read every topic to its end and reconcile it with the partner's record.

    Args:
        parts: what runs.
        produced: every event.
        scale: of the waits.
        running: whether the worker still runs, so that its last commits may be on their way.

    Raises:
        KafkaError: the broker refused.
    """
    kept = await read_topics(
        parts.brokers, [SOURCE, *await topics_with_prefix(parts.brokers, PREFIX)]
    )
    read = [record for record in kept if record.topic not in _READ_BY_NO_GROUP]
    groups, patience = [GROUP, f"{GROUP}-retry"], _COMMIT_SECONDS if running else 0.0
    return Ledger(
        prefix=PREFIX,
        produced=produced,
        requests=parts.partner.requests,
        kept=kept,
        committed=await settled_offsets(parts.brokers, groups, read, patience),
        scale=scale,
        monotonic_zero_ms=monotonic_zero_ms(),
        repeats_allowed=_REPEATS_ALLOWED,
    ).reconcile()


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line: not through markup, and never wrapped, so that a line which a program reads stays one."""
    console.print(Text(text, style), soft_wrap=True)
