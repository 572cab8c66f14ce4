"""Importing HTTP libraries without what a worker never uses of them."""

import os
import subprocess
import sys

import pytest

from streams.webhook.quick_import import leave_out_authorities, leave_out_httpx_command

LOOK = """
import os, sys
before = dict(os.environ)
from streams.webhook.quick_import import leave_out_authorities, leave_out_httpx_command
leave_out_httpx_command()
leave_out_authorities()
assert dict(os.environ) == before
import streams.webhook.https
import aiohttp.connector, httpx
print(*sorted({"rich", "pygments", "click", "httpx"} & sys.modules.keys()))
print(len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
print(len(aiohttp.connector._SSL_CONTEXT_UNVERIFIED.get_ca_certs()))
print(callable(httpx.main))
"""


@pytest.mark.e2e
def test_what_is_left_out():
    """The packages of httpx's own command, and the authorities in aiohttp's contexts, which then trust nobody."""
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["httpx", "0", "0", "True"]


@pytest.mark.parametrize("before", [None, "/etc/some.pem"])
def test_the_environment_is_as_it_was(monkeypatch, before):
    """Whether the variables were set or not: our own contexts ask them later."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv("SSL_CERT_FILE", before)
    leave_out_authorities()
    assert os.environ.get("SSL_CERT_FILE") == before
    assert "SSL_CERT_DIR" not in os.environ


def test_a_command_that_is_there_stays(monkeypatch):
    """Where httpx was imported before, nothing of it is taken away."""
    monkeypatch.setitem(sys.modules, "httpx._main", os)
    leave_out_httpx_command()
    assert sys.modules["httpx._main"] is os
