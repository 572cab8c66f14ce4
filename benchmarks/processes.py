"""What a process used, as Linux counts it: CPU of all its threads, its highest memory."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)")
"""The first line of a mapping in /proc/PID/smaps, with its name; those that follow are `Name: value`."""


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
    """Return the highest resident set of a process so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    message = f"process {pid} has no VmHWM line: has it ended?"
    raise RuntimeError(message)


def resident_mb(pid: int) -> dict[str, float]:
    """Return the resident MiB of a process by kind of mapping: of a file, the heap, or other (see `resident_by_kind`)."""
    return resident_by_kind(Path(f"/proc/{pid}/smaps").read_text("utf-8", "replace"))


def resident_by_kind(smaps: str) -> dict[str, float]:
    """Sum up the text of /proc/PID/smaps.

    Files are programs and libraries, whose pages processes share. The heap is what malloc hands out, but for its largest
    blocks. The rest holds Python's small objects, which have pages of their own, and the threads' stacks.
    """
    found: defaultdict[str, float] = defaultdict(float)
    kind = "other"
    for line in smaps.splitlines():
        if mapping := _MAPPING.fullmatch(line):
            name = mapping[1]
            kind = "file" if name.startswith("/") else "heap" if name == "[heap]" else "other"
        elif line.startswith("Rss:"):
            found[kind] += int(line.split()[1]) / 1024
    return dict(found)
