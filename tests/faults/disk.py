"""A disk that can be filled: a small file system where we may mount one, else a limit on the size of files."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "192m"
_CHUNK_BYTES = 65_536


class Disk:
    """Where a broker may keep its data.

    Attributes:
        directory: on the disk.
        how: in words for the report.
    """

    def __init__(self, directory: Path, *, mounted: bool) -> None:
        self.directory, self._mounted = directory, mounted
        self.how = f"a tmpfs of {_SIZE}" if mounted else "RLIMIT_FSIZE 0"

    def fill(self, pid: int | None) -> None:
        """Leave room for nothing.

        Args:
            pid: the process that writes there, for where the disk can't be filled.
        """
        if not self._mounted:
            assert pid is not None
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
            return
        with self._filler.open("wb", buffering=0) as filler:
            for size in (_CHUNK_BYTES, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:  # no room for this much
                    continue

    def free(self) -> None:
        """Make room again; a limit went with its process."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.directory / "filler"


@contextmanager
def small_disk(parent: Path) -> Iterator[Disk]:
    """Give a disk of its own for a while."""
    directory = parent / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(directory)]
    mounted = not subprocess.run(mount, capture_output=True, check=False).returncode  # noqa: S603
    try:
        yield Disk(directory, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["umount", str(directory)], check=True)  # noqa: S603, S607
