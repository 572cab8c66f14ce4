"""How long a connection is used, by a clock that is moved by hand."""

import asyncio
from itertools import pairwise

import pytest

from streams.webhook.connector import LOOKUP_SECONDS
from streams.webhook.protocol import (
    CLOSING_SECONDS,
    GREATEST_AGE_SECONDS,
    IDLE_SECONDS,
    MOST_CALLS,
    SPREAD_SECONDS,
    PartnerProtocol,
)
from streams.webhook.response import ResponseReader

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class HandClock:
    """An event loop's clock and futures."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def call_later(self, seconds, call):
        self.timers.append((seconds, call))

    def time(self):
        return self.now

    def create_future(self):
        return asyncio.get_running_loop().create_future()


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed, self.aborted = [], False, False

    def write(self, data):
        self.written.append(data)

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.closed


@pytest.fixture
def clock():
    return HandClock()


def opened(clock):
    made = PartnerProtocol(clock)
    made.connection_made(Wire())
    return made


@pytest.fixture
def connection(clock):
    """A connection that has just been opened."""
    return opened(clock)


async def exchange(connection):
    done = connection.begin(b"POST", ResponseReader())
    assert connection.should_close  # in the middle of it
    connection.data_received(ANSWER)
    await done


async def test_no_call_begins_on_a_connection_older_than_a_minute(clock):
    """One that could lie idle past its minute goes back to nobody; those of one burst don't all end at once."""
    burst = [opened(clock) for _ in range(SPREAD_SECONDS)]
    began, ended = clock.now, []
    for age in range(int(GREATEST_AGE_SECONDS)):
        clock.now = began + age
        for connection in burst:
            if not connection.should_close:
                await exchange(connection)
        ended.append(sum(connection.should_close for connection in burst))
    oldest = int(GREATEST_AGE_SECONDS - IDLE_SECONDS)
    assert ended[oldest - SPREAD_SECONDS] == 0
    assert ended[oldest] == SPREAD_SECONDS
    assert [later - sooner for sooner, later in pairwise(ended)] == [
        *[0] * (oldest - SPREAD_SECONDS),
        *[1] * SPREAD_SECONDS,
        *[0] * int(IDLE_SECONDS - 1),
    ]


async def test_a_connection_carries_a_thousand_calls(connection):
    """The last one closes it."""
    for _ in range(MOST_CALLS - 1):
        await exchange(connection)
    assert not connection.should_close
    await exchange(connection)
    assert connection.should_close


def test_the_numbers_are_those_of_the_page():
    """docs/answers.md says within how long a name that moves is followed."""
    assert (LOOKUP_SECONDS, GREATEST_AGE_SECONDS, IDLE_SECONDS, MOST_CALLS) == (10, 60, 4, 1000)


def test_whoever_does_not_answer_the_end_of_tls_is_cut_off(clock):
    """The event loop would wait 30 s for it, and keep the socket."""
    wire, connection = Wire(), PartnerProtocol(clock)
    connection.connection_made(wire)
    connection.close()
    assert (wire.closed, wire.aborted) == (True, False)
    ((seconds, cut_off),) = clock.timers
    assert seconds == CLOSING_SECONDS == 1
    cut_off()
    assert wire.aborted


async def test_what_nobody_asked_for_closes_the_connection(connection):
    """It would stand before the answer to the next request."""
    wire = connection.transport
    await exchange(connection)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert wire.closed
    assert connection.should_close


async def test_a_closed_connection_is_not_written_to(connection):
    """Nothing left us then, and the attempt says so."""
    connection.transport.close()
    with pytest.raises(ConnectionResetError):
        connection.begin(b"POST", ResponseReader())
    assert connection.transport.written == []
