"""Several requests of one connection whose time is over at once, and one of them that finds the connection taken away."""

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka.patches import timed_out_requests

REQUEST = FetchRequest(0, 0, 0, 0, [])


class Connection:
    """One that answers nothing in time; another request has closed it by then, and a third has asked for a new one."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def send(self, _request: Any, *, expect_response: bool) -> Any:
        assert expect_response
        self.client._conns.clear()
        raise TimeoutError


@pytest.fixture
def client():
    """A client with that one connection."""
    client: Any = AIOKafkaClient.__new__(AIOKafkaClient)
    client._closing = None
    client._conns = {(1, ConnectionGroup.DEFAULT): Connection(client)}

    async def ready(_node, *, group):
        return (1, group) in client._conns

    client.ready = ready
    yield client
    client._conns = {}


async def test_it_has_timed_out(client):
    """An error that whoever fetches knows, and tries again after."""
    with pytest.raises(RequestTimedOutError):
        await timed_out_requests._send_or_time_out(client, 1, REQUEST)


async def test_another_key_error_is_told_as_it_is(client, monkeypatch):
    """It is a mistake of somebody's."""

    async def mistaken(*_args, **_options):
        raise KeyError(5)

    monkeypatch.setattr(timed_out_requests, "_send", mistaken)
    with pytest.raises(KeyError, match="5"):
        await timed_out_requests._send_or_time_out(client, 1, REQUEST)


async def test_aiokafka_itself_still_raises_something_else(client):
    """When this fails, the patch can go."""
    with pytest.raises(KeyError):
        await timed_out_requests._send(client, 1, REQUEST)


def test_it_is_in_force_in_every_program(monkeypatch):
    """Applied by whoever makes clients."""
    monkeypatch.setattr(AIOKafkaClient, "send", timed_out_requests._send)
    timed_out_requests.apply()
    assert AIOKafkaClient.send is timed_out_requests._send_or_time_out
