"""On what something was measured: the commit, the machine, how its Python was built, what is installed."""

import hashlib
import os
import platform
import subprocess
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.go_peer import go_versions
from streams.clock import Clock

_PACKAGES = (
    *("payment-notifier", "faust-streaming", "aiokafka", "httpx", "aiohttp"),
    *("uvloop", "cryptography", "pydantic"),
)
_WIDE = "avx512ifma"
"""The instructions by which OpenSSL signs with RSA two to three times as fast, as /proc/cpuinfo names them."""
_DEBIAN_SCHEME = "deb_system"
_MEASURED = ("streams", "schemas", "benchmarks")
"""What figures depend on; docs are left out, since `make bench` itself writes them."""
UNKNOWN = "unknown"


def machine() -> dict[str, Any]:
    """Describe this machine and what is installed."""
    processor, flags = _processor(Path("/proc/cpuinfo").read_text("utf-8"))
    return {
        "date": f"{datetime.fromtimestamp(Clock().now_seconds(), UTC):%Y-%m-%d}",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "processor": processor,
        "wide": _WIDE in flags,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "build": build(sysconfig.get_config_var("CONFIG_ARGS") or "", sysconfig.get_scheme_names()),
        "packages": {name: version(name) for name in _PACKAGES} | go_versions(),
        "commit": commit(),
    }


def commit(directory: Path = Path(__file__).parents[1], *also: str) -> str:
    """Return the commit of a checkout, with a hash of what was changed since; "unknown" where git can't say.

    Args:
        directory: of the checkout.
        also: folders in it that figures depend on besides.
    """
    try:
        head = _git(directory, "rev-parse", "--short=10", "HEAD").decode().strip()
        changes = _git(directory, "diff", "HEAD", "--", *_MEASURED, *also)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{head}-dirty-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else head


def _git(directory: Path, *arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603  # constants
        ["git", *arguments],  # noqa: S607  # the user's own
        cwd=directory,
        capture_output=True,
        check=True,
    ).stdout


def when(on: Mapping[str, Any]) -> str:
    """Return when and at which commit something was measured."""
    return f"{on['date']}, commit {commit_of(on)}"


def commit_of(on: Mapping[str, Any]) -> str:
    """Return the commit that is noted with a machine; "unknown" where there is none."""
    return on.get("commit") or UNKNOWN


def of_several_commits(machines: Iterable[Mapping[str, Any]]) -> str:
    """Return a sentence that names the commits where figures are of more than one; "" where they are of one."""
    found = {commit_of(on): on for on in sorted(machines, key=lambda on: on["date"])}
    if len(found) < 2:  # noqa: PLR2004  # several
        return ""
    return f"These figures are not of one commit: {'; '.join(map(when, found.values()))}."


def build(arguments: str, schemes: Collection[str]) -> str:
    """Return how a Python was built.

    Args:
        arguments: those of its `configure`.
        schemes: its installation schemes. Debian and Ubuntu add one of their own; they build with PGO and LTO, but not by
            these arguments.
    """
    if _DEBIAN_SCHEME in schemes:
        return "PGO, LTO"
    pgo = "PGO" if "--enable-optimizations" in arguments else "no PGO"
    lto = "LTO" if "--with-lto" in arguments and "--with-lto=no" not in arguments else "no LTO"
    return f"{pgo}, {lto}"


def _processor(cpuinfo: str) -> tuple[str, frozenset[str]]:
    found = {
        name.strip(): text.strip()
        for name, _, text in (line.partition(":") for line in cpuinfo.splitlines())
    }
    return found.get("model name") or platform.processor(), frozenset(
        found.get("flags", "").split()
    )
