"""An open load: events at a fixed rate, whatever becomes of them. Event i is due at begin + i / rate.

A process of its own; says when it begins and, at its end, how far it fell behind its own plan.
"""

import argparse
import asyncio
import json
import pickle
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.backlog import Mould, order_of

_TICK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written.

    Attributes:
        bootstrap: the brokers.
        topic: where, record i to partition i modulo `partitions`.
        moulds: the events, without their ids.
        first: the number of the first order, a multiple of `partitions`.
        per_second: the rate.
        seconds: how long.
    """

    bootstrap: str
    topic: str
    partitions: int
    moulds: list[Mould]
    first: int
    per_second: float
    seconds: float

    @property
    def count(self) -> int:
        """How many events."""
        return round(self.per_second * self.seconds)

    def due_ns(self, number: int, began_ns: int) -> int:
        """Return when an order is due, for a begin at this moment."""
        return began_ns + round((number - self.first) * 1e9 / self.per_second)


async def generate(plan: Plan) -> None:
    """Write a plan's events when they are due."""
    producer = AIOKafkaProducer(
        bootstrap_servers=plan.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        began = time.monotonic_ns()
        _say({"began_ns": began})
        number, end, worst = plan.first, plan.first + plan.count, 0
        while number < end:
            now = time.monotonic_ns()
            while number < end and (due := plan.due_ns(number, began)) <= now:
                order = order_of(number)
                value = plan.moulds[number % len(plan.moulds)].cast(order)
                await producer.send(plan.topic, value, order, partition=number % plan.partitions)
                worst = max(worst, time.monotonic_ns() - due)
                number += 1
            await asyncio.sleep(_TICK_SECONDS)
        await producer.flush()
        _say({"behind_ms": worst / 1e6})
    finally:
        await producer.stop()


def _say(answer: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Follow the plan in a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator")
    parser.add_argument("plan", type=Path, help="a pickled Plan, written by our own parent")
    plan: Plan = pickle.loads(parser.parse_args().plan.read_bytes())  # noqa: S301  # our own parent's
    uvloop.run(generate(plan))


if __name__ == "__main__":
    main()
