"""The peer in Go: built when it is first asked for, and left out where Go is not there or can't fetch its modules."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

_SOURCES = Path(__file__).parent / "peers" / "go_franz"
BUILT = Path(__file__).parents[1] / "build" / "peers" / "go-franz"
_BUILD_SECONDS = 300.0


class PeerUnavailableError(Exception):
    """A peer can't be measured on this machine; the message says why, and what to do."""


@cache
def go_peer() -> Path:
    """Return the program, built from its sources; a build that has nothing to do takes a fifth of a second.

    Raises:
        PeerUnavailableError: there is no Go, or the build failed.
    """
    go = shutil.which("go")
    if go is None:
        message = "go-franz is left out: there is no `go` on the PATH; install the version that its go.mod names"
        raise PeerUnavailableError(message)
    command = [go, "build", "-trimpath", "-o", str(BUILT), "."]
    try:
        made = subprocess.run(  # noqa: S603  # our own sources
            command,
            cwd=_SOURCES,
            env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"go-franz is left out: `go build` did not end within {_BUILD_SECONDS:g} s"
        raise PeerUnavailableError(message) from None
    if made.returncode:
        said = (made.stderr.strip().splitlines() or [f"exit code {made.returncode}"])[-1]
        message = f"go-franz is left out: `go build` in {_SOURCES.name} failed: {said}"
        raise PeerUnavailableError(message)
    return BUILT


@cache
def go_versions() -> dict[str, str]:
    """Return the versions of Go and franz-go that the program was built with; empty where it can't be built."""
    try:
        program = go_peer()
    except PeerUnavailableError:
        return {}
    listed = subprocess.run(  # noqa: S603  # a program that was found and used a moment ago
        [shutil.which("go") or "go", "version", "-m", str(program)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    modules = [line.split() for line in listed[1:]]
    franz = next(row[2] for row in modules if row[:2] == ["dep", "github.com/twmb/franz-go"])
    return {"Go": listed[0].rpartition("go")[2], "franz-go": franz.removeprefix("v")}
