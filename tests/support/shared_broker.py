"""One real broker for all processes of pytest (pytest-xdist); each test has topics and groups of its own on it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.sandbox.broker import Broker

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""The name of this process of pytest; empty where there is only one."""

_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class SharedBroker:
    """The run's broker, whichever process started it.

    Attributes:
        bootstrap: `host:port` for clients.
        copies: of each topic that it can keep.
    """

    bootstrap: str
    copies: int = Broker.copies


def directory_of_run(factory: pytest.TempPathFactory) -> Path:
    """Return a directory that all processes of this run have in common, and no other run."""
    own = factory.getbasetemp()
    return own.parent if WORKER else own


@contextmanager
def shared_broker(directory: Path) -> Iterator[SharedBroker]:
    """Use the broker of the processes that share a directory.

    The first one that asks starts it, and stops it when no other uses it any more: a process that ends, however it ends,
    loses its lock.
    """
    address = directory / "broker.json"
    with (directory / "broker.users").open("w") as users:
        with _alone(directory):
            own = None
            if not address.exists():
                own = Broker(directory)
                own.start()
                address.write_text(json.dumps(own.bootstrap), "utf-8")
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield SharedBroker(json.loads(address.read_text("utf-8")))
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            if own is not None:
                _stop_unused(own, directory, address)


def _stop_unused(broker: Broker, directory: Path, address: Path) -> None:
    """Stop a broker once nobody uses it; whoever asks after that starts another."""
    with (directory / "broker.users").open("w") as users:
        while True:
            with _alone(directory):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass
                else:
                    address.unlink()
                    broker.close()
                    return
            time.sleep(_LOOK_EVERY_SECONDS)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process at a time look whether there is a broker."""
    with (directory / "broker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
