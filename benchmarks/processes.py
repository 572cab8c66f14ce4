"""What a process used, as Linux counts it: CPU of all its threads, its highest memory."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that processes have used, user and system, all threads."""
    return sum(_cpu_ticks(pid) for pid in pids) / _TICKS


def _cpu_ticks(pid: int) -> int:
    # the name in parentheses may hold blanks; user and system time are the 14th and 15th of all fields
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resources(pid: int) -> tuple[int, int, int]:
    """Return the resident set in bytes, the open descriptors and the threads of a process."""
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    )
    memory = int(status["VmRSS"].split()[0]) * 1024
    return memory, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])  # noqa: PTH208  # names only, of a folder that changes


def peak_memory_mb(pid: int) -> float:
    """Return the highest resident set of a process so far, in MB of 2**20 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    message = f"process {pid} has no VmHWM line: has it ended?"
    raise RuntimeError(message)
