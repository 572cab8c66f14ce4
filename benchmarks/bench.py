"""What all runs of a session share: a broker, a receiver, keys, backlogs."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import yaml

from benchmarks.backlog import Backlog, Mould, write_backlog
from benchmarks.figures import Figures
from benchmarks.processes import cpu_seconds
from benchmarks.receiver import Manner
from benchmarks.receiver_process import Receipts, ReceiverProcess
from benchmarks.run import Around, OpenLoad, Window, run
from benchmarks.signatures import signature_ms
from benchmarks.systems import System, Task
from streams.notification.profiles import PROFILES
from streams.sandbox.broker import Broker
from streams.sandbox.keys import PARTNERS, Keys, make_keys, write_partners_file
from streams.sandbox.partner import notify_url

PARTITIONS = 12
_HAMMER_SECONDS = 2.0


class Bench:
    """A broker, a receiver and what was written so far.

    Attributes:
        directory: for keys and logs.
        broker: running.
        receiver: running, with the directory's keys.
        keys: of both sides.
    """

    def __init__(
        self, directory: Path, broker: Broker, receiver: ReceiverProcess, keys: Keys
    ) -> None:
        self.directory = directory
        self.broker = broker
        self.receiver = receiver
        self.keys = keys
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """The receiver's, over TLS."""
        return self.receiver.url

    @property
    def plain_url(self) -> str:
        """The receiver's, over plain HTTP."""
        return self.receiver.plain_url

    def receipts(self) -> Receipts:
        """Return what the receiver got in the last run."""
        return self.receiver.receipts()

    def signature_ms(self) -> float:
        """Return the CPU time of one signature, now."""
        return signature_ms(self.keys.sender.private)

    async def backlog(
        self, moulds: list[Mould], records: int, partitions: int = PARTITIONS
    ) -> Backlog:
        """Write a backlog of at least so many records."""
        topic = f"bench-{next(self._numbers)}-final"
        return await write_backlog(self.broker.bootstrap, topic, moulds, records, partitions)

    def partners_file(
        self, in_flight: int, names: Mapping[str, str], *, plain: bool = False
    ) -> Path:
        """Write a partners file.

        Args:
            in_flight: calls at once that all workers together may make to each partner; the limit is set to twice
                that, because the retries' consumer group has half of it.
            names: the partners, each with its profile.
            plain: whether they are called over plain HTTP.
        """
        base = self.plain_url if plain else self.url
        urls = {profile: notify_url(base, profile) for profile in PROFILES}
        file = write_partners_file(self.directory, urls, self.keys)
        usual = yaml.safe_load(file.read_text("utf-8"))["partners"]
        limit = {"max_in_flight": 2 * in_flight}
        entries = {name: usual[PARTNERS[profile]] | limit for name, profile in names.items()}
        file.write_text(yaml.safe_dump({"partners": entries}), "utf-8")
        return file

    async def run(  # noqa: PLR0913  # all that makes a run
        self,
        system: System,
        backlog: Backlog,
        *,
        window: Window,
        in_flight: int,
        manner: Manner = Manner(),  # noqa: B008  # frozen
        verifies: bool = False,
        plain: bool = False,
        load: OpenLoad | None = None,
        partners: Mapping[str, str] | None = None,
    ) -> Figures:
        """Measure a system once.

        Args:
            system: which.
            backlog: what it is started on.
            window: what is measured.
            in_flight: calls at once per process.
            manner: how the receiver answers.
            verifies: whether peers verify answers; the notifier always does.
            plain: whether the backlog's notify URLs are plain HTTP.
            load: what comes while it runs.
            partners: the partners' names and profiles; the usual one for each profile by default.
        """
        names = partners or {name: profile for profile, name in PARTNERS.items()}
        task = Task(
            bootstrap=self.broker.bootstrap,
            topic=backlog.topic,
            name=f"run-{next(self._numbers)}",
            keys=self.keys,
            partners_file=self.partners_file(in_flight * system.processes, names, plain=plain),
            directory=self.directory,
            in_flight=in_flight,
            partitions=backlog.partitions,
            verifies=verifies,
            settings={"NOTIFIER_ALLOW_HTTP": "true"} if plain else {},
        )
        around = Around(self.receiver, self.broker.pid or 0)
        return await run(system, task, backlog, around, manner=manner, window=window, load=load)

    async def receiver_limit(self) -> tuple[float, float]:
        """Return how many requests a second the receiver answers a sender that does nothing else, and with how many cores."""
        self.receiver.begin(Manner())
        before = cpu_seconds([self.receiver.pid])
        hammer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.hammer", "--url", self.url),
            *("--directory", str(self.directory), "--seconds", str(_HAMMER_SECONDS)),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await hammer.communicate()
        if hammer.returncode:
            message = f"the sender that does nothing else ended with {hammer.returncode}; its own words are on standard error"
            raise RuntimeError(message)
        used = cpu_seconds([self.receiver.pid]) - before
        count = self.receiver.count()
        return float(out), used * 1000 / count


@contextmanager
def bench(more_properties: Mapping[str, str] | None = None) -> Iterator[Bench]:
    """Start a broker, with these properties besides its own, and a receiver; end them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        keys = make_keys(directory)
        # workers that start together join one generation, as with Kafka's own default of 3 s
        properties = {"group.initial.rebalance.delay.ms": "1000"} | dict(more_properties or {})
        with (
            Broker(directory, properties=properties, heap="512m") as broker,
            ReceiverProcess(directory) as receiver,
        ):
            yield Bench(directory, broker, receiver, keys)
