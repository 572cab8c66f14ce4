"""How often a client asks its brokers about topics."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.client import AIOKafkaClient

from streams.kafka.patches import paced_metadata

PAUSE_SECONDS = 0.1


@pytest.fixture
def asked(monkeypatch):
    """What the brokers are asked, and when; the question fails where the topics are bad."""
    asked: list[tuple[object, float]] = []

    async def ask(_client, _cluster, topics):
        asked.append((topics, asyncio.get_running_loop().time()))
        if "bad" in topics:
            raise ConnectionError
        return True

    monkeypatch.setattr(paced_metadata, "_ask", ask)
    return asked


@pytest.mark.parametrize("topic", ["good", "bad"])
async def test_the_same_question_waits(asked, topic):
    """Whatever came of it: the brokers may have least to spare then."""
    client = SimpleNamespace(cluster="its own")
    for _ in range(3):
        try:
            assert await paced_metadata._ask_paced(client, client.cluster, [topic])
        except ConnectionError:
            assert topic == "bad"
    times = [at for _, at in asked]
    assert times[1] - times[0] >= PAUSE_SECONDS
    assert times[2] - times[1] >= PAUSE_SECONDS


async def test_another_question_does_not(asked):
    """A topic that is written to for the first time, and whoever looks at all topics once."""
    client = SimpleNamespace(cluster="its own")
    slept: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", slept.append)
        for topics in (["a"], ["a", "b"], ["b"]):
            await paced_metadata._ask_paced(client, client.cluster, topics)
        await paced_metadata._ask_paced(client, "another", ["b"])
    assert not slept
    assert len(asked) == 4


def test_it_is_in_force_in_every_program():
    """Applied by whoever makes clients."""
    before = AIOKafkaClient._metadata_update
    try:
        paced_metadata.apply()
        assert AIOKafkaClient._metadata_update is paced_metadata._ask_paced
    finally:
        AIOKafkaClient._metadata_update = before
