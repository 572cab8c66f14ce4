"""The loops beside the records: none ends by what it looks at."""

import asyncio
import logging

import pytest

from streams.clock import Clock
from streams.partners import Rejected, Reloaded, Unchanged
from streams.partners.load import Partners
from streams.telemetry.counting import Counting
from streams.telemetry.health import Health
from streams.telemetry.metrics import Metrics
from streams.worker import background


class Answers:
    """A partners file that answers each look with the next of these, and raises those that are errors."""

    def __init__(self, *answers):
        self.current = Partners({}, (), {})
        self.all_given = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._answers = list(answers)

    def poll(self, _now_seconds):
        if len(self._answers) == 1:
            self._loop.call_soon_threadsafe(self.all_given.set)  # looks are made in threads
            return self._answers[0]
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Caller:
    """Lets go of nothing."""

    def discard(self, _removed):
        pass


async def look(partners, metrics, show_access=lambda: None):
    """Look until all answers were given."""
    clock = Clock()
    loop = asyncio.create_task(
        background.reload_partners(
            partners,
            Caller(),  # type: ignore[arg-type]  # what the loop uses of it
            Counting(metrics, Health()),
            clock,
            show_access,
        )
    )
    given = asyncio.create_task(partners.all_given.wait())
    await asyncio.wait({loop, given}, return_when=asyncio.FIRST_COMPLETED)
    if loop.done():
        loop.result()
    loop.cancel()
    await asyncio.wait({loop})


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Look again without a pause."""
    monkeypatch.setattr(background, "_RELOAD_SECONDS", 0)


RELOADED = Reloaded(Partners({}, (), {}), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("answers", "in_force"),
    [
        ([RuntimeError("unheard of"), Unchanged()], 0),
        ([RuntimeError("unheard of"), RELOADED, Unchanged()], 1),
        ([Rejected(("why",)), Unchanged()], 0),
    ],
)
async def test_an_unexpected_error_is_said_and_the_next_look_comes(caplog, answers, in_force):
    """The metric says meanwhile that the newest version is not in force."""
    metrics = Metrics("0")
    metrics.reload_successful.set(1)
    await look(Answers(*answers), metrics)
    assert metrics.registry.get_sample_value("notifier_config_last_reload_successful") == in_force
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert "stays in force" in said[0].getMessage()


async def test_partners_are_looked_at_although_the_way_into_kafka_can_not_be(caplog):
    """One look's failure is none of the other's."""

    def fail():
        raise RuntimeError

    metrics = Metrics("0")
    await look(Answers(RELOADED, Unchanged()), metrics, fail)
    assert metrics.registry.get_sample_value("notifier_config_last_reload_successful") == 1
    assert "looking at the credentials for Kafka failed" in caplog.text
