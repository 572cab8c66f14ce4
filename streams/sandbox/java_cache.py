"""A cache from which the rehearsal's Kafka starts: its classes, loaded and linked beforehand (Java's AOT cache, JEP 514).

A broker starts from it in half the time, and with half the processor time. Making it takes as long as three starts, so that
no start makes it: `python -m streams.sandbox.java_cache` does, as `make test` has it, which starts some fifty brokers.
Without a cache, or with one of another Java runtime or of other jars, Java starts as ever: it compares them itself.
"""

import fcntl
import os
import sys
import tempfile
from pathlib import Path

from streams.sandbox.broker import Broker
from streams.sandbox.java import cache_file
from streams.sandbox.kafka_jars import JarsError, jar_directory
from streams.sandbox.node import BrokerError

_WRITING_SECONDS = 120.0
"""How long Java may take at its end to write the cache."""


class _Recorded(Broker):
    """A broker that writes, when it is stopped, what it loaded and linked."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.written = directory / "cache"

    def launch(self) -> None:
        self._process = self._java(
            "kafka.Kafka", "server.properties", flags=[f"-XX:AOTCacheOutput={self.written}"]
        )


def make_cache() -> bool:
    """Make the cache, unless it is there or is just being made; tell whether it was made.

    Raises:
        BrokerError: the broker that writes it did not start.
        JarsError: the jars could not be fetched.
        OSError: the cache directory can't be written.
    """
    file = cache_file(jar_directory())
    if file.exists():
        return False
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if file.exists():
            return False
        with tempfile.TemporaryDirectory(dir=file.parent, prefix="java-") as directory:
            broker = _Recorded(Path(directory))
            try:
                broker.start()
                broker.stop(_WRITING_SECONDS)
                log = broker.log_tail()
            finally:
                broker.close()
            if not broker.written.exists():
                message = f"Java wrote no cache; the broker's last lines:\n{log}"
                raise OSError(message)
            os.replace(broker.written, file)  # noqa: PTH105  # atomic, on one file system
    return True


if __name__ == "__main__":
    try:
        make_cache()
    except (OSError, BrokerError, JarsError) as exc:
        # the brokers start without it
        sys.stderr.write(f"no cache for Java, brokers start slower: {exc}\n")
