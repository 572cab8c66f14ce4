"""The wall clock of running workers steps back and forth."""

import asyncio
import struct

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

STEP_MINUTES = (10, -10, 0)
SECONDS_EACH = 5.0
_CLOCK = struct.Struct("qq")


def _step(clock, minutes, reads):
    # in place: a process that reads its clock while the file is empty gets SIGBUS
    with clock.open("r+b") as file:
        file.write(_CLOCK.pack(minutes * 60 * 10**9, reads))


async def test_the_clock_steps(rehearse, broker, tmp_path, monkeypatch):
    """±10 minutes while retries wait: none is early, none is late for it, nothing is repeated."""
    clock = tmp_path / "clock"
    clock.write_bytes(_CLOCK.pack(0, 0))
    async with rehearse("clock stepped", broker) as rehearsal:
        monkeypatch.setenv(
            "FAULTS_CLOCK", str(clock)
        )  # after the partner's start: its clock is right
        workers = await rehearsal.begin({})
        reads = 0
        for minutes in STEP_MINUTES:
            _step(clock, minutes, reads)
            rehearsal.say(f"the clock is {minutes:+} minutes off")
            await asyncio.sleep(SECONDS_EACH)
            await rehearsal.delivering()
            reads = _CLOCK.unpack(clock.read_bytes())[1]
            assert reads, "nothing read the wrong clock"
        rehearsal.counts["steps"] = "+10 min, -20 min, +10 min"
        verdict = await rehearsal.end(*workers)
        assert verdict.report.lateness_at(1) < 60_000  # a step would have made it ten minutes
