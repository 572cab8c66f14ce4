"""Runs at the start of a process under test: its wall clock can be stepped from outside, its monotonic one cannot.

The file that `FAULTS_CLOCK` names holds two numbers: by how many nanoseconds the wall clock is off, and how often the
process has read it while it was.
"""

import mmap
import os
import struct
import time

_FORMAT = struct.Struct("qq")


def _step_from(path: str) -> None:
    with open(path, "r+b") as file:  # noqa: PTH123  # before the process has imported anything
        shared = mmap.mmap(file.fileno(), _FORMAT.size)
    real = time.time_ns

    def time_ns() -> int:
        off: int
        off, reads = _FORMAT.unpack_from(shared)
        if off:
            _FORMAT.pack_into(shared, 0, off, reads + 1)
        return real() + off

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9  # noqa: TID251  # here it is made wrong


if "FAULTS_CLOCK" in os.environ:
    _step_from(os.environ["FAULTS_CLOCK"])
