"""What a worker may call, how many at once and how soon is judged by the calls themselves."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.notification.outcome import Blocked
from tests.simulation.call_limits import CallLimits
from tests.simulation.loop import Process
from tests.simulation.plan import REST_SECONDS

HEARD, SILENT, REST = 200, None, 503


class Played:
    """Calls of one worker at moments of the test's choice, and what was said of them."""

    def __init__(self, most: int = 8) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.process = Process("worker-1")
        self.limits = CallLimits(most, lambda: self.now, self.said.append)

    def begin(self, name: str = "ant", *, retry: bool = False, paused: bool = False, **terms: Any):
        partner: Any = SimpleNamespace(
            **({"partner_id": name, "max_in_flight": 2, "rate_limit_per_second": None} | terms)
        )
        return self.limits.begin(self.process, partner, retry=retry, paused=paused)

    def end(self, call: Any, status: int | None, *, blocked: bool = False) -> None:
        outcome = Blocked("forbidden") if blocked else None
        result: Any = SimpleNamespace(outcome=outcome, http_status=status)
        self.limits.end(call, result)

    def call(self, seconds: float, status: int | None, **of: Any) -> None:
        """Make a call that begins now and takes so long."""
        call = self.begin(**of)
        self.now += seconds
        self.end(call, status)


def test_no_more_calls_at_once_than_a_destination_and_a_worker_may_have():
    """Whichever is fewer; what has ended counts no more, however it ended."""
    played = Played(most=3)
    calls = [played.begin("ant"), played.begin("ant"), played.begin("other")]
    assert not played.said
    played.end(calls[0], HEARD)
    played.limits.end(calls[1], None)
    calls = [played.begin("ant"), played.begin("ant")]
    assert not played.said
    played.begin("ant")
    assert [one.partition(" with ")[2] for one in played.said] == [
        "4 at once, where its calls may be 3",
        "3 at once, where the partner's may be 2",
    ]


def test_retries_have_half_of_a_workers_calls():
    """And one where it makes only one."""
    for most, retries in ((1, 1), (2, 1), (5, 2)):
        played = Played(most)
        for number in range(retries):
            played.begin(str(number), retry=True)
        assert not played.said
        played.begin("more", retry=True)
        assert f"where its retries may be {retries}" in played.said[-1]


@pytest.mark.parametrize(("apart", "wrong"), [(0.36, False), (0.34, True)])
def test_calls_come_no_faster_than_the_rate(apart, wrong):
    """Less the slack that a rate has, and the turns of the event loop in which a call begins."""
    played = Played()
    played.call(0.1, HEARD, rate_limit_per_second=2.0)
    played.now += apart - 0.1
    played.begin(rate_limit_per_second=2.0)
    assert bool(played.said) is wrong


@pytest.mark.parametrize(
    ("after", "wrong"), [(0.04, False), (0.06, True), (REST_SECONDS - 0.01, True), (3.0, False)]
)
def test_a_rest_that_was_asked_for_is_kept(after, wrong):
    """But for what had its permit when the answer came."""
    played = Played()
    played.call(0.1, REST)
    played.now += after
    played.begin()
    assert bool(played.said) is wrong


def test_where_nothing_answers_one_call_a_second_goes_out():
    """The first one that comes after the silence is known may come at once; an answer ends it."""
    played = Played()
    played.call(0.3, SILENT)
    played.call(0.3, SILENT)
    assert not played.said
    played.begin()
    assert "where nothing answers" in played.said.pop()
    played.now += 1.0
    played.call(0.1, HEARD)
    played.call(0.1, HEARD)
    assert not played.said


def test_probes_have_a_quarter_of_a_workers_calls():
    """Whichever partners they are of."""
    played = Played(most=8)
    for name in ("a", "b", "c"):
        played.call(0.3, SILENT, name=name)
    played.begin("a")
    played.begin("b")
    assert not played.said
    played.begin("c")
    assert "with 3 at once, where its probes may be 2" in played.said.pop()


def test_what_was_answered_a_moment_ago_is_not_silent():
    """Nor is one whose answers take long, for twice that time."""
    played = Played()
    played.call(2.0, HEARD)
    for _ in range(3):
        played.call(0.5, SILENT)
    assert not played.said


def test_a_call_that_was_not_made_says_nothing_of_its_destination():
    """As where the egress rules forbid it."""
    played = Played()
    for _ in range(3):
        played.end(played.begin(), SILENT, blocked=True)
    assert not played.said


def test_a_worker_that_stood_still_may_do_at_once_what_came_due_meanwhile():
    """Its permits are of before; how many calls it has at once counts all the same."""
    played = Played()
    played.call(0.1, REST, rate_limit_per_second=2.0)
    played.process.stopped_until = played.now + 1.0
    played.now += 1.01
    played.begin(rate_limit_per_second=2.0)
    played.begin(rate_limit_per_second=2.0)
    assert not played.said
    played.begin(rate_limit_per_second=2.0)
    assert len(played.said) == 1


def test_a_group_has_two_records_for_each_call_in_hand():
    """Each group by itself."""
    played = Played(most=1)
    for _ in range(2):
        played.limits.records("a", 1)
        played.limits.records("b", 1)
    played.limits.records("a", -1)
    played.limits.records("a", 1)
    assert not played.said
    played.limits.records("a", 1)
    assert played.said == ["3 records of a group at once, where 2 may be"]


def test_a_partner_that_is_paused_is_not_called():
    """As far as the worker had read when it took the record up."""
    played = Played()
    played.begin(paused=True)
    assert played.said == ["a call beyond limits: worker-1 calls ant which is paused"]


def test_a_destination_that_was_not_called_for_long_begins_anew():
    """The worker has forgotten it, and how it was."""
    played = Played()
    for _ in range(2):
        played.call(0.3, SILENT)
    played.now += 61.0
    played.begin()
    played.begin()
    assert not played.said
