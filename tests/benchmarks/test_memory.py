"""Where the memory of a process is, from what Linux says of its mappings."""

from benchmarks.memory import Moment, table
from benchmarks.processes import resident_by_kind

SMAPS = """\
55d0c0a00000-55d0c0a01000 r-xp 00000000 fe:00 123456                     /usr/bin/python3.11
Size:               4096 kB
Rss:                2048 kB
Pss:                  10 kB
55d0c1a00000-55d0c1b00000 rw-p 00000000 00:00 0                          [heap]
Rss:                3072 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Rss:                1024 kB
7f0000200000-7f0000300000 r--p 00001000 fe:00 99                         /lib/a name (deleted)
Rss:                1024 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                 512 kB
VmFlags: rd wr mr mw me gd ac
"""


def test_mappings_are_summed_up_by_kind():
    """Files, the heap of malloc, and all else."""
    assert resident_by_kind(SMAPS) == {"file": 3.0, "heap": 3.0, "other": 1.5}


def test_the_table_has_a_column_for_each_moment():
    """The sum beside the peak: what was freed again between two looks is in the peak only."""
    rows = list(table([Moment("ready", {"file": 3.0, "heap": 3.0, "other": 2.0}, 9.0)]))
    assert rows[0] == "| Resident, MiB | ready |"
    assert rows[-2:] == ["| all of it | 8 |", "| highest so far | 9 |"]
