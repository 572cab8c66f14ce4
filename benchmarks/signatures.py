"""The floor under every system: what one RSA-2048 signature costs on this machine, now."""

import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from streams.sandbox.signatures import load_private_key

_CONTENT = b"x" * 450
"""As long as what is signed of a request."""
_PADDING, _HASH = PKCS1v15(), SHA256()


def signature_ms(private_key: Path, seconds: float = 0.5) -> float:
    """Return the CPU time of one signature in milliseconds, measured on one core for so long.

    The signature alone: no system can do with less, but each can write the header in its own way.
    """
    key = load_private_key(private_key)
    began, end = time.thread_time(), time.thread_time() + seconds
    made = 0
    while time.thread_time() < end:
        key.sign(_CONTENT, _PADDING, _HASH)
        made += 1
    return (time.thread_time() - began) * 1000 / made
