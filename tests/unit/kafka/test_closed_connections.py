"""A connection that uvloop has closed is a broken connection to aiokafka, and no reason to end a task."""

import asyncio
from types import SimpleNamespace

import pytest
import uvloop
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError

from streams.kafka.patches.closed_connections import translated


class Connection:
    """A place that writes as aiokafka's does."""

    closed = None

    def __init__(self, writer):
        self._writer = writer

    def send(self, text):
        self._writer.write(text)

    def close(self, reason):
        self.closed = reason


def test_writing_to_a_closed_transport():
    """With uvloop it is a RuntimeError, which left a worker without a coordinator for ever."""

    async def write_late():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            await writer.wait_closed()
            connection = Connection(writer)
            with pytest.raises(RuntimeError):
                connection.send(b"x")
            with pytest.raises(KafkaConnectionError):
                translated(Connection.send)(connection, b"x")
            assert connection.closed is CloseReason.CONNECTION_BROKEN

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_late())


def test_any_other_error_is_itself():
    """Only a closed transport explains a RuntimeError."""

    def write(_):
        raise RuntimeError

    transport = SimpleNamespace(is_closing=lambda: False)
    with pytest.raises(RuntimeError):
        translated(write)(Connection(SimpleNamespace(transport=transport)))


def test_a_connection_that_aiokafka_has_closed_says_so_itself():
    """Its own errors are RuntimeErrors, and then there is no writer to look at any more."""

    def write(_):
        raise KafkaConnectionError

    with pytest.raises(KafkaConnectionError):
        translated(write)(Connection(None))
