"""The ledger finds every fault: each test plants one in evidence that is good."""

import json
from dataclasses import replace

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.inbox import Received
from streams.sandbox.ledger import FaultKind, Kept, Ledger, Produced

ZERO_MS = 1_700_000_000_000.0
"""The wall clock at the zero of the monotonic clock."""
SCALE = 0.001
SOURCE = "payment-final-state"
A, B, C = f"{SOURCE}/0/0", f"{SOURCE}/0/1", f"{SOURCE}/1/0"
START = 1_700_000_100_000


class World:
    """Good evidence: A is delivered at its third attempt, B is refused at its first, C is an invalid event."""

    def __init__(self):
        self.produced = [
            Produced(A, "mpp-to-ant", "order-a", "delivered"),
            Produced(B, "mpp-to-ant", "order-b", "rejected"),
            Produced(C, "", "", "invalid-event"),
        ]
        self.requests = []
        self.kept = [Kept(SOURCE, 0, 0, b"{}"), Kept(SOURCE, 0, 1, b"{}"), Kept(SOURCE, 1, 0, None)]
        # 1 s and 3 s at this scale are 1 ms and 3 ms
        self.attempt(A, "order-a", 1, START, "retry")
        self.attempt(A, "order-a", 2, START + 12, "retry")
        self.attempt(A, "order-a", 3, START + 26, "delivered")
        self.tier(A, "1s", 1, b"body of order-a")
        self.tier(A, "3s", 2, b"body of order-a")
        self.attempt(B, "order-b", 1, START + 1, "dead-letter", dead_letter_reason="rejected")
        self.letter(B, "rejected", value=b"body of order-b", attempt="1")
        self.journal(
            C, "decision", START, decision="dead-letter", dead_letter_reason="invalid-event"
        )
        self.letter(C, "invalid-event")
        self.committed = {
            (SOURCE, 0): 2,
            (SOURCE, 1): 1,
            ("p-retry-1s", 0): 1,
            ("p-retry-3s", 0): 1,
        }
        self.repeats_allowed = 0

    def add(self, topic, value, **headers):
        offset = sum(record.topic == topic for record in self.kept)
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.kept.append(Kept(topic, 0, offset, value, named))

    def journal(self, origin, kind, at_ms, **members):
        value = {
            "v": 1,
            "kind": kind,
            "at_ms": at_ms,
            "origin": origin,
            "trigger": "event",
            **members,
        }
        self.add("p-attempts", json.dumps(value).encode())

    def attempt(self, origin, order, number, start, decision, **members):  # what a test may vary
        """Add an attempt of 10 ms with its request, which arrives after 5."""
        members = {
            "attempt": number,
            "replays": 0,
            "trigger": "event" if number == 1 else "ladder",
            "due_at_ms": start - 1,
            "started_at_ms": start,
            "ended_at_ms": start + 10,
            "http_status": 200,
            "decision": decision,
            **members,
        }
        self.journal(origin, "attempt", start + 10, **members)
        self.request(order, start)

    def request(self, order, start, **members):
        number = len(self.requests) + 1
        given = {
            "number": number,
            "attempt": 1,
            "at_seconds": (start + 5 - ZERO_MS) / 1000,
            "at_ms": start + 5,
            "path": "/",
            "headers": {"request-time": str(start), "signature": f"signature {number}"},
            "body": f"body of {order}".encode(),
            "sha256": "",
            "order_id": order,
            "signature_valid": True,
            "faults": (),
            "answer": "S",
            "connection": "",
            "in_flight": 1,
        }
        self.requests.append(Received(**given | members))

    def tier(self, origin, label, attempt, body):
        self.add(f"p-retry-{label}", body, origin=origin, attempt=str(attempt), replays="0")

    def letter(self, origin, reason, value=b"", **headers):
        self.add("p-dead-letter", value, origin=origin, dead_letter_reason=reason, **headers)

    def report(self):
        return Ledger(
            prefix="p",
            produced=self.produced,
            requests=self.requests,
            kept=self.kept,
            committed=self.committed,
            scale=SCALE,
            monotonic_zero_ms=ZERO_MS,
            repeats_allowed=self.repeats_allowed,
        ).reconcile()

    def faults(self):
        return {(fault.kind, fault.origin) for fault in self.report().faults}

    def without(self, topic, text):
        """Take away the records of a topic that hold a text in value or headers."""
        self.kept = [
            record
            for record in self.kept
            if record.topic != topic or text not in f"{record.value!r} {record.headers}"
        ]


@pytest.fixture
def world():
    """Good evidence, to plant a fault in."""
    return World()


def test_good_evidence_has_no_fault(world):
    """Every event has one account with its one place, its calls and attempts; lateness is that of retries."""
    report = world.report()
    assert report.faults == ()
    assert [
        (account.produced.origin, account.places, account.calls, account.attempts, account.repeats)
        for account in report.accounts
    ] == [
        (A, ("delivered",), 3, 3, 0),
        (B, ("rejected",), 1, 1, 0),
        (C, ("invalid-event",), 0, 0, 0),
    ]
    assert report.lateness_ms == (1, 1)
    assert report.lateness_at(0.5) == report.lateness_at(1.0) == 1


def test_an_event_in_no_place_is_lost(world):
    """Without the dead letter nothing holds the event any more."""
    world.without("p-dead-letter", B)
    assert world.faults() == {(FaultKind.LOST, B)}


def test_an_event_without_any_trace_is_lost(world):
    """An event that was read and left nothing behind is lost; so is a retry whose tier record was read to no end."""
    world.produced.append(Produced(f"{SOURCE}/1/1"))
    world.without("p-attempts", '"delivered"')
    world.requests = world.requests[:2] + world.requests[3:]
    assert world.faults() == {(FaultKind.LOST, f"{SOURCE}/1/1"), (FaultKind.LOST, A)}


def test_an_event_that_no_group_has_read_is_waiting(world):
    """A source record at or after the committed offset is not lost, but stuck."""
    world.produced.append(Produced(f"{SOURCE}/1/1"))
    world.kept.append(Kept(SOURCE, 1, 1, b"{}"))
    assert world.faults() == {(FaultKind.WAITING, f"{SOURCE}/1/1")}


def test_a_tier_record_that_was_not_read_is_waiting(world):
    """A notification whose last trace is an unread tier record is stuck there."""
    world.without("p-attempts", '"delivered"')
    del world.requests[2]
    world.committed["p-retry-3s", 0] = 0
    assert world.faults() == {(FaultKind.WAITING, A)}


def test_two_different_places_are_one_too_many(world):
    """Delivered and dead-lettered at once can't be."""
    world.letter(A, "attempts-exhausted", b"body of order-a", attempt="15")
    assert (FaultKind.TWO_PLACES, A) in world.faults()


def test_a_copy_that_still_waits_is_a_second_place(world):
    """A delivered notification whose tier record is unread would be sent again."""
    world.committed["p-retry-1s", 0] = 0
    assert world.faults() == {(FaultKind.TWO_PLACES, A)}


def test_two_waiting_copies_are_two_places(world):
    """One notification on two tiers climbs two ladders."""
    world.without("p-attempts", '"delivered"')
    del world.requests[2]
    world.committed |= {("p-retry-1s", 0): 0, ("p-retry-3s", 0): 0}
    assert world.faults() == {(FaultKind.TWO_PLACES, A)}


def test_another_place_than_expected(world):
    """An event must end where its script says."""
    world.produced[0] = replace(world.produced[0], expected="rejected")
    assert world.faults() == {(FaultKind.WRONG_PLACE, A)}


def test_a_body_that_changes(world):
    """One other byte in a later request is seen."""
    world.requests[1] = replace(world.requests[1], body=b"Body of order-a")
    assert world.faults() == {(FaultKind.BODY, A)}


@pytest.mark.parametrize(("topic", "origin"), [("p-retry-3s", A), ("p-dead-letter", B)])
def test_a_record_with_another_body(world, topic, origin):
    """What waits on a tier or lies in the dead-letter topic is what was sent."""
    (where,) = (
        number
        for number, record in enumerate(world.kept)
        if record.topic == topic and record.origin == origin
    )
    world.kept[where] = replace(world.kept[where], value=b"another")
    assert world.faults() == {(FaultKind.BODY, origin)}


def test_an_attempt_that_starts_early_by_the_worker_s_record(world):
    """The wait after the first attempt is 1 ms here: from its end at +10, a start at +10 is early."""
    world.without("p-attempts", f'"started_at_ms": {START + 12}')
    del world.requests[1]
    world.attempt(A, "order-a", 2, START + 10, "retry")
    assert world.faults() == {(FaultKind.EARLY, A)}


def test_an_attempt_that_arrives_early_by_the_partner_s_clock(world):
    """A request that arrives before the wait is over is early whatever the worker writes down."""
    world.requests[2] = replace(world.requests[2], at_seconds=(START + 24.9 - ZERO_MS) / 1000)
    assert world.faults() == {(FaultKind.EARLY, A)}


def test_a_wait_that_is_kept_exactly_is_not_early(world):
    """Due is due: a start at the very end of the wait is no fault."""
    world.without("p-attempts", f'"started_at_ms": {START + 26}')
    del world.requests[2]
    world.attempt(A, "order-a", 3, START + 25, "delivered")
    assert world.faults() == set()


def test_an_attempt_beyond_the_ladder(world):
    """The sixteenth attempt of a ladder of fifteen is one too many."""
    ladder = PROFILES["mpp-to-ant"].ladder
    world.without("p-attempts", A)
    del world.requests[:3]
    at = START
    for number in range(1, ladder.attempts + 2):
        world.attempt(A, "order-a", number, at, "retry")
        wait = ladder.wait_after(number)
        at += 11 + (wait.seconds if wait else 0)
    world.attempt(A, "order-a", ladder.attempts, at, "delivered")
    world.repeats_allowed = 1
    assert world.faults() == {(FaultKind.LADDER, A)}


def test_a_skipped_number(world):
    """Attempt 3 without an attempt 2 has jumped a rung."""
    world.without("p-attempts", f'"started_at_ms": {START + 12}')
    del world.requests[1]
    assert world.faults() == {(FaultKind.SKIPPED, A)}


def test_a_second_ladder(world):
    """An attempt under a number that was made before is a repeat, and counted."""
    world.attempt(A, "order-a", 2, START + 40, "retry")
    assert world.faults() == {(FaultKind.REPEATED, A)}
    assert world.report().accounts[0].repeats == 1
    world.repeats_allowed = 1
    assert world.faults() == set()


def test_a_call_without_an_attempts_record_is_a_repeat(world):
    """A crash between call and record leaves a request of its own."""
    world.request("order-b", START + 50)
    assert world.faults() == {(FaultKind.REPEATED, B)}


def test_two_dead_letters(world):
    """A notification is dead-lettered once, but for as many copies as crashes may leave."""
    world.letter(B, "rejected", b"body of order-b", attempt="1")
    assert world.faults() == {(FaultKind.REPEATED, B)}
    world.repeats_allowed = 1
    assert world.faults() == set()


def test_a_wrong_signature(world):
    """The partner's own check counts."""
    world.requests[0] = replace(world.requests[0], signature_valid=False)
    assert world.faults() == {(FaultKind.SIGNATURE, A)}


def test_a_signature_that_is_used_twice(world):
    """With Request-Time in milliseconds every attempt has a signature of its own."""
    headers = world.requests[1].headers | {"signature": world.requests[0].headers["signature"]}
    world.requests[1] = replace(world.requests[1], headers=headers)
    assert world.faults() == {(FaultKind.STALE, A)}


def test_two_attempts_of_one_millisecond_are_signed_alike(world):
    """A repeat that starts in the same millisecond says the same, and so does its signature."""
    world.attempt(A, "order-a", 2, START + 12, "retry")
    world.requests[-1] = replace(world.requests[-1], headers=world.requests[1].headers)
    world.repeats_allowed = 1
    assert world.faults() == set()
    world.requests.append(replace(world.requests[-1], number=9))
    assert (FaultKind.STALE, A) in world.faults()


def test_an_old_signature(world):
    """A Request-Time older than any attempt can last was not made for this attempt."""
    headers = world.requests[3].headers | {"request-time": "2023-11-14T22:14:48+00:00"}
    world.requests[3] = replace(world.requests[3], headers=headers)
    assert (FaultKind.STALE, B) in world.faults()


def test_signatures_of_one_second_may_be_alike(world):
    """To the second, RSA256 over the same bytes is the same signature: no fault within that second."""
    for number in range(3):
        headers = {"request-time": "2023-11-14T22:15:00+00:00", "signature": "the same"}
        world.requests[number] = replace(world.requests[number], headers=headers)
    assert world.faults() == set()


def test_a_request_that_a_strict_partner_refuses(world):
    """Anything else that the partner objects to is told in its words."""
    world.requests[0] = replace(world.requests[0], faults=("/x is no string",))
    assert [fault.detail for fault in world.report().faults] == ["request 1: /x is no string"]


def test_a_dead_letter_without_a_record_of_its_decision(world):
    """Every decision stands on the attempts topic."""
    world.without("p-attempts", C)
    assert world.faults() == {(FaultKind.UNRECORDED, C)}


def test_calls_without_any_record(world):
    """A partner that was called about an event which the attempts topic never mentions."""
    world.without("p-attempts", A)
    assert (FaultKind.UNRECORDED, A) in world.faults()


def test_an_answer_that_nobody_gave(world):
    """An attempts record with a status needs a request at the partner."""
    del world.requests[2]
    assert world.faults() == {(FaultKind.UNHEARD, A)}


def test_a_delivery_without_a_call(world):
    """Nothing is delivered that the partner never got, whatever the attempts topic says of the answer."""
    world.without("p-attempts", '"delivered"')
    world.attempt(A, "order-a", 3, START + 26, "delivered", http_status=None)
    del world.requests[2], world.requests[-1]
    assert world.faults() == {(FaultKind.UNHEARD, A)}


def test_what_belongs_to_no_event(world):
    """Records and requests that no produced event explains are faults."""
    world.request("order-x", START)
    world.letter(f"{SOURCE}/7/7", "rejected")
    world.journal(f"{SOURCE}/8/8", "decision", START)
    assert world.faults() == {
        (FaultKind.STRAY, ""),
        (FaultKind.STRAY, f"{SOURCE}/7/7"),
        (FaultKind.STRAY, f"{SOURCE}/8/8"),
    }


def test_an_attempts_record_that_breaks_its_schema(world):
    """A record that can't be read is a fault, never skipped in silence."""
    world.add("p-attempts", b'{"v": 2}')
    assert [fault.kind for fault in world.report().faults] == [FaultKind.UNREADABLE]


def test_a_replay_leaves_the_dead_letter_behind(world):
    """What an operator put back and was then delivered is in one place, and its ladder begins anew."""
    world.produced[1] = replace(world.produced[1], expected="delivered")
    world.attempt(B, "order-b", 1, START + 90_000, "delivered", replays=1, trigger="replay")
    assert world.faults() == set()


def test_a_crash_between_call_and_record_makes_no_wait_early(world):
    """The next attempt may follow the unrecorded call of a crashed worker."""
    world.without("p-attempts", f'"started_at_ms": {START}')
    world.attempt(A, "order-a", 1, START + 60, "retry")
    world.repeats_allowed = 1
    assert world.faults() == set()
