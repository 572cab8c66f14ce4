"""What the fault scenarios share: a seed, a partner for each, and a place for the figures."""

import os
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random  # noqa: TID251  # seeded

import pytest

from streams.sandbox.partner_process import PartnerProcess
from tests.faults.figures import describe_machine
from tests.faults.rehearsal import Rehearsal
from tests.faults.wire import Wire

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
