"""What a replay puts back and what it leaves, and what it writes for that."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attempt_record import AttemptRecord, render
from schemas.notify_url import check_notify_url
from streams.kafka.format.decoding import decode_notification
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import header_text
from streams.kafka.reader.reader import Span
from streams.kafka.topics import TopicNames
from streams.operator.dead_letters.done_since import may_be_since
from streams.operator.dead_letters.find import spans_around
from streams.operator.dead_letters.plan import Options, attempts_kept_since, plan
from streams.operator.dead_letters.refusal import Refusal
from streams.operator.dead_letters.replay_record import (
    ReplayAudit,
    fault_of,
    replay_record,
    replay_settlement,
)
from tests.support.history import ORDER, T0, HistoryBuilder

DAY = 86_400_000
NAMES = TopicNames("pn")
AUDIT = ReplayAudit("r-7", "alice", "acme is back")
CHECK_URL = partial(check_notify_url, allow_http=False)


def dead(**headers):
    """Return a tale that ended as a dead letter, and that dead letter."""
    tale = HistoryBuilder().attempt(20, decision="dead-letter", failure="read_timeout")
    tale.dead_letter(70, **headers)
    return tale, tale.facts[-1]


def planned(letters, facts, options, now, *, oldest=None, **more):
    """Return what a replay would do whose caller has read the attempts topic from its oldest record on."""
    kept = attempts_kept_since(now, oldest)
    return plan(letters, facts, options, now, known_since_ms=kept, **more)


def judge(told, options=None, now=T0 + 1000, **more):
    """Return what becomes of a letter, in the light of a tale."""
    tale, letter = told
    made = planned([letter], tale.facts, options or Options(), now, **more)
    assert len(made.selected) + len(made.skipped) == 1
    return made.skipped[0].kind if made.skipped else "put back"


def test_a_dead_letter_is_put_back_once():
    """Until its replay stands on the replay topic; a decision that had no effect does not count, until it is old."""
    tale, letter = dead()
    assert judge((tale, letter)) == "put back"
    record_id = letter.record_id.header
    begun, _ = dead()
    begun.replayed(100, record_id, written=False)
    assert judge((begun, letter)) == "put back"
    assert judge((begun, letter), now=T0 + 7 * DAY) == "put back before"
    done, _ = dead()
    done.replayed(100, record_id)
    assert judge((done, letter)) == "put back before"
    assert judge((done, letter), resuming="r-1") == "put back by this run"
    assert judge((done, letter), resuming="r-2") == "put back before"


def test_what_a_worker_did_in_a_later_round_says_that_it_was_put_back():
    """Also where the replay topic was made anew since: the next round of its event came from there."""
    tale, letter = dead()
    tale.replayed(100, letter.record_id.header, written=False)
    assert judge((tale, letter)) == "put back"
    tale.park(120, 60_000)
    assert judge((tale, letter)) == "put back before"
    assert judge((tale, letter), resuming="r-1") == "put back by this run"
    (left,) = planned([letter], tale.facts, Options(), T0 + 1000).skipped
    assert left.why.startswith(
        "put back by run r-1, and came to a worker by 2026-11-22T10:15:30.120Z"
    )
    tale.attempt(200, decision="dead-letter", failure="read_timeout").dead_letter(300)
    assert judge((tale, tale.facts[-1])) == "put back"
    assert judge((tale, letter)) == "put back before"


def test_another_event_of_the_same_id_was_put_back_for_itself():
    """A notification id stands in for the event's place only where that is not known."""
    tale, letter = dead()
    other = HistoryBuilder("final/9/9", first_offset=100).dead_letter(50)
    other.replayed(100, other.facts[-1].record_id.header, written=False).park(120, 60_000)
    tale.facts += other.facts
    assert judge((tale, letter)) == "put back"
    assert judge((tale, replace(letter, origin=None))) == "put back before"


REFUSED = (("kind", b"event"), ("dead-letter-reason", b"invalid-event"))


@pytest.mark.parametrize(
    ("key", "value", "order"),
    [
        (b"\x00\xff\x07", b"<xml/>", "\x00\\xff\x07"),  # a number, or Avro
        (None, b'{"profile":"mpp-to-ant","payment":{"paymentRequestId":"order-1"}}', "order-1"),
        (None, b"<xml/>", None),
        (b"", b"<xml/>", None),
        (b"shop-7", b"<xml/>", "shop-7"),
    ],
)
def test_an_event_is_put_back_once_whatever_its_key_is(key, value, order):
    """Its replay has payment core's key, which need not be the order id that its decision is keyed by."""
    raw = RawRecord("pn-dead-letter", 0, 5, key, value, REFUSED, T0)
    letter = read_fact("dead-letter", raw)
    assert letter.order_id == order
    is_about = may_be_since([letter])
    made = replay_record(NAMES, raw, letter, AUDIT, T0)
    replay = RawRecord("pn-replay", 0, 0, made.key, made.value, made.headers, T0 + 1)
    assert is_about(replay)
    (left,) = planned([letter], [read_fact("replay", replay)], Options(), T0 + 2).skipped
    assert left.kind == "put back before"
    decision = replay_settlement(made, letter, AUDIT, T0)
    written = render(decision.report)
    decided_key = order.encode() if order else None
    decided = RawRecord("pn-attempts", 0, 0, decided_key, written, (), T0)
    assert is_about(decided)
    # What a worker did then is keyed by the order id that it found, if it found one.
    assert is_about(RawRecord("pn-attempts", 0, 1, None, b"{}", (), T0))
    other = RawRecord("pn-replay", 0, 1, b"other", b"", (("replay-of", b"pn-dead-letter/0/6"),), T0)
    assert not is_about(other)


def test_what_is_left_where_it_is():
    """Delivered since, put back too often, contradicting, cut off, unreadable, unknown partner, forgotten."""
    tale, letter = dead()
    told = HistoryBuilder("final/9/9", "evt-2", 100).attempt(5000, decision="delivered")
    tale.facts += told.facts
    assert judge((tale, letter)) == "delivered since"
    earlier = HistoryBuilder("final/9/9", "evt-2", 100).attempt(-2 * 60_000, decision="delivered")
    tale, letter = dead()
    tale.facts += earlier.facts
    assert judge((tale, letter)) == "put back"
    for reason, kind in (("conflicting-result", "conflicting result"), ("oversized", "cut off")):
        assert judge(dead(reason=reason)) == kind
    assert judge(dead(attempt=None)) == "unreadable"
    assert judge(dead(attempt=None), Options(rebuild=True)) == "put back"
    assert judge(dead(attempt=None, kind="event")) == "put back"
    assert judge(dead(replays=3)) == "replayed too often"
    assert judge(dead(replays=3), Options(max_replays=4)) == "put back"
    refused = dead()
    refusals = {refused[1].record_id: Refusal("unknown partner", "no such entry")}
    assert judge(refused, refusals=refusals) == "unknown partner"
    assert judge(refused, Options(refused=True), refusals=refusals) == "put back"
    assert judge(dead(), now=T0 + 31 * DAY) == "forgotten"
    assert judge(dead(), Options(forgotten=True), now=T0 + 31 * DAY) == "put back"
    assert (
        judge(dead(), now=T0 + DAY, oldest=T0 + 100) == "put back"
    )  # their clocks differ a little
    assert judge(dead(), now=T0 + DAY, oldest=T0 + DAY // 2) == "forgotten"  # a topic made anew


def of_partner(fact, name):
    """Return a fact about another partner, which numbers its orders as it likes."""
    record = fact.record and fact.record.model_copy(update={"partner_id": name})
    return replace(fact, partner_id=name, record=record)


@pytest.mark.parametrize(
    ("partner", "becomes"),
    [("acme", "delivered since"), ("shop", "put back"), (None, "delivered since")],
)
def test_what_another_partner_acknowledged_says_nothing(partner, becomes):
    """Two merchants may have the same order number; where a record names no partner, it may be about this one."""
    tale, letter = dead()
    told = HistoryBuilder("final/9/9", "evt-2", 100).attempt(5000, decision="delivered")
    tale.facts += [of_partner(fact, partner) for fact in told.facts]
    assert judge((tale, of_partner(letter, "acme"))) == becomes


def test_an_order_number_of_two_partners_is_put_back_for_both():
    """Each waits for its own."""
    _, letter = dead()
    other = HistoryBuilder("final/3/50", "evt-2", 100).dead_letter(9000).facts[-1]
    letters = [of_partner(letter, "acme"), of_partner(other, "shop")]
    made = planned(letters, [], Options(), T0 + 10_000)
    assert {one.partner_id for one in made.selected} == {"acme", "shop"}


def test_one_letter_of_an_order_is_put_back():
    """The youngest: two of one order would tell the partner twice, perhaps two things."""
    tale, older = dead()
    younger = HistoryBuilder("final/3/50", "evt-2", 100).dead_letter(9000).facts[-1]
    made = planned([younger, older], tale.facts, Options(), T0 + 10_000)
    assert [letter.notification_id for letter in made.selected] == ["evt-2"]
    assert [skipped.kind for skipped in made.skipped] == ["another of its order"]
    bad = [
        read_fact("dead-letter", RawRecord("pn-dead-letter", 0, n, b"shop-7", value, (
            ("kind", b"event"), ("dead-letter-reason", b"invalid-event"),
        ), T0))
        for n, value in enumerate((b"<a/>", b"<b/>", b"<b/>"))
    ]  # fmt: skip
    assert [letter.offset for letter in planned(bad, [], Options(), T0).selected] == [0, 2]


def test_a_plan_adds_up():
    """How many to whom, how long it takes, what is skipped by class."""
    letters = [dead(partner_id=name)[1] for name in ("a", "b", "a")]
    letters = [
        read_fact("dead-letter", RawRecord("pn-dead-letter", 0, n, b"k%d" % n, b"{}", (
            ("dead-letter-reason", b"rejected"), ("attempt", b"1"), ("partner-id", letter.partner_id.encode()),
        ), T0 - n))
        for n, letter in enumerate(letters)
    ]  # fmt: skip
    made = planned(letters, [], Options(rate_per_second=2), T0)
    assert made.partners == [("a", 2), ("b", 1)]
    assert (made.options.rate_per_second, made.seconds) == (2, 1.5)
    assert [letter.offset for letter in made.selected] == [2, 1, 0]


GOOD = b'{"paymentRequestId":"order-1","paymentResult":{"resultCode":"X","resultStatus":"F"}}'


def a_letter(value=GOOD):
    """Return a dead letter after the last attempt, as a record and as a fact."""
    pairs = tuple(
        (name, str(text).encode())
        for name, text in {
            "format": 1, "notification-id": "evt-1", "profile": "mpp-to-alipay-plus", "partner-id": "acme",
            "attempt": 15, "parks": 4, "replays": 0, "due-at-ms": T0, "occurred-at-ms": T0 - 1,
            "accepted-at-ms": T0, "first-attempt-at-ms": T0, "last-outcome": "read_timeout",
            "origin": "final/3/42", "x-tenant": "one", "dead-letter-reason": "attempts-exhausted",
            "dead-letter-detail": "d",
        }.items()
    )  # fmt: skip
    record = RawRecord("pn-dead-letter", 0, 9, ORDER.encode(), value, pairs, T0)
    return record, read_fact("dead-letter", record)


def test_a_notification_is_put_back_with_the_same_bytes_on_a_new_ladder():
    """No attempts, no parks, one replay more, a new life; origin, body, key and unknown headers stay."""
    record, letter = a_letter()
    now = T0 + 100 * DAY
    made = replay_record(NAMES, record, letter, AUDIT, now)
    assert (made.topic, made.key, made.value) == ("pn-replay", record.key, record.value)
    assert fault_of(made, CHECK_URL) is None
    read = decode_notification(
        RawRecord("pn-replay", 0, 0, made.key, made.value, made.headers),
        latest_due_ms=None,
        check_url=CHECK_URL,
    )
    assert (read.attempt, read.parks, read.replays, read.replay_run) == (0, 0, 1, "r-7")
    assert (read.due_at_ms, read.accepted_at_ms, read.occurred_at_ms) == (now, now, T0 - 1)
    assert (read.origin, read.first_attempt_at_ms, read.last_outcome) == ("final/3/42", None, "")
    assert read.extra_headers == (("x-tenant", b"one"),)
    assert header_text(made.headers, "replay-of") == letter.record_id.header
    settlement = replay_settlement(made, letter, AUDIT, now)
    said = AttemptRecord.model_validate_json(render(settlement.report))
    assert (settlement.next, said.order_id) == (made, (record.key or b"").decode())
    assert (said.by, said.why, said.replay_run) == ("alice", "acme is back", "r-7")
    assert (said.replay_of, said.replays, said.decision) == (letter.record_id.header, 1, "replayed")


def test_an_event_is_put_back_as_it_came():
    """`kind: event`, its own bytes, its first origin, one replay more."""
    raw = RawRecord("pn-dead-letter", 0, 5, b"any", b"<xml/>", (
        ("format", b"1"), ("kind", b"event"), ("origin", b"final/3/42"), ("replays", b"1"),
        ("dead-letter-reason", b"invalid-event"), ("dead-letter-detail", b"d"), ("value-length", b"6"),
    ), T0)  # fmt: skip
    letter = read_fact("dead-letter", raw)
    made = replay_record(NAMES, raw, letter, AUDIT, T0)
    assert made.value == b"<xml/>"
    assert dict(made.headers) == {
        "format": b"1",
        "kind": b"event",
        "origin": b"final/3/42",
        "replays": b"2",
        "replay-run": b"r-7",
        "replay-of": b"pn-dead-letter/0/5",
    }


@pytest.mark.parametrize("value", [None, b"{", GOOD.replace(b"order-1", b"order-2")])
def test_what_no_worker_could_read_is_named(value):
    """A body that is missing, broken or about another order would be dead-lettered at once."""
    record, letter = a_letter(value)
    made = replay_record(NAMES, record, letter, AUDIT, T0)
    assert fault_of(made, CHECK_URL)


@pytest.mark.parametrize(("name", "value"), [("format", b"2"), ("profile", b"mpp-to-mars")])
def test_what_only_a_newer_version_can_read_is_left_to_it(name, value):
    """What its headers mean is not known here, so none is changed: the sentence says whose turn it is."""
    record, letter = a_letter()
    headers = tuple((key, value if key == name else text) for key, text in record.headers)
    made = replay_record(NAMES, replace(record, headers=headers), letter, AUDIT, T0)
    assert fault_of(made, CHECK_URL) == (
        f"header {name}: of a newer version: put it back with the command of that version"
    )


@pytest.mark.parametrize(
    "texts", [("", "alice", "why"), ("r", "", "why"), ("r", "a", " "), ("r", "a", "w" * 501), ("r", "a", "x\ny")]
)  # fmt: skip
def test_an_audit_says_who_and_why(texts):
    """In one line each, neither empty nor endless."""
    with pytest.raises(ValueError, match="expected 1 to"):
        ReplayAudit(*texts)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=8),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_the_shortest_spans_hold_every_place_that_is_there(record_ids, start, length):
    """And no partition that has none of them."""
    spans = [Span("t", number, start, start + length) for number in range(4)]
    around = spans_around([RecordId("t", *record_id) for record_id in record_ids], spans)
    held = {(s.partition, n) for s in around for n in range(s.start, s.end)}
    assert {p for p in record_ids if start <= p[1] < start + length} <= held
    assert held <= {(s.partition, n) for s in spans for n in range(s.start, s.end)}
