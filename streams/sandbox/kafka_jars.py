"""The jars of the rehearsal broker: fetched once with jgo, checked against a committed list, kept in the user's cache.

There is a list for each version of Kafka that the notifier is tested with. `python -m streams.sandbox.kafka_jars 4.3.1`
resolves that version anew and writes its list; nothing else resolves anything, so every machine runs the same bytes,
with or without Maven.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from jgo.maven import MavenContext

VERSION = "4.3.1"
"""Of the broker, unless another one is asked for."""

KAFKA = "org.apache.kafka:kafka_2.13:jar"
LOGGING = "org.slf4j:slf4j-simple:jar:1.7.36"
"""Kafka logs through slf4j; this binding writes to standard error and needs no file."""

_LISTS = files("streams.sandbox").joinpath("jars")
_TIMEOUT_SECONDS = 15
"""How long a server may be silent."""
_TRIES = 3
_AT_ONCE = 4


class JarsError(Exception):
    """The jars could not be fetched or are not what the list says."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list.

    Attributes:
        sha256: in hexadecimal.
        path: its path in a Maven repository: group, artifact, version, file.
    """

    sha256: str
    path: PurePosixPath

    def is_at(self, path: Path) -> bool:
        """Tell whether the file holds exactly this jar."""
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False

    def fetch(self, context: "MavenContext") -> Path:
        """Download it into the context's repository cache."""
        *group, artifact, version, _ = self.path.parts
        return context.project(".".join(group), artifact).at_version(version).artifact().resolve()


def versions() -> tuple[str, ...]:
    """Return the versions of Kafka that have a list, ascending."""
    names = (file.name.removeprefix("kafka-").removesuffix(".sha256") for file in _LISTS.iterdir())
    return tuple(sorted(names, key=lambda version: [int(part) for part in version.split(".")]))


def _list_name(version: str) -> str:
    return f"kafka-{version}.sha256"


def listed(version: str = VERSION) -> tuple[Jar, ...]:
    """Read the committed list of a version.

    Raises:
        JarsError: there is none.
    """
    try:
        lines = _LISTS.joinpath(_list_name(version)).read_text("ascii").splitlines()
    except FileNotFoundError:
        message = (
            f"Kafka {version}: expected a version with a list of jars: {', '.join(versions())}"
        )
        raise JarsError(message) from None
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return tuple(Jar(sha256, PurePosixPath(path)) for sha256, path in pairs)


def cache_directory() -> Path:
    """Return where downloads are kept: `$XDG_CACHE_HOME/payment-notifier`, by default below `~/.cache`.

    Raises:
        JarsError: XDG_CACHE_HOME is not set, and nobody knows the user's home.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "payment-notifier"  # noqa: PTH117  # the XDG rule: relative is ignored
    except RuntimeError as exc:
        message = f"no place for downloads ({exc}): set XDG_CACHE_HOME to a directory of your own"
        raise JarsError(message) from exc


def jar_directory(version: str = VERSION) -> Path:
    """Return a directory that holds the listed jars and nothing else, fetching what is missing or damaged.

    Two processes may call this at once: one fetches, the other waits and uses the result.

    Args:
        version: of Kafka, one of `versions()`.

    Raises:
        JarsError: there is no list, a download failed, a jar is not the listed one, or they can't be kept.
    """
    jars = listed(version)
    print_of_list = hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()[:12]
    directory = cache_directory() / f"kafka-{version}-{print_of_list}"
    try:
        if _missing(jars, directory):
            directory.mkdir(parents=True, exist_ok=True)
            with _only_one(directory.with_name(directory.name + ".lock")):
                _fetch(_missing(jars, directory), directory, version)
    except OSError as exc:
        message = f"could not keep Kafka's jars in {directory} ({exc}): set XDG_CACHE_HOME to a directory that can be written"
        raise JarsError(message) from exc
    return directory


def _missing(jars: tuple[Jar, ...], directory: Path) -> tuple[Jar, ...]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # hashing releases the GIL
        are_whole = pool.map(lambda jar: jar.is_at(directory / jar.path.name), jars)
        return tuple(jar for jar, good in zip(jars, are_whole, strict=True) if not good)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: tuple[Jar, ...], directory: Path, version: str) -> None:
    if not jars:
        return
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total} jars"),
    )
    # is_terminal alone won't do: with FORCE_COLOR a file is one, and a dumb one shows no bar
    redrawn = console.file.isatty() and not console.is_dumb_terminal
    if not redrawn:
        console.print(f"fetching {len(jars)} jars of Apache Kafka {version} (once, about 50 MB) …")
    prefix = f"{directory.name}-fetching-"
    for left in directory.parent.glob(f"{prefix}*"):  # by a process that was ended
        shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(
            dir=directory.parent, prefix=prefix, ignore_cleanup_errors=True
        ) as partial,
        Progress(*columns, console=console, disable=not redrawn) as progress,
    ):
        task = progress.add_task(f"Apache Kafka {version}", total=len(jars))
        context = _maven(Path(partial))
        _fetch_all(jars, context, directory, version, lambda: progress.advance(task))
    if not redrawn:
        console.print("fetched Apache Kafka")


def _fetch_all(
    jars: tuple[Jar, ...],
    context: "MavenContext",
    directory: Path,
    version: str,
    advance: Callable[[], None],
) -> None:
    """Fetch several at once, in threads that nobody waits for, as Python does for an executor's at the program's end.

    So Ctrl-C ends it at once, also while a server is silent.
    """
    waiting, stopped = deque(jars), threading.Event()
    ended: SimpleQueue[Exception | None] = SimpleQueue()

    def fetch() -> None:
        while not stopped.is_set():
            try:
                jar = waiting.popleft()
            except IndexError:
                return
            try:
                _fetch_one(jar, context, directory, version, stopped)
            except Exception as exc:  # noqa: BLE001  # the caller's to handle
                ended.put(exc)
            else:
                ended.put(None)

    for _ in range(_AT_ONCE):
        threading.Thread(target=fetch, name="kafka-jars", daemon=True).start()
    error = None
    try:
        for _ in jars:
            error = ended.get()
            if error is not None:
                raise error
            advance()
    finally:
        stopped.set()
        error = None  # else its traceback leads to itself, and keeps the connection open


def _fetch_one(
    jar: Jar, context: "MavenContext", directory: Path, version: str, stopped: threading.Event
) -> None:
    for remaining in reversed(range(_TRIES)):
        try:
            path = jar.fetch(context)
        except (OSError, RuntimeError) as exc:
            shutil.rmtree(context.repo_cache.joinpath(jar.path).parent, ignore_errors=True)
            if remaining and not stopped.is_set():
                continue
            message = f"could not fetch {jar.path}: {exc}. Check the network, proxy settings and ~/.config/jgo.conf"
            raise JarsError(message) from exc
        if not jar.is_at(path):
            message = f"{jar.path} is not the file that {_list_name(version)} lists; the repository or a proxy serves another"
            raise JarsError(message)
        os.replace(path, directory / jar.path.name)  # noqa: PTH105  # atomic, on one file system
        return


def _maven(repo_cache: Path) -> "MavenContext":
    # here, because importing jgo takes longer than all the rest and most starts don't need it
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    remotes = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    return MavenContext(
        PythonResolver(), repo_cache=repo_cache, remote_repos=remotes, timeout=_TIMEOUT_SECONDS
    )


def write_list(version: str, directory: Path) -> None:
    """Resolve Kafka and its logging with all they need, fetch everything and write the list of a version."""
    with tempfile.TemporaryDirectory() as partial:
        context = _maven(Path(partial))
        names = (f"{KAFKA}:{version}", LOGGING)
        wanted = [context.create_dependency(f"{name}:compile") for name in names]
        inputs, transitive = context.resolver.resolve(wanted)
        lines = []
        for dependency in [*inputs, *(d for d in transitive if d.scope in {"compile", "runtime"})]:
            path = dependency.artifact.resolve()
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{sha256}  {path.relative_to(partial).as_posix()}")
            sys.stdout.write(f"{lines[-1]}\n")
    head = f"# The broker's jars; written by: python -m streams.sandbox.kafka_jars {version}\n"
    directory.joinpath(_list_name(version)).write_text(
        head + "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n", "ascii"
    )


if __name__ == "__main__":
    for _version in sys.argv[1:] or [VERSION]:
        write_list(_version, Path(__file__).with_name("jars"))
