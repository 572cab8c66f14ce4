"""Imports HTTP libraries without what a worker never uses of them; to be called before they are imported.

Importing is half of a start. httpx brings a command of its own, for which it imports Rich, Pygments and click. aiohttp makes
two TLS contexts with the system's authorities, for clients that bring none; each of ours brings one.
"""

import os
import sys
from importlib import import_module
from typing import Final

_AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for the system's authorities."""


def leave_out_httpx_command() -> None:
    """Import httpx without its command, as where the packages that this needs are not installed."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # how Python is told that a module can't be had


def leave_out_authorities() -> None:
    """Import aiohttp's client with default TLS contexts that trust nobody."""
    before = {name: os.environ.get(name) for name in _AUTHORITIES}
    os.environ.update(dict.fromkeys(_AUTHORITIES, os.devnull))
    try:
        import_module("aiohttp.connector")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
