"""Measures what an operator waits for, on topics as they are after a month of many payments: `make measure-operator`.

CPU is that of the command's process, so that a busy machine changes little of it.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.large_topics import ASKED, PARTITIONS, fill, order_of
from streams.clock import Clock
from streams.kafka.patches import patch_clients
from streams.kafka.topics import TopicNames
from streams.notification.profiles import TIERS
from streams.sandbox.broker import Broker
from streams.sandbox.keys import make_keys

_PREFIX: Final = "pn"
_SOURCE: Final = "payment-final-state"
_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True)
class Measure:
    """What a command used.

    Attributes:
        what: the question.
        cpu_seconds: user and system.
        seconds: by the clock.
        first_seconds: until it said anything.
        memory_mb: the highest resident set, in MiB.
        code: its exit code.
    """

    what: str
    cpu_seconds: float
    seconds: float
    first_seconds: float
    memory_mb: float
    code: int


def measure(what: str, arguments: Sequence[str], environment: dict[str, str]) -> Measure:
    """Run `notifier` with these arguments."""
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", "from streams.cli import main; main()", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None  # noqa: S101  # a pipe was asked for
        os.read(process.stdout.fileno(), 1)
        first = time.monotonic() - began
        while os.read(process.stdout.fileno(), 1 << 20):
            pass
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Measure(
        what,
        used.ru_utime + used.ru_stime,
        time.monotonic() - began,
        first,
        used.ru_maxrss / 1024,
        process.returncode,
    )


def _write_partners(folder: Path) -> Path:
    """Write a partners file with the partner whose dead letters are asked for."""
    key = make_keys(folder).sender.private
    entry: dict[str, Any] = {
        "profiles": ["mpp-to-alipay-plus"],
        "client_id": "C",
        "private_key_file": str(key),
    }
    entry |= {
        "notify_url": "https://partner-7.example.com/notify",
        "require_signed_response": False,
    }
    path = folder / "partners.yaml"
    path.write_text(json.dumps({"partners": {"partner-7": entry}}), "utf-8")
    return path


async def _make_topics(bootstrap: str, names: TopicNames) -> None:
    topics = [_SOURCE, names.attempts, names.dead_letter, names.replay, *map(names.tier, TIERS)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        # With the writer's times, or all would be of today; kept whatever the times are.
        config = {"retention.ms": "-1"}
        await admin.create_topics(
            [NewTopic(name, PARTITIONS, 1, topic_configs=config) for name in topics]
        )
    finally:
        await admin.close()


def questions() -> list[tuple[str, list[str]]]:
    """Return what is asked, each with the arguments of the command."""
    return [
        ("`notifier --help`", ["--help"]),
        ("`notifier --version`", ["--version"]),
        *((f"`why`, {name} order", ["why", order_of(name), "--json"]) for name in ASKED),
        ("`why`, unknown order", ["why", "no-such-order", "--json"]),
        ("`undelivered`, 30 days", ["undelivered", "--partner", "partner-7", "--since", "31d", "--csv"]),
        ("`dead-letters list`", ["dead-letters", "list"]),
        ("`dead-letters replay`, dry run", ["dead-letters", "replay", "--partner", "partner-7"]),
    ]  # fmt: skip


def table(measures: Sequence[Measure]) -> str:
    """Return the figures as Markdown."""
    lines = ["| Question | CPU | First output | Memory |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {m.what} | {m.cpu_seconds:.2f} s | {m.first_seconds:.1f} s | {m.memory_mb:.0f} MiB |"
        for m in measures
    ]
    return "\n".join(lines)


def main() -> None:
    """Make the data, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=10_000_000)
    parser.add_argument("--letters", type=int, default=200_000)
    arguments = parser.parse_args()
    patch_clients()
    # the producer's own log of topics that are a moment old
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    names = TopicNames(_PREFIX)
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        began = time.monotonic()
        asyncio.run(_make_topics(broker.bootstrap, names))
        asyncio.run(
            fill(
                broker.bootstrap,
                names=names,
                source=_SOURCE,
                attempts=arguments.attempts,
                letters=arguments.letters,
                now_ms=Clock().now_ms(),
            )
        )
        print(
            f"{arguments.attempts:,} attempts and {arguments.letters:,} dead letters in {PARTITIONS} partitions,"
            f" written in {time.monotonic() - began:.0f} s\n",
            flush=True,
        )
        partners = _write_partners(Path(folder))
        environment = os.environ | {
            "NOTIFIER_BROKERS": broker.bootstrap,
            "NOTIFIER_TOPIC_PREFIX": _PREFIX,
            "NOTIFIER_SOURCE_TOPICS": _SOURCE,
            "NOTIFIER_PARTNERS_FILE": str(partners),
        }
        measures = []
        for what, command in questions():
            measures.append(measure(what, command, environment))
            print(measures[-1], flush=True)
        print()
        print(table(measures))


if __name__ == "__main__":
    main()
