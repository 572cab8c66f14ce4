"""One worker, many notifications, full speed: `python -m benchmarks.endurance --notifications 1000000`.

Events are written a little ahead of the worker, and what it has settled is deleted from the topics again, so that the
broker's disk stays small. Every few seconds the worker's memory, descriptors, threads, tasks and objects are noted. At the end each
event must have been told, once more for each U, and never again; and nothing of the worker may have grown over the second
half (`benchmarks.flatness`). Exit code 1: something was lost, repeated or not signed, or the worker grew.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from benchmarks.backlog import Mould, number_of, order_of, plain_moulds, write_rounds
from benchmarks.bench import PARTITIONS, Bench, bench
from benchmarks.flatness import LEAST, Sample, trends
from benchmarks.machine import machine
from benchmarks.processes import resources
from benchmarks.receiver import Manner
from benchmarks.receiver_process import Receipts
from benchmarks.run import administration
from benchmarks.systems import NOTIFIER, Running, System, Task
from streams.notification.profiles import TIERS
from streams.sandbox.client import create_topic
from streams.sandbox.interrupts import ended_by_signals
from streams.sandbox.keys import PARTNERS

RESULTS: Final = Path(__file__).parents[1] / "build" / "endurance" / "endurance.json"
MANNER: Final = Manner(unknown_of_1000=20, refused_of_1000=5)
"""So that retries wait on a tier and dead letters are written all the time, and most is delivered at once."""

_AHEAD = 20_000
"""Events written and not yet told: more than lanes hold, so that the worker never waits for one."""
_ROUNDS = 100
_IN_FLIGHT = 256
_LOOK_EVERY_SECONDS = 1.0
_TIDY_EVERY_SECONDS = 10.0
_PATIENCE_SECONDS = 180.0
_SMALL_DISK: Final = {
    "log.segment.bytes": str(8 * 2**20),
    "log.retention.check.interval.ms": "5000",
    "log.segment.delete.delay.ms": "1000",
}
_INSIDE: Final = Path(__file__).parent / "inside"


@dataclass(slots=True)
class Told:
    """What reached the receiver, by order number.

    Attributes:
        calls: how often each was told, 255 at most.
        ended: which were answered S or F.
        requests: all of them.
        wrongly_signed: how many of them.
    """

    count: int
    calls: bytearray = field(init=False)
    ended: bytearray = field(init=False)
    requests: int = 0
    wrongly_signed: int = 0

    def __post_init__(self) -> None:
        self.calls, self.ended = bytearray(self.count), bytearray(self.count)

    def take(self, receipts: Receipts) -> None:
        """Note what came."""
        self.requests += len(receipts.all)
        self.wrongly_signed += receipts.wrongly_signed
        for receipt in receipts.all:
            number = number_of(receipt.order)
            self.calls[number] = min(self.calls[number] + 1, 255)
            if receipt.answer != "U":
                self.ended[number] = 1

    @property
    def left(self) -> int:
        """How many have not ended."""
        return self.count - sum(self.ended)

    def repeats(self, manner: Manner) -> int:
        """Return how many requests were more than each order's answers ask for."""
        return sum(
            max(calls - (2 if manner.answer(order_of(number), 1) == "U" else 1), 0)
            for number, calls in enumerate(self.calls)
        )

    def refused(self, manner: Manner) -> int:
        """Return how many orders are refused for good, and must stand on the dead-letter topic."""
        return sum(manner.answer(order_of(number), 1) == "F" for number in range(self.count))


@dataclass(frozen=True, slots=True)
class Topics:
    """What stands on topics, and what groups have committed of it."""

    admin: AIOKafkaAdminClient
    reader: AIOKafkaConsumer

    @classmethod
    async def of(cls, admin: AIOKafkaAdminClient, bootstrap: str) -> "Topics":
        """Open it."""
        reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
        await reader.start()
        return cls(admin, reader)

    async def close(self) -> None:
        """Close what was opened here."""
        await self.reader.stop()

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Return the end of each partition that ever had a record."""
        tags = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return {tag: end for tag, end in (await self.reader.end_offsets(tags)).items() if end}

    async def committed(self, group: str, topic: str) -> dict[TopicPartition, int]:
        """Return what a group has committed of a topic, where it is more than the beginning."""
        found = await self.admin.list_consumer_group_offsets(group)
        return {
            tag: meta.offset
            for tag, meta in found.items()
            if tag.topic == topic and meta.offset > 0
        }

    async def delete_below(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Delete the records before these offsets."""
        await self.admin.delete_records(
            {tag: RecordsToDelete(offset) for tag, offset in offsets.items()}
        )


class Endurance:
    """One run.

    Args:
        here: a broker and a receiver.
        count: events, a multiple of the partitions.
    """

    def __init__(self, here: Bench, count: int) -> None:
        self._here = here
        self._told = Told(count)
        self._samples: list[Sample] = []
        self._machine = machine()
        self._counts_file = here.directory / "counts"
        names = {name: profile for profile, name in PARTNERS.items()}
        self._system = System(NOTIFIER)
        self._task = Task(
            bootstrap=here.broker.bootstrap,
            topic="endurance-final",
            name="endurance",
            keys=here.keys,
            partners_file=here.partners_file(_IN_FLIGHT, names),
            directory=here.directory,
            in_flight=_IN_FLIGHT,
            settings={
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(_INSIDE), os.environ.get("PYTHONPATH", "")))
                ),
                "COUNTS_INTO": str(self._counts_file),
            },
        )

    async def run(self) -> dict[str, Any]:
        """Send everything, and return what was found.

        Raises:
            RuntimeError: the worker ended by itself, or nothing more came.
        """
        await create_topic(self._here.broker.bootstrap, self._task.topic, PARTITIONS)
        async with administration(self._here.broker.bootstrap) as admin:
            await self._task.create_topics(admin, self._system)
            topics = await Topics.of(admin, self._here.broker.bootstrap)
            try:
                self._here.receiver.begin(MANNER)
                with Running(self._system, self._task) as running:
                    seconds = await self._deliver(topics, running)
                    await self._all_settled(topics, running)
                    (code,) = await asyncio.to_thread(running.stop)
                letters = sum((await topics.ends(self._task.names.dead_letter)).values())
            finally:
                await topics.close()
        told = self._told
        return {
            "notifications": told.count,
            "seconds": round(seconds, 1),
            "requests": told.requests,
            "lost": told.left,
            "repeats": told.repeats(MANNER),
            "wrongly_signed": told.wrongly_signed,
            "dead_letters": letters,
            "refused": told.refused(MANNER),
            "exit_code": code,
            "samples": [asdict(sample) for sample in self._samples],
            "machine": self._machine,
        }

    async def _deliver(self, topics: Topics, running: Running) -> float:
        """Write events and note samples until everything has ended; return how many seconds that took from the first."""
        told, moulds = self._told, plain_moulds(self._here.url)
        producer = AIOKafkaProducer(
            bootstrap_servers=self._here.broker.bootstrap, acks="all", enable_idempotence=True
        )
        written, began = 0, 0.0
        progress = tidied = time.monotonic()
        await producer.start()
        try:
            while left := told.left:
                running.must_run()
                ended = told.count - left
                while written < told.count and written - ended < _AHEAD:
                    written = await self._write(producer, moulds, written)
                before = told.requests
                told.take(await asyncio.to_thread(self._here.receiver.drain))
                now = time.monotonic()
                if told.requests > before:
                    began, progress = began or now, now
                    self._samples.append(self._sample(running, now - began))
                elif now - progress > _PATIENCE_SECONDS:
                    message = f"{left} of {told.count} events have not ended, and nothing came for {_PATIENCE_SECONDS:g} s"
                    raise RuntimeError(message)
                if self._samples and now - tidied > _TIDY_EVERY_SECONDS:
                    tidied = now
                    await self._tidy(topics)
                    say(
                        f"{ended:,} of {told.count:,} after {now - began:.0f} s: {self._samples[-1]}"
                    )
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        finally:
            await producer.stop()
        return time.monotonic() - began

    async def _write(self, producer: AIOKafkaProducer, moulds: list[Mould], written: int) -> int:
        first = written // PARTITIONS
        last = min(first + _ROUNDS, self._told.count // PARTITIONS)
        await write_rounds(producer, self._task.topic, moulds, range(first, last), PARTITIONS)
        return last * PARTITIONS

    def _sample(self, running: Running, seconds: float) -> Sample:
        (pid,) = running.pids
        tasks, blocks = map(int, self._counts_file.read_text("ascii").split())
        return Sample(round(seconds, 1), self._told.requests, *resources(pid), tasks, blocks)

    async def _tidy(self, topics: Topics) -> None:
        """Delete what is settled of the events, and the attempts records: all but a little of what fills the disk."""
        settled = await topics.committed(self._task.name, self._task.topic)
        await topics.delete_below(settled | await topics.ends(self._task.names.attempts))

    async def _all_settled(self, topics: Topics, running: Running) -> None:
        """Return when both groups have committed everything that they read."""
        groups = {self._task.topic: self._task.name}
        groups |= {self._task.names.tier(wait): f"{self._task.name}-retry" for wait in TIERS}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for topic, group in groups.items():
            ends = await topics.ends(topic)
            while (settled := await topics.committed(group, topic)) != ends:
                running.must_run()
                if time.monotonic() > deadline:
                    message = f"{topic}: {group} has committed {settled}, and the ends are {ends}"
                    raise RuntimeError(message)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)


def faults(found: dict[str, Any]) -> list[str]:
    """Return what must not be, one sentence each."""
    said = [
        f"{found[name]:,} {what}"
        for name, what in (
            ("lost", "notifications never came to their end"),
            ("repeats", "requests were repeated, and nothing broke"),
            ("wrongly_signed", "requests had no valid signature"),
            ("exit_code", "is the exit code of the worker, expected 0"),
        )
        if found[name]
    ]
    if found["dead_letters"] != found["refused"]:
        said.append(f"{found['dead_letters']:,} dead letters, expected {found['refused']:,}")
    if found["notifications"] >= LEAST:
        for name, trend in trends([Sample(**sample) for sample in found["samples"]]).items():
            if not trend.flat:
                said.append(
                    f"{name}: grew by {trend.growth:.1f} over the second half, expected {trend.may_grow:g} at most"
                )
    return said


def say(text: str) -> None:
    """Print a line of progress."""
    sys.stdout.write(f"[endure] {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run it, keep what was found for `benchmarks.endurance_report`, and say what must not be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--notifications", type=int, default=1_000_000)
    count = parser.parse_args().notifications // PARTITIONS * PARTITIONS
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # of topics that are a moment old
    # else a run that ends without figures, as one that loses something does, leaves those of an earlier one
    RESULTS.unlink(missing_ok=True)
    try:
        with ended_by_signals(), bench(_SMALL_DISK) as here:
            found = asyncio.run(Endurance(here, count).run())
    except RuntimeError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found), "utf-8")
    said = faults(found)
    say(f"{count:,} notifications in {found['seconds']:.0f} s: {', '.join(said) or 'all is well'}")
    if count < LEAST:
        say(f"whether it grows is judged from {LEAST:,} notifications on: lanes fill up before")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
