"""On what something was measured: the machine, how its Python was built, what is installed."""

import os
import platform
import sysconfig
from collections.abc import Collection
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
    }


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
