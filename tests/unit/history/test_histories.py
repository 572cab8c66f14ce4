"""Histories folded from facts, and what is said of them."""

from itertools import permutations
from typing import Any

import pytest

from streams.operator.history.assessment import Limits
from streams.operator.history.notification_history import histories_of
from streams.operator.history.report import as_json, details, report_on
from tests.support.history import ORIGIN, T0, HistoryBuilder

HOUR = 3_600_000
PLACE = "pn-dead-letter/0/1"


def one(records):
    (history,) = histories_of(records.facts)
    return history


def report(records, now=HOUR, **more):
    return report_on(one(records), T0 + now, Limits(), **more)


def refused(records):
    records.attempt(20, result_status="F", result_code="RISK_REJECT", decision="dead-letter")
    return records.dead_letter(60, reason="rejected", detail="the partner refused it")


DELIVERED: dict[str, Any] = {
    "decision": "delivered",
    "result_status": "S",
    "result_code": "SUCCESS",
}
HISTORIES = {
    "unread": (HistoryBuilder().event(), 20, "no us due"),
    "waiting": (HistoryBuilder().event().attempt(20, http_status=503, failure="http_status"), 500, "perhaps partner waiting"),
    "never reached": (HistoryBuilder().attempt(20, failure="connect_timeout", request_left="no"), 500, "no partner waiting"),
    "our set-up": (HistoryBuilder().attempt(20, result_status="F", result_code="KEY_NOT_FOUND"), 500, "perhaps us waiting"),
    "refused so far": (HistoryBuilder().attempt(20, result_status="F", result_code="X"), 500, "refused partner waiting"),
    "due": (HistoryBuilder().attempt(20, failure="read_timeout"), 3000, "perhaps partner due"),
    "overdue": (HistoryBuilder().attempt(20, failure="read_timeout"), HOUR, "perhaps us due"),
    "parked": (HistoryBuilder().event().park(20, 60_000), 500, "no partner parked"),
    "a newer version's": (HistoryBuilder().event().attempt(20, http_status=503, failure="http_status").park(500, 60_000, "newer-version"), 600, "perhaps us parked"),
    "delivered": (HistoryBuilder().event().attempt(20, failure="read_timeout").attempt(1100, **DELIVERED), HOUR, "yes nobody delivered"),
    "rejected": (refused(HistoryBuilder().event()), HOUR, "refused partner rejected"),
    "exhausted": (HistoryBuilder().attempt(20, decision="dead-letter", failure="read_timeout").dead_letter(70), HOUR, "perhaps partner dead-lettered"),
    "expired": (HistoryBuilder().park(20, 1000).dead_letter(90, reason="expired"), HOUR, "no us expired"),
    "invalid": (HistoryBuilder().dead_letter(20, reason="invalid-event", kind="event", attempt=None), HOUR, "no payment core invalid"),
    "unknown partner": (HistoryBuilder().dead_letter(20, reason="unknown-partner", kind="event", attempt=None), HOUR, "no us invalid"),
    "put back": (refused(HistoryBuilder().event()).replayed(5000, PLACE), 5100, "refused us due"),
    "told after a replay": (refused(HistoryBuilder().event()).replayed(5000, PLACE).attempt(5050, **DELIVERED), HOUR, "yes nobody delivered"),
    "a tier alone": (HistoryBuilder().tier(20, 60_000, attempt=3), 500, "perhaps partner waiting"),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_told_turn_and_state(name):
    """For each way that a notification may stand."""
    records, now, expected = HISTORIES[name]
    said = report(records, now)
    assert f"{said.told} {said.turn} {said.state}" == expected
    assert said.overdue is (name == "overdue")
    assert said.sentence.endswith(".")
    assert said.next.endswith(".")


@pytest.mark.parametrize("name", HISTORIES)
def test_the_order_in_which_facts_come_changes_nothing(name):
    """Nor does a record that was read twice."""
    facts = HISTORIES[name][0].facts
    expected = histories_of(facts)
    for order in list(permutations(facts))[:120]:
        assert histories_of((*order, order[0])) == expected


@pytest.mark.parametrize("name", HISTORIES)
def test_where_the_time_went_adds_up(name):
    """From the payment's end, or our first record, to the end or to now; and what is laid out is all there."""
    records, now, _ = HISTORIES[name]
    history, said = one(records), report(records, now)
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
    records = HistoryBuilder().event(at=0).attempt(100, 200, failure="read_timeout")
    records.park(1_401, 10_000).attempt(11_501, 300, decision="dead-letter", failure="read_timeout")
    records.dead_letter(11_801).replayed(21_801, PLACE).attempt(21_901, 50, **DELIVERED)
    spent = report(records).spent
    assert spent.upstream == 1000
    assert spent.partner == 200 + 300 + 50
    assert spent.agreed == 1001
    assert spent.parked == 10_000
    assert spent.set_aside == 10_000
    assert spent.us == 100 + 100 + 100 + 100


def test_the_first_sentence_says_what_came_after_an_acknowledgement():
    """Sent again by an operator, acknowledged again or not, a second acknowledgement without one, a contradiction."""
    told = "Told. acme acknowledged it at 10:15:30 UTC, attempt 1, 1.1 s after the payment became final."
    records = HistoryBuilder().event().attempt(100, 50, **DELIVERED)
    assert report(records, 1_000_000).sentence == told
    records.replayed(60_000, ORIGIN)
    resent = " Sent again at 10:16:30 UTC by alice, not acknowledged again."
    assert report(records, 61_000).sentence == told + resent
    records.attempt(60_100, 50, **DELIVERED)
    said = report(records, 1_000_000)
    assert said.sentence == told + resent.replace("not acknowledged", "acknowledged")
    # An hour between acknowledgement and resend is nobody's: it was no dead letter.
    assert (said.spent.set_aside, said.spent.total) == (0, 1000 + 100 + 50 + 100 + 50)
    twice = HistoryBuilder().event().attempt(100, 50, **DELIVERED).attempt(5000, 50, **DELIVERED)
    assert report(twice, 9000).sentence == (
        f"{told} Acknowledged again at 10:15:35 UTC: it was told more than once."
    )
    contradicted = HistoryBuilder().event().attempt(100, 50, **DELIVERED)
    contradicted.dead_letter(9000, reason="conflicting-result", kind="event", attempt=None)
    assert report(contradicted, 9999).sentence.endswith(
        " A result that contradicts it came at 10:15:39 UTC and was not sent."
    )


def test_sentences():
    """The partner is the subject, times are UTC, numbers have units."""
    waiting, _, _ = HISTORIES["waiting"]
    assert report(waiting, 500).sentence == (
        "Not acknowledged; acme may have received it. acme answered HTTP 503."
    )
    assert report(waiting, 500).next == "Attempt 2 of 15 is due at 10:15:31 UTC (in 561 ms)."
    thrice = HistoryBuilder().attempt(0, failure="read_timeout", took=5000)
    for began in (7000, 14_000):
        thrice.attempt(began, failure="read_timeout", took=5000)
    assert report(thrice).sentence.endswith("acme gave no answer within 5.0 s, 3 times in a row.")
    assert report(thrice).next.startswith("Attempt 4 of 15 is overdue by 59 min")
    delivered, _, _ = HISTORIES["delivered"]
    assert report(delivered).sentence == (
        "Told. acme acknowledged it at 10:15:31 UTC, attempt 2, 2.1 s after the payment became final."
    )
    rejected, _, _ = HISTORIES["rejected"]
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
    records = HistoryBuilder().attempt(20, **said)
    assert report(records, 500).sentence.endswith(
        "acme answered, but not in a form that counts: answer unreadable (body: empty)."
    )
    answers = [row.answer for row in report(records, 500).timeline]
    assert "answer unreadable (body: empty) in 40 ms" in answers
    last = as_json(one(records), report(records, 500))["timeline"][-1]
    assert last["record"]["failure_detail"] == "body: empty"
    over = HistoryBuilder().attempt(20, decision="dead-letter", **said).dead_letter(70)
    assert report(over).sentence.endswith("Last answer: answer unreadable (body: empty).")


def test_a_second_copy_changes_nothing():
    """An event that came again and was absorbed leaves the report as it was; its line stands in the timeline."""
    records, _, _ = HISTORIES["delivered"]
    copy = HistoryBuilder(origin="final/3/43", first_offset=100).event(at=9000)
    copy.record(kind="decision", at_ms=T0 + 9050, decision="absorbed", attempt=None)
    (history,) = histories_of([*records.facts, *copy.facts])
    assert history.status == "delivered"
    assert history.delivered_at_ms == one(records).delivered_at_ms
    assert "absorbed" in {entry.kind for entry in history.entries}


def test_a_contradiction_changes_nothing():
    """The same event id with other bytes was dead-lettered: the first result stands."""
    records, _, _ = HISTORIES["delivered"]
    other = HistoryBuilder(origin="final/3/43", first_offset=100).dead_letter(
        9000, reason="conflicting-result", kind="event", attempt=None
    )
    (history,) = histories_of([*records.facts, *other.facts])
    assert history.status == "delivered"
    alone = one(other)
    assert (alone.status, alone.reason) == ("dead-lettered", "conflicting-result")


def test_two_notifications_of_one_order_have_two_histories():
    """The one that began first stands first."""
    first, second = (
        HistoryBuilder().attempt(20),
        HistoryBuilder("final/3/50", "evt-2", 100).attempt(5000, **DELIVERED),
    )
    histories = histories_of([*second.facts, *first.facts])
    assert [history.notification_id for history in histories] == ["evt-1", "evt-2"]


def test_what_retention_took_away_is_not_denied():
    """Attempts without a record may have reached the partner; an event from before the oldest record has an unknown fate."""
    history = one(HistoryBuilder().tier(20, 60_000, attempt=3))
    assert (history.attempts, history.attempts_missing) == (3, 3)
    old = report(HistoryBuilder().event(at=-HOUR), known_since_ms=T0)
    assert (old.state, old.overdue) == ("unknown", False)
    young = report(HistoryBuilder().event(at=HOUR), now=2 * HOUR, known_since_ms=T0)
    assert (young.state, young.overdue) == ("due", True)


def test_what_was_given_up_too_long_ago_is_not_denied():
    """Where its own record is gone, so may be those of its replay and its delivery."""
    for letter in (
        HistoryBuilder().dead_letter(20),
        HistoryBuilder().dead_letter(20, reason="unknown-partner", kind="event", attempt=None),
    ):
        said = report(letter, known_since_ms=T0 + 1000)
        assert said.told == "perhaps"
        assert said.sentence.startswith("Given up at ")
        assert "is not known any more: acme may have been told." in said.sentence
        assert "Look further back" in said.next
    recorded = refused(HistoryBuilder().event())
    assert report(recorded, known_since_ms=T0 + 1000) == report(recorded)


def test_where_it_rests_and_when_it_is_given_up():
    """The record on the tier, by place; the give-up time counts from when it was accepted."""
    records = HistoryBuilder().event().attempt(20).tier(61, 1062)
    history = one(records)
    assert str(history.rests_at).startswith("pn-retry-1s:0:")
    assert report(records, 500).gives_up_at_ms == T0 + 10 + 72 * HOUR
    assert str(history.event) == ORIGIN.replace("/", ":")
    assert history.result == "S:SUCCESS"


def test_the_result_is_known_from_the_attempts_alone():
    """Where the event and every body are gone, the record of an attempt says what the partner was told."""
    records = HistoryBuilder().attempt(
        20, **DELIVERED, sent_result_status="F", sent_result_code="RISK_REJECT"
    )
    assert one(records).result == "F:RISK_REJECT"
    assert ("result", "F:RISK_REJECT") in details(one(records), report(records), T0 + HOUR)
    assert one(HistoryBuilder().attempt(20, **DELIVERED)).result is None


def test_what_the_event_named_wrong_is_said():
    """By `why`, beside the result, for a person and for a program."""
    said = "payment.paymenttime: not known, did you mean paymentTime"
    records = (
        HistoryBuilder()
        .attempt(20, near_names=[said], failure="read_timeout")
        .attempt(1100, **DELIVERED)
    )
    assert ("names in the event", said) in details(one(records), report(records), T0 + HOUR)
    assert as_json(one(records), report(records))["near_names"] == [said]
    assert all(
        name != "names in the event"
        for name, _ in details(
            one(refused(HistoryBuilder())), report(refused(HistoryBuilder())), T0
        )
    )


def test_parks_one_after_the_other_are_one_row():
    """Of an unresponsive server there is one a second; the JSON has every one of them."""
    records = HistoryBuilder().attempt(20, failure="read_timeout")
    for at in (1100, 2100, 3100):
        records.park(at, 1000, "silent")
    said = report(records, 3200)
    assert [(row.kind, row.at_ms - T0) for row in said.timeline] == [
        ("attempt", 20),
        ("park", 1100),
        ("next", 4100),
    ]
    assert said.timeline[1].what == "parked 3 times within 2.0 s, no attempt used"
    kinds = [entry["kind"] for entry in as_json(one(records), said)["timeline"]]
    assert kinds == ["attempt", "park", "park", "park"]
