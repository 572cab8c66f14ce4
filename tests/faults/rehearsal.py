"""One scenario: a deployment under load, what is done to it, and the verdict."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random  # noqa: TID251  # seeded

from streams.clock import Clock
from streams.notification.profiles import TIERS
from streams.sandbox.broker import Broker
from streams.sandbox.cluster import Cluster
from streams.sandbox.keys import Keys
from streams.sandbox.ledger import Ledger
from streams.sandbox.ledger_evidence import (
    committed_offsets,
    monotonic_zero_ms,
    read_topics,
    topics_with_prefix,
)
from streams.sandbox.partner_process import PartnerProcess
from tests.faults.commits import commits_of
from tests.faults.figures import note
from tests.faults.judge import Break, Verdict, judge
from tests.faults.load import RATE, Load, Written
from tests.faults.mix import SCALE
from tests.faults.wire import Wire
from tests.support.deployment import Deployment
from tests.support.kafka import ends_of
from tests.support.notifier import WorkerProcess
from tests.support.waiting import eventually

PARTITIONS = 4
INSIDE = Path(__file__).parent / "inside"
"""What runs inside of a worker under test."""


def inside(**variables: str) -> dict[str, str]:
    """Return the environment of a worker that has `tests/faults/inside` in it, with these variables for it."""
    path = os.pathsep.join([str(INSIDE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return variables | {"PYTHONPATH": path}


_REPEATS_ALLOWED = 1000  # the ledger counts them, the judge explains them one by one


class Rehearsal:
    """What a scenario works with.

    Args:
        name: of the scenario, as the report will have it.
        broker: running.
        partner: who is told.
        keys: of both sides.
        directory: for its files.
        figures: where its figures go.
        seed: of all that is drawn.
        partitions: of each topic.
        wire: what stands between notifier and partner, if anything does.

    Attributes:
        rng: draws moments and victims.
        breaks: what was done so far.
        counts: what was done, in numbers, for the report.
    """

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        name: str,
        *,
        broker: Broker | Cluster,
        partner: PartnerProcess,
        keys: Keys,
        directory: Path,
        figures: Path,
        seed: str,
        partitions: int = PARTITIONS,
        wire: Wire | None = None,
    ) -> None:
        self.name, self.broker, self.partner = name, broker, partner
        self.rng = Random(f"{seed}:{name}")  # noqa: S311  # no secret: the same seed plays the same scenario
        self.breaks: list[Break] = []
        self.counts: dict[str, object] = {}
        self.clock = Clock()
        self._seed, self._directory, self._figures = f"{seed}:{name}", directory, figures
        self.wire = wire
        self._load: Load | None = None
        self._names: dict[WorkerProcess, str] = {}
        self._row: dict[str, object] = {}
        self._began = time.monotonic()
        settings = {"ladder_scale": SCALE}
        self.deployment = Deployment(broker, partner, keys, directory, partitions, settings)
        self.deployment.write_partners(
            {
                name: entry | {"request_time_format": "epoch-ms"}
                for name, entry in self.deployment.partners.items()
            }
        )

    def say(self, what: str) -> None:
        """Print a line of progress."""
        at = time.monotonic() - self._began
        sys.stdout.write(f"[faults] {self.name}, {at:5.1f} s: {what}\n")
        sys.stdout.flush()

    async def begin(
        self, *workers: Mapping[str, object], climbers: int = 0, rate: float = RATE
    ) -> list[WorkerProcess]:
        """Make topics, start workers with these settings (one with none by default), then the load."""
        await self.deployment.create_topics()
        started = [self.worker(**settings) for settings in workers or ({},)]
        await asyncio.gather(*(worker.ready(90) for worker in started))
        self._load = Load(
            self.deployment.bootstrap,
            self.deployment.source,
            self.wire.url if self.wire else self.partner.url,
            seed=self._seed,
            directory=self._directory,
            climbers=climbers,
            rate=rate,
        )
        await self._load.begun()
        await self.delivering()
        self.say(f"{len(started)} workers deliver under load")
        return started

    def worker(self, **settings: object) -> WorkerProcess:
        """Start a worker that has a name of its own in its attempts records."""
        name = f"worker-{len(self._names)}"
        worker = self.deployment.worker(inside(FAULTS_WORKER=name), **settings)
        self._names[worker] = name
        return worker

    async def delivering(self, more: int = 200, timeout_seconds: float = 90) -> None:
        """Wait until the partner got so many requests more."""
        target = len(self.partner.requests) + more
        try:
            await asyncio.to_thread(self.partner.wait_for, target, timeout_seconds)
        except TimeoutError as error:
            ended = [name for worker, name in self._names.items() if not worker.alive]
            message = f"{error}; ended by now: {', '.join(ended) or 'no worker'}"
            raise TimeoutError(message) from error

    def named(self, name: str | None) -> WorkerProcess | None:
        """Return the worker that has this name in its attempts records."""
        return next((worker for worker, its in self._names.items() if its == name), None)

    def kill_worker(self, victim: WorkerProcess) -> None:
        """SIGKILL."""
        since = self.clock.now_ms()
        victim.kill()
        self.broke(since, self._names[victim])

    def broke(self, since_ms: int, worker: str | None = None) -> None:
        """Note that something was done, to one worker or to all, from some moment until now."""
        self.breaks.append(Break(since_ms, self.clock.now_ms(), worker))

    @property
    def _groups(self) -> tuple[str, str]:
        return self.deployment.group, f"{self.deployment.group}-retry"

    async def end(
        self, *workers: WorkerProcess, patience_seconds: float = 420, forks_allowed: bool = False
    ) -> Verdict:
        """End the load, wait until all is settled, end the workers, and judge.

        Args:
            workers: that still run; each must end with 0.
            patience_seconds: how long settling may take; a time-out, not a measurement.
            forks_allowed: whether second ladders are only counted.
        """
        assert self._load is not None
        written = await self._load.end()
        self.say(f"{written.events} events in {written.seconds:.1f} s; waiting for their end")
        stuck = None
        try:
            await eventually(self._settled, patience_seconds, what="commits", every_seconds=0.5)
        except TimeoutError as error:  # the ledger says more
            stuck = error
        codes = await asyncio.gather(*(worker.stop(30) for worker in workers))
        verdict = await self._judge(written)
        self._report(written, verdict)
        faults = "\n".join(
            f"{fault.kind}: {fault.origin}: {fault.detail}" for fault in verdict.faults[:20]
        )
        assert not verdict.faults, f"{len(verdict.faults)} faults, first of all:\n{faults}"
        assert forks_allowed or not verdict.forks, "second ladders:\n" + "\n".join(verdict.forks)
        assert stuck is None, stuck
        assert set(codes) <= {0}
        return verdict

    def passed(self) -> None:
        """Note that nothing was found fault with; until then its figures are those of a scenario that failed."""
        note(self._figures, self.name, self._row | {"passed": True})

    def keep_logs(self) -> None:
        """Keep what the workers said, for whoever looks at a failure."""
        for number, log in enumerate([worker.log for worker in self.deployment._workers]):
            path = self._figures / f"{self.name}.worker-{number}.log"
            path.write_text(log, "utf-8")
        self.say(f"the workers' logs are in {self._figures}")

    def kill(self) -> None:
        """End what still runs."""
        if self._load is not None:
            self._load.kill()
        self.deployment.kill_workers()

    async def _settled(self) -> bool:
        names = self.deployment.names
        topics = [self.deployment.source, *(names.tier(wait) for wait in TIERS)]
        ends = await ends_of(self.deployment.bootstrap, topics)
        committed = await committed_offsets(self.deployment.bootstrap, self._groups)
        if any(committed.get(tag, 0) < end for tag, end in ends.items()):
            return False
        # a record is written to its next place before its offset is committed: nothing came means nothing is left
        return await ends_of(self.deployment.bootstrap, topics) == ends

    async def _judge(self, written: Written) -> Verdict:
        bootstrap, deployment = self.deployment.bootstrap, self.deployment
        ours = await topics_with_prefix(bootstrap, deployment.names.prefix)
        kept = await read_topics(bootstrap, [deployment.source, *ours])
        committed = await committed_offsets(bootstrap, self._groups)
        commits = await commits_of(bootstrap, self._groups)
        ends = {tag: made[-1].progress.offset for tag, made in commits.items()}
        assert ends == committed, "the history of commits was not read as the broker means it"
        ledger = Ledger(
            prefix=deployment.names.prefix,
            produced=written.produced(
                [record for record in kept if record.topic == deployment.source]
            ),
            requests=self.partner.requests,
            kept=kept,
            committed=committed,
            scale=SCALE,
            monotonic_zero_ms=monotonic_zero_ms(),
            repeats_allowed=_REPEATS_ALLOWED,
        )
        return judge(ledger, self.breaks, commits)

    def _report(self, written: Written, verdict: Verdict) -> None:
        self._row = {
            "scenario": self.name,
            "events": written.events,
            "unacknowledged": written.events - len(written.acknowledged),
            "rate": round(written.events / written.seconds, 1),
            "seconds": round(time.monotonic() - self._began, 1),
            "done": self.counts,
            "calls": verdict.calls,
            "repeats": {why.value: count for why, count in verdict.repeats.items()},
            "latest_commit_ms": verdict.latest_commit_ms,
            "absorbed": verdict.absorbed,
            "forks": len(verdict.forks),
            "parks": verdict.parks,
            "retries": len(verdict.report.lateness_ms),
            "lateness_p99_ms": verdict.report.lateness_at(0.99),
            "lost": verdict.lost,
            "faults": len(verdict.faults),
        }
        self.say(json.dumps(self._row))
        note(self._figures, self.name, self._row | {"passed": False})
