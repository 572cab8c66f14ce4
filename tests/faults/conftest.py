"""What the fault scenarios share: a seed, a partner for each, and a place for the figures."""

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from random import Random  # noqa: TID251  # seeded

import pytest

from streams.sandbox.interrupts import ended_by_signals
from streams.sandbox.partner_process import PartnerProcess
from tests.faults.figures import describe_machine
from tests.faults.rehearsal import Rehearsal
from tests.faults.wire import Wire
from tests.faults.zombies import Zombies

_SEED = os.environ.get("FAULTS_SEED") or str(secrets.randbelow(1_000_000))


@pytest.fixture(scope="session")
def seed():
    """Give the seed of all that is drawn; FAULTS_SEED repeats a run."""
    return _SEED


@pytest.fixture(scope="session")
def figures(seed):
    """Give the directory that takes the figures of this run."""
    directory = Path(__file__).parents[2] / "build" / "faults"
    directory.mkdir(parents=True, exist_ok=True)
    describe_machine(directory, seed)
    return directory


@pytest.fixture(scope="session")
def zombies(broker, keys, tmp_path_factory):
    """Make the zombies, and give a future of what they said."""
    directory = tmp_path_factory.mktemp("zombies")
    with PartnerProcess(keys) as partner, ThreadPoolExecutor(1) as thread:
        yield thread.submit(asyncio.run, Zombies(broker, partner, keys, directory).make())


@pytest.fixture(scope="session", autouse=True)
def _ended_by_signals(request):
    """Let SIGTERM end a run of scenarios as Ctrl-C does, with the workers that it started."""
    with ExitStack() as stack:
        if any(item.get_closest_marker("faults") for item in request.session.items):
            stack.enter_context(ended_by_signals())
        yield


@pytest.fixture(scope="session", autouse=True)
def _zombies_at_once(request, _ended_by_signals):
    """Begin with the zombies, which wait for minutes and do nothing: meanwhile the other scenarios run."""
    if any("zombies" in getattr(item, "fixturenames", ()) for item in request.session.items):
        # Those of the last run go now, whatever becomes of this one.
        request.getfixturevalue("figures")
        request.getfixturevalue("zombies")


@pytest.fixture
def rehearse(keys, seed, figures, tmp_path):
    """Make a scenario with a partner of its own; ends whatever it started."""

    @asynccontextmanager
    async def make(name, broker, *, wire=False, **options):
        async with AsyncExitStack() as stack:
            partner = stack.enter_context(PartnerProcess(keys))
            if wire:
                port = int(partner.url.rpartition(":")[2])
                options["wire"] = await stack.enter_async_context(Wire(port))
            rehearsal = Rehearsal(
                name,
                broker=broker,
                partner=partner,
                keys=keys,
                directory=tmp_path,
                figures=figures,
                seed=seed,
                **options,
            )
            rehearsal.say(f"FAULTS_SEED={seed}")
            try:
                yield rehearsal
                assert rehearsal.deployment.unwanted == []
                await rehearsal.deployment.delete_topics()
                rehearsal.passed()
            except BaseException:
                rehearsal.keep_logs()
                raise
            finally:
                rehearsal.kill()

    return make


@pytest.fixture
def rng(seed):
    """Draw what a scenario needs beside its load."""
    return Random(seed)  # noqa: S311  # no secret: the same seed plays the same scenario
