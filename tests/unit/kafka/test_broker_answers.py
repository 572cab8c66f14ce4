"""Whether what looks dead may be the brokers' fault: what they answer, each group's coordinator, and the topics of late writes."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
)

from streams.kafka.admin import preflight
from streams.kafka.admin.preflight import Answers, ask_brokers
from streams.kafka.connection import Connection

GROUPS = ("g", "g-retry")


class Admin:
    """A connection whose requests fail with what the test says, by their names."""

    fails: dict[str, Exception]
    asked: list[str]
    late: Collection[str]
    needed: str | None
    partitions: list[dict[str, Any]]

    def __init__(self, **_):
        self.closed = False

    async def _ask(self, name):
        if name in self.fails:
            raise self.fails[name]
        self.asked.append(name)

    async def start(self):
        await self._ask("start")

    async def describe_cluster(self):
        await self._ask("describe")
        return {"brokers": [1]}

    async def find_coordinator(self, group):
        await self._ask(f"find {group}")
        return 1

    async def list_consumer_group_offsets(self, group, coordinator):
        assert coordinator == 1
        await self._ask(f"offsets of {group}")

    async def describe_configs(self, resources):
        """Tell how many copies a write needs, of the topics that say so."""
        await self._ask("configs")
        entries = [
            (0, "", 2, one.name, [("min.insync.replicas", self.needed)] if self.needed else [])
            for one in resources
        ]
        return [SimpleNamespace(resources=entries)]

    async def describe_topics(self, topics):
        await self._ask("topics")
        return [{"topic": topic, "partitions": self.partitions} for topic in topics]

    async def close(self):
        self.closed = True


@pytest.fixture
def answers(monkeypatch):
    """Ask brokers of which these requests fail."""

    async def ask(late=(), **fails):
        monkeypatch.setattr(preflight, "AIOKafkaAdminClient", Admin)
        Admin.fails = {name.replace("_", " "): error for name, error in fails.items()}
        Admin.asked = []
        Admin.late = late
        return await ask_brokers(Connection("memory:0"), "watch", GROUPS, lambda: Admin.late)

    return ask


async def test_all_answer(answers):
    """Each group's coordinator is asked something that only it can say."""
    assert await answers() == Answers(broker=True)
    assert Admin.asked[-4:] == ["find g", "offsets of g", "find g-retry", "offsets of g-retry"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("find_g", GroupCoordinatorNotAvailableError()),
        ("offsets_of_g", GroupLoadInProgressError()),
        ("offsets_of_g", TimeoutError()),
    ],
)
async def test_a_coordinator_that_is_away_says_nothing_of_the_other_group(answers, request_, error):
    """A member that is out of its group then would be so after a restart too."""
    expected = Answers(broker=True, silent_groups=frozenset({"g"}))
    assert await answers(**{request_: error}) == expected


async def test_no_broker_answers(answers):
    """Nothing else is asked then."""
    assert await answers(start=KafkaConnectionError()) == Answers(broker=False)
    assert Admin.asked == []


async def test_a_file_of_the_settings_that_can_not_be_read_is_no_answer():
    """A new process would not get as far as this one."""

    class Unreadable(Connection):
        def options(self, _client_id):
            raise PermissionError(13, "denied")

    assert await ask_brokers(Unreadable("a:1"), "watch") == Answers(broker=False)


async def test_a_coordinator_that_refuses_us_has_answered(answers):
    """The other group's is asked all the same."""
    assert await answers(find_g=GroupAuthorizationFailedError()) == Answers(broker=True)
    assert "offsets of g-retry" in Admin.asked


@pytest.mark.parametrize(
    ("needed", "leader", "in_sync", "take"),
    [
        ("2", 1, [1, 2], True),
        ("2", 1, [1], False),
        ("2", -1, [1, 2], False),
        (None, 1, [1], True),
        (None, 1, [], False),
    ],
)
async def test_brokers_say_whether_they_could_take_a_write_that_waits(
    answers, needed, leader, in_sync, take
):
    """With a leader and enough copies in sync, what still waits for an answer hangs in the worker."""
    well, other = {"leader": 1, "isr": [1, 2, 3]}, {"leader": leader, "isr": in_sync}
    Admin.needed, Admin.partitions = needed, [well, other]
    assert await answers(late={"t"}) == Answers(broker=True, take_writes=take)
    assert Admin.asked[-2:] == ["configs", "topics"]


@pytest.mark.parametrize("fails", ["configs", "topics"])
async def test_brokers_that_do_not_tell_of_a_topic_take_no_writes(answers, fails):
    """Nothing is known then, and nothing is restarted."""
    Admin.needed, Admin.partitions = "2", []
    said = await answers(late={"t"}, **{fails: KafkaConnectionError()})
    assert said == Answers(broker=True, take_writes=False)
