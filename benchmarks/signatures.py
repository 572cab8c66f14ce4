"""The floor under every system: what one RSA-2048 signature costs on this machine, now."""

import time
from pathlib import Path

from streams.sandbox.signatures import load_private_key, sign

_BODY = b"x" * 400


def signature_ms(private_key: Path, seconds: float = 0.5) -> float:
    """Return the CPU time of one signature in milliseconds, measured on one core for so long."""
    key = load_private_key(private_key)
    began, end = time.thread_time(), time.thread_time() + seconds
    made = 0
    while time.thread_time() < end:
        sign(key, "/path", "client", "2026-11-22T00:00:00+00:00", _BODY)
        made += 1
    return (time.thread_time() - began) * 1000 / made
