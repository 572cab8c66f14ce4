"""Payment core under test: a process that writes events at a steady rate until its standard input ends.

Each event goes to the broker once: what was not acknowledged is written down so and never sent again, because it may
stand on the topic all the same. `tests.faults.load` runs it.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from random import Random  # noqa: TID251  # seeded from the command line
from typing import Any, TextIO

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.patches import answer_times
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id
from tests.faults.mix import Planned, mix

logging.disable(logging.CRITICAL)  # a broker that is away is what these tests are about
answer_times.apply()  # aiokafka's own would hold up the load for all of them when one broker hangs

_PATIENCE_MS = 90_000  # an outage of the broker shall delay events, not drop them


class Generator:
    """Writes events and notes what became of each, a line of JSON for each.

    Args:
        bootstrap: the brokers.
        topic: where events go.
        notes: takes the lines.
    """

    def __init__(self, bootstrap: str, topic: str, notes: TextIO) -> None:
        self._bootstrap, self._topic, self._notes = bootstrap, topic, notes
        self._producer: AIOKafkaProducer | None = None
        self._pending: set[asyncio.Task[None]] = set()

    async def send(self, planned: Planned) -> None:
        """Hand an event to the producer; what becomes of it is noted later."""
        future = None
        try:
            producer = await self._usable()
            event = planned.event
            future = await producer.send(self._topic, encode(event), order_id(event).encode())
        except KafkaError:
            self._note(planned, None)
            return
        task = asyncio.create_task(self._follow(planned, future))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Wait for everything that is under way."""
        if self._producer is not None:
            await self._producer.stop()
        if self._pending:
            await asyncio.wait(self._pending)

    async def _follow(self, planned: Planned, future: asyncio.Future[Any]) -> None:
        try:
            stored = await future
        except KafkaError:
            self._note(planned, None)
        else:
            self._note(planned, f"{stored.topic}/{stored.partition}/{stored.offset}")

    def _note(self, planned: Planned, origin: str | None) -> None:
        event = planned.event
        line = {
            "event_id": event["eventId"],
            "order_id": order_id(event),
            "profile": event["profile"],
            "expected": planned.expected,
            "origin": origin,
        }
        self._notes.write(json.dumps(line) + "\n")

    async def _usable(self) -> AIOKafkaProducer:
        # an idempotent producer dies when a broker forgets its sequence
        if self._producer is not None and self._producer._sender.sender_task.done():
            await self._producer.client.close()
            self._producer = None
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                max_batch_size=4 * 1024 * 1024,  # while the broker is away events gather here
                max_request_size=8 * 1024 * 1024,
                request_timeout_ms=_PATIENCE_MS,
            )
            await self._producer.start()
        return self._producer


async def run(options: argparse.Namespace) -> None:
    """Write until standard input ends."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    watching = loop.run_in_executor(None, sys.stdin.buffer.read)
    watching.add_done_callback(lambda _: over.set())
    rng = Random(options.seed)  # noqa: S311  # no secret: the same seed makes the same load
    events = mix(rng, options.partner, options.prefix, options.climbers)
    with open(options.notes, "w", encoding="ascii") as notes:  # noqa: ASYNC230, PTH123  # before the load begins
        generator = Generator(options.bootstrap, options.topic, notes)
        begun, number = time.monotonic(), 0
        while not over.is_set():
            await generator.send(next(events))
            number += 1
            if (ahead := begun + number / options.rate - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            if number == 1:
                sys.stdout.write("writing\n")
                sys.stdout.flush()
        await generator.close()
        seconds = time.monotonic() - begun
    sys.stdout.write(json.dumps({"events": number, "seconds": seconds}) + "\n")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "partner", "prefix", "notes", "seed"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--climbers", type=int, default=0)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
