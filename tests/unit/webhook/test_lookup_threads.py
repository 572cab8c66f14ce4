"""Threads for look-ups: as many as there may be, and none that holds up the end of a process."""

import socket
import threading
import time
from concurrent.futures.thread import _threads_queues as waited_for_at_the_end

import pytest

from streams.webhook.lookup_threads import LookupThreads


@pytest.fixture
def threads():
    made = LookupThreads(3)
    yield made
    made.shutdown(wait=False)


def test_nobody_waits_for_a_look_up_that_hangs(threads):
    """Neither who shuts down nor Python at its end: they would hold up a worker for minutes, until it is killed."""
    go, begun = threading.Event(), threading.Event()

    def hang():
        begun.set()
        go.wait(60)
        return threading.current_thread()

    hanging = threads.submit(hang)
    assert begun.wait(10)
    threads.shutdown(wait=True)
    assert not hanging.done()
    go.set()
    thread = hanging.result(10)
    assert thread.daemon
    assert thread not in waited_for_at_the_end


def test_as_many_as_there_may_be_run_at_once(threads):
    """A further one waits for its turn, and idle threads are used again."""
    go, names, together = threading.Event(), set(), threading.Barrier(4)

    def look_up(number):
        names.add(threading.current_thread().name)
        if number < 3:
            together.wait(10)
        go.wait(10)
        return number

    futures = [threads.submit(look_up, number) for number in range(9)]
    together.wait(10)
    assert not any(future.done() for future in futures)
    go.set()
    assert [future.result(10) for future in futures] == list(range(9))
    assert len(names) == 3


def test_one_thread_serves_one_after_the_other(threads):
    """Threads are begun where none is idle."""
    names = set()
    for _ in range(10):
        names.add(threads.submit(lambda: threading.current_thread().name).result(10))
        time.sleep(0.01)
    assert len(names) < 3


def test_a_thread_that_can_not_be_started_is_no_thread(threads, monkeypatch):
    """Nothing of it stays: the look-up failed for now, is not made later, and as many threads may begin as before."""
    made: list[int] = []
    start = threading.Thread.start

    def refuse(_thread):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(5):
        with pytest.raises(socket.gaierror) as caught:
            threads.submit(made.append, 1)
        assert caught.value.errno == socket.EAI_AGAIN
    monkeypatch.setattr(threading.Thread, "start", start)
    together = threading.Barrier(3)
    begun = [threads.submit(together.wait, 10) for _ in range(3)]
    assert sorted(future.result(10) for future in begun) == [0, 1, 2]
    assert made == []


def test_an_idle_thread_is_enough_where_no_other_can_be_started(threads, monkeypatch):
    """It takes the next look-up as ever."""
    assert threads.submit(int, "1").result(10) == 1
    while not threads._idle._value:  # it has said its result, and is about to be idle
        time.sleep(0.001)
    monkeypatch.setattr(threading.Thread, "start", None)
    assert threads.submit(int, "2").result(10) == 2


def test_an_error_is_the_askers(threads):
    """And the thread goes on."""
    for _ in range(5):
        with pytest.raises(OSError, match="no such host"):
            threads.submit(_fail).result(10)


def test_what_has_not_begun_at_the_end_is_cancelled(threads):
    """Whoever waits for it hears of it; nothing new is taken."""
    go, begun = threading.Event(), threading.Barrier(4)

    def look_up():
        begun.wait(10)
        return go.wait(10)

    running = [threads.submit(look_up) for _ in range(3)]
    waiting = threads.submit(go.wait, 10)
    begun.wait(10)
    threads.shutdown(wait=False)
    assert waiting.cancelled()
    go.set()
    assert all(future.result(10) for future in running)
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(go.wait)


def _fail():
    message = "no such host"
    raise OSError(message)
