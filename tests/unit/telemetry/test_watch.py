"""A worker that runs and does nothing is found; a broker that is down restarts nothing."""

import pytest

from streams.telemetry.health import Health
from streams.telemetry.watch import PATIENCE_SECONDS, Watch

POLLING = "group g: has not polled for too long"
PRODUCER = "the producer has died"


class Scene:
    """A worker and a broker whose state the test sets."""

    def __init__(self, **options):
        self.symptoms: list[str] = []
        self.broker_up, self.requests = True, 0
        self.health = Health()
        self.watch = Watch(self.health, lambda: list(self.symptoms), self._confirmed, **options)

    async def _confirmed(self, seen):
        self.requests += 1
        return seen if self.broker_up else []

    async def look(self, first, last, every=5):
        """Look every few seconds; return when it was first not live."""
        for now in range(first, last + 1, every):
            await self.watch.look(float(now))
            if self.health.not_live():
                return now
        return None


@pytest.fixture
def scene():
    return Scene()


async def test_what_looks_dead_for_two_minutes_is_not_live(scene):
    """Neither earlier nor later; and the probe says what it is."""
    scene.symptoms = [POLLING]
    assert await scene.look(1000, 2000) == 1000 + PATIENCE_SECONDS == 1120
    assert scene.health.not_live() == [f"{POLLING}, for 120 s while the broker answers"]
    assert scene.health.not_ready(1120.0) == scene.health.not_live()


async def test_a_symptom_that_goes_away_counts_from_the_beginning_when_it_returns(scene):
    """A rebalance is no zombie, and neither are two."""
    scene.symptoms = [POLLING]
    assert await scene.look(0, 115) is None
    scene.symptoms = []
    assert await scene.look(120, 120) is None
    scene.symptoms = [POLLING]
    assert await scene.look(125, 2000) == 245


async def test_each_symptom_has_its_own_time(scene):
    """One after the other, each short, is a worker that recovers."""
    scene.symptoms = [POLLING]
    assert await scene.look(0, 100) is None
    scene.symptoms = [POLLING, PRODUCER]
    assert await scene.look(105, 115) is None
    scene.symptoms = [PRODUCER]
    assert await scene.look(120, 220) is None
    assert await scene.look(225, 300) == 225
    assert scene.health.zombie == [f"{PRODUCER}, for 120 s while the broker answers"]


async def test_a_broker_outage_restarts_nothing(scene):
    """However long it lasts; and after it everything has its two minutes anew."""
    scene.symptoms = [POLLING, PRODUCER]
    assert await scene.look(0, 115) is None
    scene.broker_up = False
    assert await scene.look(120, 3600) is None
    scene.broker_up = True
    assert await scene.look(3605, 9000) == 3725


async def test_one_missed_answer_of_the_broker_begins_anew(scene):
    """While the broker comes and goes, its clients may well look dead."""
    scene.symptoms = [POLLING]
    for now in range(0, 3600, 100):
        scene.broker_up = True
        assert await scene.look(now, now + 90) is None
        scene.broker_up = False
        assert await scene.look(now + 95, now + 95) is None


async def test_what_heals_by_itself_lives_again(scene):
    """Also after it was not live, if nobody restarted it yet, and when the broker goes away then."""
    scene.symptoms = [POLLING]
    assert await scene.look(0, 120) == 120
    scene.broker_up = False
    assert await scene.look(125, 125) is None
    scene.broker_up = True
    assert await scene.look(130, 300) == 250
    scene.symptoms = []
    assert await scene.look(255, 255) is None
    assert scene.health.zombie == []


async def test_a_healthy_worker_asks_the_broker_nothing(scene):
    """The separate request is for when something looks wrong."""
    assert await scene.look(0, 600) is None
    assert scene.requests == 0


async def test_a_crash_is_not_live_at_once_and_stays(scene):
    """The watch speaks for what it saw, and hides nothing that others saw."""
    scene.health.crashed = "a handler raised KeyError"
    scene.broker_up = False
    scene.symptoms = [POLLING]
    await scene.look(0, 0)
    assert scene.health.not_live() == ["a handler raised KeyError"]


async def test_it_is_said_in_the_log_too(caplog):
    """Kubernetes restarts the worker; the log of the old one says why."""
    scene = Scene(patience_seconds=10.0)
    scene.symptoms = [PRODUCER]
    assert await scene.look(0, 100) == 10
    assert [record.getMessage() for record in caplog.records] == [
        f"not live: {PRODUCER}, for 10 s while the broker answers"
    ]
