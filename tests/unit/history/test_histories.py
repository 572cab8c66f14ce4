"""Histories folded from facts, and what is said of them."""

from itertools import permutations
from typing import Any

import pytest

from streams.history.assessment import Limits
from streams.history.notification_history import histories_of
from streams.history.report import as_json, details, report_on
from tests.unit.history.tales import ORIGIN, T0, Tale

HOUR = 3_600_000
PLACE = "pn-dead-letter/0/1"


def one(tale):
    (history,) = histories_of(tale.facts)
    return history


def report(tale, now=HOUR, **more):
    return report_on(one(tale), T0 + now, Limits(), **more)


def refused(tale):
    tale.attempt(20, result_status="F", result_code="RISK_REJECT", decision="dead-letter")
    return tale.letter(60, reason="rejected", detail="the partner refused it")


DELIVERED: dict[str, Any] = {
    "decision": "delivered",
    "result_status": "S",
    "result_code": "SUCCESS",
}
TALES = {
    "unread": (Tale().event(), 20, "no us due"),
    "waiting": (Tale().event().attempt(20, http_status=503, failure="http_status"), 500, "perhaps partner waiting"),
    "never reached": (Tale().attempt(20, failure="connect_timeout", request_left="no"), 500, "no partner waiting"),
    "our set-up": (Tale().attempt(20, result_status="F", result_code="KEY_NOT_FOUND"), 500, "perhaps us waiting"),
    "refused so far": (Tale().attempt(20, result_status="F", result_code="X"), 500, "refused partner waiting"),
    "due": (Tale().attempt(20, failure="read_timeout"), 3000, "perhaps partner due"),
    "overdue": (Tale().attempt(20, failure="read_timeout"), HOUR, "perhaps us due"),
    "parked": (Tale().event().park(20, 60_000), 500, "no partner parked"),
    "a newer version's": (Tale().event().attempt(20, http_status=503, failure="http_status").park(500, 60_000, "newer-version"), 600, "perhaps us parked"),
    "delivered": (Tale().event().attempt(20, failure="read_timeout").attempt(1100, **DELIVERED), HOUR, "yes nobody delivered"),
    "rejected": (refused(Tale().event()), HOUR, "refused partner rejected"),
    "exhausted": (Tale().attempt(20, decision="dead-letter", failure="read_timeout").letter(70), HOUR, "perhaps partner dead-lettered"),
    "expired": (Tale().park(20, 1000).letter(90, reason="expired"), HOUR, "no us expired"),
    "invalid": (Tale().letter(20, reason="invalid-event", kind="event", attempt=None), HOUR, "no payment core invalid"),
    "unknown partner": (Tale().letter(20, reason="unknown-partner", kind="event", attempt=None), HOUR, "no us invalid"),
    "put back": (refused(Tale().event()).replayed(5000, PLACE), 5100, "refused us due"),
    "told after a replay": (refused(Tale().event()).replayed(5000, PLACE).attempt(5050, **DELIVERED), HOUR, "yes nobody delivered"),
    "a tier alone": (Tale().tier(20, 60_000, attempt=3), 500, "perhaps partner waiting"),
}  # fmt: skip


@pytest.mark.parametrize("name", TALES)
def test_told_turn_and_state(name):
    """For each way that a notification may stand."""
    tale, now, expected = TALES[name]
    said = report(tale, now)
    assert f"{said.told} {said.turn} {said.state}" == expected
    assert said.overdue is (name == "overdue")
    assert said.sentence.endswith(".")
    assert said.next.endswith(".")


@pytest.mark.parametrize("name", TALES)
def test_the_order_in_which_facts_come_changes_nothing(name):
    """Nor does a record that was read twice."""
    facts = TALES[name][0].facts
    expected = histories_of(facts)
    for order in list(permutations(facts))[:120]:
        assert histories_of((*order, order[0])) == expected


@pytest.mark.parametrize("name", TALES)
def test_where_the_time_went_adds_up(name):
    """From the payment's end, or our first record, to the end or to now; and what is laid out is all there."""
    tale, now, _ = TALES[name]
    history, said = one(tale), report(tale, now)
    spent = said.spent
    began = history.entries[0].at_ms
    end = history.since_ms if history.status in {"delivered", "dead-lettered"} else T0 + now
    calls = history.attempt_records
    first = calls[0] if calls and calls[0].trigger == "event" else None
    began = min(began, first.due_at_ms) if first else began
    assert spent.total == max(0, end - began)
    parts = {name: ms for name, ms in spent.model_dump().items() if name != "total"}
    assert min(parts.values()) >= 0
    assert sum(parts.values()) == spent.total
    assert {name: ms for name, _, ms in spent.parts()} == {n: ms for n, ms in parts.items() if ms}
    assert bool(spent.text()) is bool(spent.total)
    assert len([row for row in said.timeline if row.kind != "next"]) == len(history.entries)
    assert as_json(history, said)["spent_ms"] == parts
    assert dict(details(history, said, T0 + now))["told"] == said.told


def test_each_part_of_the_time_is_given_to_its_owner():
    """Final, written, attempted late, waited, attempted, parked, given up, put back, told."""
    tale = Tale().event(at=0).attempt(100, 200, failure="read_timeout", wait=1000)
    tale.park(1_401, 10_000).attempt(11_501, 300, decision="dead-letter", failure="read_timeout")
    tale.letter(11_801).replayed(21_801, PLACE).attempt(21_901, 50, **DELIVERED)
    spent = report(tale).spent
    assert spent.upstream == 1000
    assert spent.partner == 200 + 300 + 50
    assert spent.agreed == 1001
    assert spent.parked == 10_000
    assert spent.set_aside == 10_000
    assert spent.us == 100 + 100 + 100 + 100


def test_sentences():
    """The partner is the subject, times are UTC, numbers have units."""
    waiting, _, _ = TALES["waiting"]
    assert report(waiting, 500).sentence == (
        "Not acknowledged; acme may have received it. acme answered HTTP 503."
    )
    assert report(waiting, 500).next == "Attempt 2 of 15 is due at 10:15:31 UTC (in 561 ms)."
    thrice = Tale().attempt(0, failure="read_timeout", took=5000)
    for began in (7000, 14_000):
        thrice.attempt(began, failure="read_timeout", took=5000)
    assert report(thrice).sentence.endswith("acme gave no answer within 5.0 s, 3 times in a row.")
    assert report(thrice).next.startswith("Attempt 4 of 15 is overdue by 59 min")
    delivered, _, _ = TALES["delivered"]
    assert report(delivered).sentence == (
        "Told. acme acknowledged it at 10:15:31 UTC, attempt 2, 2.1 s after the payment became final."
    )
    rejected, _, _ = TALES["rejected"]
    assert report(rejected).sentence == (
        "acme knows and refused it. Given up at 10:15:30 UTC after 1 attempt, rejected: the partner refused it."
    )


def test_what_was_unreadable_is_said():
    """In the sentence, once, and in the timeline."""
    said: dict[str, Any] = {
        "failure": "unreadable_answer",
        "failure_detail": "body: empty",
        "http_status": 200,
    }
    tale = Tale().attempt(20, **said)
    assert report(tale, 500).sentence.endswith(
        "acme answered, but not in a form that counts: answer unreadable (body: empty)."
    )
    answers = [row.answer for row in report(tale, 500).timeline]
    assert "answer unreadable (body: empty) in 40 ms" in answers
    records = [entry["record"] for entry in as_json(one(tale), report(tale, 500))["timeline"]]
    assert records[-1]["failure_detail"] == "body: empty"
    over = Tale().attempt(20, decision="dead-letter", **said).letter(70)
    assert report(over).sentence.endswith("Last answer: answer unreadable (body: empty).")


def test_a_second_copy_changes_nothing():
    """An event that came again and was absorbed leaves the report as it was; its line stands in the timeline."""
    tale, _, _ = TALES["delivered"]
    copy = Tale(origin="final/3/43", first_offset=100).event(at=9000)
    copy.record(kind="decision", at_ms=T0 + 9050, decision="absorbed", attempt=None)
    (history,) = histories_of([*tale.facts, *copy.facts])
    assert history.status == "delivered"
    assert history.delivered_at_ms == one(tale).delivered_at_ms
    assert "absorbed" in {entry.kind for entry in history.entries}


def test_a_contradiction_changes_nothing():
    """The same event id with other bytes was dead-lettered: the first result stands."""
    tale, _, _ = TALES["delivered"]
    other = Tale(origin="final/3/43", first_offset=100).letter(
        9000, reason="conflicting-result", kind="event", attempt=None
    )
    (history,) = histories_of([*tale.facts, *other.facts])
    assert history.status == "delivered"
    alone = one(other)
    assert (alone.status, alone.reason) == ("dead-lettered", "conflicting-result")


def test_two_notifications_of_one_order_have_two_histories():
    """The one that began first stands first."""
    first, second = Tale().attempt(20), Tale("final/3/50", "evt-2", 100).attempt(5000, **DELIVERED)
    histories = histories_of([*second.facts, *first.facts])
    assert [history.notification_id for history in histories] == ["evt-1", "evt-2"]


def test_what_retention_took_away_is_not_denied():
    """Attempts without a record may have reached the partner; an event from before the oldest record has an unknown fate."""
    history = one(Tale().tier(20, 60_000, attempt=3))
    assert (history.attempts, history.attempts_missing) == (3, 3)
    old = report(Tale().event(at=-HOUR), known_since_ms=T0)
    assert (old.state, old.overdue) == ("unknown", False)
    young = report(Tale().event(at=HOUR), now=2 * HOUR, known_since_ms=T0)
    assert (young.state, young.overdue) == ("due", True)


def test_where_it_rests_and_when_it_is_given_up():
    """The record on the tier, by place; the give-up time counts from when it was accepted."""
    tale = Tale().event().attempt(20).tier(61, 1062)
    history = one(tale)
    assert str(history.rests_at).startswith("pn-retry-1s:0:")
    assert report(tale, 500).gives_up_at_ms == T0 + 10 + 72 * HOUR
    assert str(history.event) == ORIGIN.replace("/", ":")
    assert history.result == "S:SUCCESS"


def test_the_result_is_known_from_the_attempts_alone():
    """Where the event and every body are gone, the record of an attempt says what the partner was told."""
    tale = Tale().attempt(20, **DELIVERED, sent_result_status="F", sent_result_code="RISK_REJECT")
    assert one(tale).result == "F:RISK_REJECT"
    assert ("result", "F:RISK_REJECT") in details(one(tale), report(tale), T0 + HOUR)
    assert one(Tale().attempt(20, **DELIVERED)).result is None


def test_what_the_event_named_wrong_is_said():
    """By `why`, beside the result, for a person and for a program."""
    said = "payment.paymenttime: not known, did you mean paymentTime"
    tale = Tale().attempt(20, near_names=[said], failure="read_timeout").attempt(1100, **DELIVERED)
    assert ("names in the event", said) in details(one(tale), report(tale), T0 + HOUR)
    assert as_json(one(tale), report(tale))["near_names"] == [said]
    assert all(
        name != "names in the event"
        for name, _ in details(one(refused(Tale())), report(refused(Tale())), T0)
    )


def test_parks_one_after_the_other_are_one_row():
    """Of an unresponsive server there is one a second; the JSON has every one of them."""
    tale = Tale().attempt(20, failure="read_timeout")
    for at in (1100, 2100, 3100):
        tale.park(at, 1000, "silent")
    said = report(tale, 3200)
    assert [(row.kind, row.at_ms - T0) for row in said.timeline] == [
        ("attempt", 20),
        ("park", 1100),
        ("next", 4100),
    ]
    assert said.timeline[1].what == "parked 3 times within 2.0 s, no attempt used"
    kinds = [entry["kind"] for entry in as_json(one(tale), said)["timeline"]]
    assert kinds == ["attempt", "park", "park", "park"]
