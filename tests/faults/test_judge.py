"""The judge finds every repeat, and takes no explanation that the evidence does not bear."""

import json

import pytest

from streams.kafka.committed_state import CommittedState
from streams.sandbox.inbox import Received
from streams.sandbox.ledger import Kept, Ledger, Produced
from tests.faults.commits import Commit
from tests.faults.judge import COMMIT_MS, STALLED_MS, Break, Why, judge

SOURCE = "source"
EVENT = f"{SOURCE}/0/0"
TIER = "p-retry-1s"
START = 1_700_000_000_000


class Evidence:
    """One event whose attempts a test adds."""

    def __init__(self):
        self.kept = [Kept(SOURCE, 0, 0, b"{}")]
        self.requests = []
        self.commits = []

    def commit(self, at_ms, progress, *, full=False):
        """Add a commit of the source topic."""
        self.commits.append(Commit(at_ms, progress, full))

    def tier(self, *, attempt, parks=0, due):
        """Add a record of the event on the tier."""
        headers = {
            "origin": EVENT,
            "attempt": str(attempt),
            "parks": str(parks),
            "replays": "0",
            "due-at-ms": str(due),
        }
        offset = sum(record.topic == TIER for record in self.kept)
        self.kept.append(Kept(TIER, 0, offset, b"body", headers, timestamp_ms=due - 300))

    def journal(self, kind, at_ms, **members):
        """Add an attempts record."""
        value = {"v": 1, "kind": kind, "at_ms": at_ms, "origin": EVENT, "replays": 0} | members
        value = {"parks": 0, "worker": "one", **value}
        raw = json.dumps(value).encode()
        self.kept.append(Kept("p-attempts", 0, len(self.kept), raw, timestamp_ms=at_ms))

    def attempt(self, number, start, *, due=None, written=True, **members):
        """Add a request of 10 ms, and its attempts record if it was written."""
        given = {
            "number": len(self.requests) + 1,
            "attempt": 1,
            "at_seconds": (start - START + 1) / 1000,
            "at_ms": start,
            "path": "/",
            "headers": {"request-time": str(start), "signature": str(len(self.requests))},
            "body": b"body",
            "sha256": "",
            "order_id": "order",
            "signature_valid": True,
            "faults": (),
            "answer": "S",
            "connection": "",
            "in_flight": 1,
        }
        self.requests.append(Received(**given))
        if written:
            members = {
                "attempt": number,
                "trigger": "event" if due is None else "ladder",
                "due_at_ms": due,
                "started_at_ms": start,
                "ended_at_ms": start + 10,
                "decision": "delivered",
            } | members
            self.journal("attempt", start + 10, **members)

    def verdict(self, *breaks):
        """Return the judge's words about repeats, and how many it explained."""
        ledger = Ledger(
            prefix="p",
            produced=[Produced(EVENT, "mpp-to-ant", "order", "delivered")],
            requests=self.requests,
            kept=self.kept,
            committed={(SOURCE, 0): 1, (TIER, 0): 9},
            scale=0.001,
            monotonic_zero_ms=float(START),
            repeats_allowed=9,
        )
        verdict = judge(ledger, breaks, {(SOURCE, 0): self.commits})
        repeats = {why: count for why, count in verdict.repeats.items() if count}
        return repeats, [fault.detail for fault in verdict.faults] + list(verdict.forks)


@pytest.fixture
def evidence():
    """Nothing yet."""
    return Evidence()


def kill(at_ms, worker="one"):
    """Return the kill of a worker."""
    return Break(at_ms, at_ms, worker)


@pytest.mark.parametrize(
    ("killed", "why"),
    [
        (5, Why.IN_FLIGHT),
        (200, Why.LAST_COMMIT),
        (10 + COMMIT_MS, Why.LAST_COMMIT),
        (11 + COMMIT_MS, Why.LATE_COMMIT),
    ],
)
def test_a_kill_explains_what_was_not_committed(evidence, killed, why):
    """By how long before it the broker had the record of the attempt."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2000)
    assert evidence.verdict(kill(START + killed)) == ({why: 1}, [])


def test_a_commit_that_never_came_explains_nothing(evidence):
    """A worker that has stopped to commit is not slow."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2 * STALLED_MS)
    repeats, faults = evidence.verdict(kill(START + STALLED_MS + 11))
    assert not repeats
    assert any("without a commit" in fault for fault in faults)


def test_what_had_no_room_beside_the_offset(evidence):
    """Only a commit that came after, and was full, explains it."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2000)
    evidence.commit(START + 400, CommittedState(0))
    assert evidence.verdict(kill(START + 500)) == ({Why.LATE_COMMIT: 1}, [])
    evidence.commit(START + 450, CommittedState(0), full=True)
    assert evidence.verdict(kill(START + 500)) == ({Why.BEHIND_HEAD: 1}, [])


@pytest.mark.parametrize("progress", [CommittedState(1), CommittedState(0, frozenset({0}))])
def test_what_was_committed_may_not_be_repeated(evidence, progress):
    """Whatever broke, and although a later commit forgot it."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2000)
    evidence.commit(START + 100, progress)
    evidence.commit(START + 150, CommittedState(0))
    repeats, faults = evidence.verdict(kill(START + 200))
    assert not repeats
    assert any("although its offset was committed" in fault for fault in faults)


def test_another_workers_kill_explains_nothing(evidence):
    """The record was not in its hands; an outage of the broker concerns all."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2000)
    repeats, faults = evidence.verdict(kill(START + 5, "two"))
    assert not repeats
    assert any("nothing broke in between" in fault for fault in faults)
    assert evidence.verdict(kill(START + 5, None)) == ({Why.IN_FLIGHT: 1}, [])


@pytest.mark.parametrize("killed", [-500, 3000])
def test_a_kill_at_another_time_explains_nothing(evidence, killed):
    """It must lie between the two."""
    evidence.attempt(1, START)
    evidence.attempt(1, START + 2000)
    repeats, faults = evidence.verdict(kill(START + killed))
    assert not repeats
    assert any("nothing broke in between" in fault for fault in faults)


def test_a_request_that_was_never_written_down(evidence):
    """It was in flight at a kill, or the notifier forgot it."""
    evidence.attempt(1, START, written=False)
    evidence.attempt(1, START + 2000)
    assert evidence.verdict(kill(START + 5)) == ({Why.IN_FLIGHT: 1}, [])
    repeats, faults = evidence.verdict()
    assert not repeats
    assert any("never written down" in fault for fault in faults)


def test_a_second_ladder(evidence):
    """A kill explains the repeated first attempt, but not that both its retries were attempted."""
    evidence.attempt(1, START, decision="retry")
    evidence.attempt(1, START + 2000, decision="retry")
    evidence.tier(attempt=1, due=START + 12)
    evidence.tier(attempt=1, due=START + 2012)
    evidence.attempt(2, START + 2001, due=START + 12)
    repeats, faults = evidence.verdict(kill(START + 50))
    assert (repeats, faults) == ({Why.LAST_COMMIT: 1}, [])
    evidence.attempt(2, START + 2020, due=START + 2012)
    repeats, faults = evidence.verdict(kill(START + 50))
    (fork,) = faults
    assert "attempt 2 was made from" in fork


def test_an_attempt_that_a_kill_repeats_after_a_park(evidence):
    """Of two copies one was attempted; the next worker moves that one aside, recognises the other, and attempts once."""
    evidence.attempt(1, START, decision="retry")
    evidence.attempt(1, START + 2000, decision="retry")
    for due in (START + 12, START + 2012):
        evidence.tier(attempt=1, due=due)
    evidence.attempt(2, START + 2020, due=START + 12, decision="retry")
    next_worker = {"attempt": 1, "worker": "two", "trigger": "ladder"}
    evidence.journal("park", START + 3000, **next_worker | {"parks": 1, "decision": "parked"})
    evidence.tier(attempt=1, parks=1, due=START + 3300)
    evidence.journal("decision", START + 3010, **next_worker | {"decision": "absorbed"})
    evidence.attempt(2, START + 3310, due=START + 3300, parks=1, trigger="park", worker="two")
    repeats, faults = evidence.verdict(kill(START + 50), kill(START + 2040))
    assert (repeats, faults) == ({Why.LAST_COMMIT: 2}, [])


def test_a_park_that_was_not_committed(evidence):
    """The event is taken up again, and so is its parked copy: explained, once."""
    evidence.journal("park", START, attempt=0, parks=1, trigger="event", decision="parked")
    evidence.tier(attempt=0, parks=1, due=START + 300)
    evidence.attempt(1, START + 2000)
    evidence.attempt(1, START + 2100, due=START + 300, parks=1, trigger="park")
    assert evidence.verdict(kill(START + 50)) == ({Why.LAST_COMMIT: 1}, [])
    repeats, faults = evidence.verdict()
    assert not repeats
    assert any("nothing broke in between" in fault for fault in faults)
