"""Runs at the start of a process under test, and does to it from inside what nothing can do from outside.

Each part has a variable of the environment that asks for it:

- `FAULTS_WORKER`: the name of the process, which a worker writes into its attempts records.
- `FAULTS_CLOCK`: a file with two numbers: by how many nanoseconds the wall clock is off, and how often the process has
  read it while it was. The monotonic clock stays right.
- `FAULTS_HARM`: a file that takes the name of a harm; once it is there, the harm is done. See `_HARMS`.
"""

import asyncio
import gc
import mmap
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

_CLOCK = struct.Struct("qq")
_LOOK_EVERY_SECONDS = 0.2


def _step_clock_from(path: str) -> None:
    with open(path, "r+b") as file:  # noqa: PTH123  # before the process has imported anything
        shared = mmap.mmap(file.fileno(), _CLOCK.size)
    real = time.time_ns

    def time_ns() -> int:
        off: int
        off, reads = _CLOCK.unpack_from(shared)
        if off:
            _CLOCK.pack_into(shared, 0, off, reads + 1)
        return real() + off

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9  # noqa: TID251  # here it is made wrong


def _hang(consumer) -> None:
    """The poll comes to a stand: nothing that it waits for happens any more."""

    async def never(*_, **__) -> None:
        await asyncio.Event().wait()

    consumer._fetcher.fetched_records = never


def _lose_coordination(consumer) -> None:
    """The task that keeps the worker in its group ends, as aiokafka's does after an error that it does not expect."""
    consumer._loop.call_soon_threadsafe(consumer._coordinator._coordination_task.cancel)


def _lose_fetches(consumer) -> None:
    """The task that fetches ends, as aiokafka's does after an error that it does not expect: polls return nothing for ever."""
    consumer._loop.call_soon_threadsafe(consumer._fetcher._fetch_task.cancel)


def _leave_group(consumer) -> None:
    """The worker leaves its group and is never let in again: each answer to its wish to join gets lost."""
    coordinator = consumer._coordinator

    async def never(_subscription) -> bool:
        await asyncio.sleep(1)
        return False

    async def leave() -> None:
        await coordinator._maybe_leave_group()
        coordinator._do_rejoin_group = never
        coordinator.reset_generation()

    asyncio.run_coroutine_threadsafe(leave(), consumer._loop)


def _lose_producer(producer) -> None:
    """The task that sends batches ends, as aiokafka's does after an error that it does not expect."""
    producer._loop.call_soon_threadsafe(producer._sender.sender_task.cancel)


def _hold_records(handler) -> None:
    """Each record is handled for ever: what its handler waits for does not happen."""

    async def never(*_, **__) -> None:
        await asyncio.Event().wait()

    type(handler)._settle = never


def _never_commit(consumer) -> None:
    """No commit reaches the broker any more."""

    async def never(_offsets) -> None:
        await asyncio.Event().wait()

    consumer.commit = never


_HARMS = {
    "hang": ("AIOKafkaConsumer", _hang),
    "hold records": ("RecordHandler", _hold_records),
    "lose coordination": ("AIOKafkaConsumer", _lose_coordination),
    "lose fetches": ("AIOKafkaConsumer", _lose_fetches),
    "leave group": ("AIOKafkaConsumer", _leave_group),
    "never commit": ("AIOKafkaConsumer", _never_commit),
    "lose producer": ("AIOKafkaProducer", _lose_producer),
}


def _harm_when_told(path: str) -> None:
    while not (os.path.exists(path) and (name := Path(path).read_text("ascii"))):  # noqa: PTH110
        time.sleep(_LOOK_EVERY_SECONDS)
    kind, harm = _HARMS[name]
    gc.unfreeze()  # the worker freezes what it is made of, which hides it
    victims = [
        found
        for found in gc.get_objects()
        if any(base.__name__ == kind for base in type(found).__mro__)
    ]
    for victim in victims:
        harm(victim)
    sys.stderr.write(f"harm done: {name}\n" if victims else f"no {kind} to harm was found\n")


if "FAULTS_WORKER" in os.environ:
    socket.gethostname = lambda: os.environ["FAULTS_WORKER"]
if "FAULTS_CLOCK" in os.environ:
    _step_clock_from(os.environ["FAULTS_CLOCK"])
if "FAULTS_HARM" in os.environ:
    threading.Thread(target=_harm_when_told, args=(os.environ["FAULTS_HARM"],), daemon=True).start()
