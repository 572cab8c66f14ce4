"""A broker that accepts connections and answers nothing holds up nobody for longer than it must."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ListGroupsRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.patches import answer_times, closed_connections
from streams.kafka.patches.answer_times import know_brokers

_API_VERSIONS = 18
_AN_HOUR_MS = 3_600_000


@asynccontextmanager
async def _broker(*, answers_versions):
    """Give the port of a listener that says which requests it knows, or not even that, and then nothing more."""
    silent = asyncio.Event()

    async def serve(reader, writer):
        if answers_versions:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            key, _, correlation = struct.unpack_from(">hhi", await reader.readexactly(size))
            assert key == _API_VERSIONS
            known = b"".join(struct.pack(">hhh", number, 0, 1) for number in range(20))
            answer = struct.pack(">ihi", correlation, 0, 20) + known
            writer.write(struct.pack(">i", len(answer)) + answer)
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        silent.set()
        server.close()
        await server.wait_closed()


@pytest.fixture
def limited(monkeypatch):
    """Put the limits in force for this test, and make them short."""
    for name in ("send", "connect", "_send_sasl_token"):
        monkeypatch.setattr(AIOKafkaConnection, name, getattr(AIOKafkaConnection, name))
    monkeypatch.setattr(answer_times._cluster, "brokers", 0)
    monkeypatch.setattr(answer_times, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(
        answer_times, "ANSWER_SECONDS", dict.fromkeys(answer_times.ANSWER_SECONDS, 0.1)
    )
    answer_times.apply()
    answer_times.apply()


@pytest.mark.usefixtures("limited")
async def test_a_connection_is_given_up_soon():
    """An hour, the client's time-out, does not count before a broker has said what it knows; then nobody calls it for a while."""
    async with _broker(answers_versions=False) as port:
        for expected in (TimeoutError, KafkaConnectionError):  # the second is told at once
            connection = AIOKafkaConnection("127.0.0.1", port, request_timeout_ms=_AN_HOUR_MS)
            with pytest.raises(expected):
                await connection.connect()


@pytest.mark.usefixtures("limited")
async def test_an_answer_is_waited_for_by_what_was_asked():
    """Who leads what must be answered soon; a request that is not listed has the client's own time-out."""
    async with _broker(answers_versions=True) as port:
        connection = AIOKafkaConnection("127.0.0.1", port, request_timeout_ms=_AN_HOUR_MS)
        await connection.connect()
        try:
            other = asyncio.ensure_future(connection.send(ListGroupsRequest()))
            with pytest.raises(TimeoutError):
                await connection.send(MetadataRequest([]))
            assert not other.done()
            other.cancel()
        finally:
            connection.close()


def test_a_wait_is_never_made_longer():
    """Nothing is waited for longer than leaders take to change, and a client with less patience keeps its own."""
    assert max(answer_times.ANSWER_SECONDS.values()) <= 15
    seen = []

    class Connection:
        _request_timeout = 2.0

        def send(self, request):
            seen.append((request.API_KEY, self._request_timeout))

    Connection.send = answer_times._by_request(Connection.send)  # type: ignore[method-assign]
    connection = Connection()
    connection.send(MetadataRequest([]))
    assert (seen, connection._request_timeout) == ([(3, 2.0)], 2.0)


@pytest.mark.usefixtures("limited")
def test_both_ways_around_a_write_are_in_force():
    """That a closed connection is told as such does not depend on which of the two was put in force first."""
    closed_connections.apply()
    assert hasattr(AIOKafkaConnection.send, "closed_is_told")
    assert AIOKafkaConnection.send.__wrapped__ is not None


@pytest.mark.usefixtures("limited")
async def test_the_only_broker_is_waited_for():
    """Where no other can be asked nobody hangs up: the client's own time-out counts, and the broker is called again at once."""
    know_brokers(1)
    async with _broker(answers_versions=False) as port:
        for _ in range(2):
            connection = AIOKafkaConnection("127.0.0.1", port, request_timeout_ms=500)
            began = asyncio.get_running_loop().time()
            with pytest.raises(TimeoutError):
                await connection.connect()
            assert asyncio.get_running_loop().time() - began > 0.4
    know_brokers(3)
    async with _broker(answers_versions=False) as port:
        connection = AIOKafkaConnection("127.0.0.1", port, request_timeout_ms=_AN_HOUR_MS)
        with pytest.raises(TimeoutError):
            await connection.connect()
