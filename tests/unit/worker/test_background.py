"""The loops beside the records: none ends by what it looks at."""

import asyncio
import logging
from types import SimpleNamespace

import pytest

from streams.clock import Clock
from streams.kafka.admin.preflight import Answers
from streams.kafka.consumer.app import HELD
from streams.partners import Rejected, Reloaded, Unchanged
from streams.partners.load import Partners
from streams.telemetry.health import Health
from streams.telemetry.metrics import Metrics
from streams.telemetry.partner_gauges import PartnerGauges
from streams.worker import background
from streams.worker.writes import Writes


class Looks:
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
            PartnerGauges(metrics),
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
    await look(Looks(*answers), metrics)
    assert metrics.registry.get_sample_value("notifier_config_last_reload_successful") == in_force
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert "stays in force" in said[0].getMessage()


async def test_partners_are_looked_at_although_the_way_into_kafka_can_not_be(caplog):
    """One look's failure is none of the other's."""

    def fail():
        raise RuntimeError

    metrics = Metrics("0")
    await look(Looks(RELOADED, Unchanged()), metrics, fail)
    assert metrics.registry.get_sample_value("notifier_config_last_reload_successful") == 1
    assert "looking at the credentials for Kafka failed" in caplog.text


class App:
    """An application of a group whose coordinator has confirmed nothing for so long, and perhaps put it off."""

    def __init__(self, group_id="g", silent=0.0, *, put_off=False):
        self.conf = SimpleNamespace(id=group_id)
        self.membership = SimpleNamespace(silent_seconds=lambda: silent, is_put_off=lambda: put_off)


def waiting(*apps, seconds, joined=("g", "g-retry"), refused=()):
    """Return for what records wait where one has been written for so long."""
    now = 1000.0
    writes = Writes(lambda: now)
    with writes.under_way():
        now += seconds
        return background.waits(
            apps, writes, Health(joined=set(joined), refused=dict.fromkeys(refused, "full"))
        )


def test_what_waits_for_the_brokers_is_told():
    """A write that is late, a coordinator that is silent; not what takes a moment, nor a group that was not joined yet."""
    assert waiting(App(), App("g-retry", 60.0), seconds=9.9) == []
    assert waiting(App(silent=3600.0), seconds=0, joined=()) == []
    assert waiting(App(silent=75.0), App("g-retry", 61.0), seconds=130) == [
        "the brokers have not taken a record for 130 s, expected at once; it is tried again",
        "group g: its coordinator has not answered for 75 s",
        "group g-retry: its coordinator has not answered for 61 s",
    ]
    assert waiting(App(silent=60.0, put_off=True), seconds=0) == []
    assert waiting(App(silent=75.0, put_off=True), seconds=0, refused=("g",)) == []
    (reason,) = waiting(App(silent=75.0, put_off=True), seconds=0, joined=())
    assert reason.startswith("group g: its coordinator has let nobody join for 75 s (are enough")


SYMPTOMS = [
    f"group g: {HELD}",
    "group g: has not polled for too long",
    f"group g-retry: {HELD}",
    "the producer has died",
]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (Answers(broker=True), [0, 1, 2, 3]),
        (Answers(broker=False), []),
        (Answers(broker=True, silent_groups=frozenset({"g"})), [2, 3]),
        (Answers(broker=True, take_writes=False), [1]),
    ],
)
async def test_what_the_brokers_are_the_reason_of_is_no_symptom(said, left):
    """A new process would be no better off. They explain what they can, and nothing else."""

    async def ask():
        return said

    assert await background.confirmed(ask, SYMPTOMS) == [SYMPTOMS[number] for number in left]
