"""Whether what looks dead may be the brokers' fault: one answers, and each group's coordinator."""

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
)

from streams.kafka.admin import preflight
from streams.kafka.connection import Connection

GROUPS = ("g", "g-retry")


class Admin:
    """A connection whose requests fail with what the test says, by their names."""

    fails: dict[str, Exception]
    asked: list[str]

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

    async def close(self):
        self.closed = True


@pytest.fixture
def answers(monkeypatch):
    """Ask brokers of which these requests fail."""

    async def ask(**fails):
        monkeypatch.setattr(preflight, "AIOKafkaAdminClient", Admin)
        Admin.fails = {name.replace("_", " "): error for name, error in fails.items()}
        Admin.asked = []
        return await preflight.broker_answers(Connection("memory:0"), "watch", GROUPS)

    return ask


async def test_all_answer(answers):
    """Each group's coordinator is asked something that only it can say."""
    assert await answers()
    assert Admin.asked[-4:] == ["find g", "offsets of g", "find g-retry", "offsets of g-retry"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("start", KafkaConnectionError()),
        ("find_g", GroupCoordinatorNotAvailableError()),
        ("offsets_of_g", GroupLoadInProgressError()),
        ("offsets_of_g", TimeoutError()),
    ],
)
async def test_one_that_does_not_answer_is_enough(answers, request_, error):
    """A member that is out of its group then would be so after a restart too."""
    assert not await answers(**{request_: error})


async def test_a_coordinator_that_refuses_us_has_answered(answers):
    """The other group's is asked all the same."""
    assert await answers(find_g=GroupAuthorizationFailedError())
    assert "offsets of g-retry" in Admin.asked
