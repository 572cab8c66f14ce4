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


async def exchange(connection, answer=ANSWER):
    done = connection.begin(b"POST", ResponseReader())
    assert connection.should_close  # in the middle of it
    connection.data_received(answer)
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


def keep_alive(value):
    return ANSWER.replace(b"\r\n\r\n", f"\r\nKeep-Alive: {value}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("timeout=2", 1),
        ("timeout=3, max=100", 2),
        ("max=100, Timeout = 3", 2),
        ('timeout="4"', 3),
        ("timeout=9, timeout=2", 1),
        ("timeout=60", 59),
    ],
)
async def test_a_connection_lies_idle_for_less_than_the_server_says(
    connection, clock, told, seconds
):
    """A second less: its answer and the next request have their ways."""
    await exchange(connection, keep_alive(told))
    assert not connection.should_close
    clock.now += seconds
    assert connection.is_connected()
    clock.now += 0.01
    assert not connection.is_connected()


@pytest.mark.parametrize(
    "told", ["max=5", "xtimeout=2", "timeout=", "timeout=-1", "", f"timeout={'9' * 5000}"]
)
async def test_what_says_no_time_leaves_it_to_the_pool(connection, clock, told):
    """Which ends it after its own."""
    await exchange(connection, keep_alive(told))
    clock.now += 3600
    assert connection.is_connected()
    assert not connection.should_close


async def test_a_connection_lies_idle_by_the_last_answer(connection, clock):
    """And in the middle of an exchange it does not lie idle."""
    await exchange(connection, keep_alive("timeout=2"))
    clock.now += 1
    done = connection.begin(b"POST", ResponseReader())
    clock.now += 5
    assert connection.is_connected()
    connection.data_received(keep_alive("timeout=3"))
    await done
    clock.now += 2
    assert connection.is_connected()
    clock.now += 0.01
    assert not connection.is_connected()


@pytest.mark.parametrize("told", ["timeout=1", "timeout=0, max=0", "timeout=1.5"])
async def test_a_connection_that_ends_within_a_second_is_not_kept(connection, told):
    """A call on it would meet its end."""
    await exchange(connection, keep_alive(told))
    assert connection.should_close


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
