"""Whatever mixture of facts there is, there are histories, each with a report, and the time adds up."""

import json

from hypothesis import given
from hypothesis import strategies as st

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Fact
from streams.notification.decision import DeadLetterReason
from streams.notification.outcome import Failure
from streams.notification.profiles import PROFILES
from streams.operator.history.assessment import Limits
from streams.operator.history.notification_history import histories_of
from streams.operator.history.report import as_json, details, report_on

T0 = 1_795_342_530_000
moments = st.integers(T0 - 10**6, T0 + 10**6)
counts = st.one_of(st.none(), st.integers(0, 16))
ids = st.one_of(st.none(), st.sampled_from(["evt-1", "evt-2"]))
origins = st.one_of(st.none(), st.sampled_from(["final/0/1", "final/0/2", "rubbish"]))
reasons = st.one_of(st.none(), st.sampled_from([reason.value for reason in DeadLetterReason]))
maybe = st.one_of(st.none(), moments)


records = st.builds(
    AttemptRecord,
    v=st.just(1),
    kind=st.sampled_from(["attempt", "decision", "park", "replay"]),
    at_ms=moments,
    attempt=counts,
    trigger=st.sampled_from([None, "event", "ladder", "park", "replay"]),
    due_at_ms=maybe,
    started_at_ms=maybe,
    ended_at_ms=maybe,
    request_left=st.sampled_from([None, "no", "perhaps", "yes"]),
    http_status=st.sampled_from([None, 200, 503]),
    failure=st.sampled_from([None, *(failure.value for failure in Failure)]),
    result_status=st.sampled_from([None, "S", "F", "U"]),
    result_code=st.sampled_from([None, "SUCCESS", "KEY_NOT_FOUND", "X"]),
    decision=st.sampled_from(
        [None, "delivered", "retry", "dead-letter", "parked", "replayed", "absorbed"]
    ),
    next_due_at_ms=maybe,
    next_topic=st.sampled_from([None, "pn-retry-1s"]),
    why=st.sampled_from([None, "in-flight"]),
)


@st.composite
def facts(draw):
    kind = draw(st.sampled_from(["event", "tier", "replay", "dead-letter", "attempts"]))
    return Fact(
        kind=kind,
        topic=f"topic-{kind}",
        partition=0,
        offset=draw(st.integers(0, 50)),
        at_ms=draw(moments),
        order_id=draw(st.sampled_from([None, "order-1"])),
        unreadable=draw(st.sampled_from([None, None, "rubbish"])),
        notification_id=draw(ids),
        profile=draw(st.sampled_from([None, "mpp-to-mars", *PROFILES])),
        partner_id=draw(st.sampled_from([None, "acme"])),
        attempt=draw(counts),
        parks=draw(counts),
        replays=draw(counts),
        due_at_ms=draw(maybe),
        occurred_at_ms=draw(maybe),
        accepted_at_ms=draw(maybe),
        last_outcome=draw(st.sampled_from([None, "", "parked", "U"])),
        origin=draw(origins),
        replay_of=draw(origins),
        holds_event=draw(st.booleans()),
        reason=draw(reasons),
        record=draw(records) if kind == "attempts" else None,
    )


@given(
    st.lists(facts(), max_size=8),
    moments,
    maybe,
    st.builds(Limits, st.integers(1, 10**5), st.integers(1, 10**4), st.integers(1, 10**6)),
    st.randoms(use_true_random=False),
)
def test_every_mixture_of_facts_has_histories_and_reports(
    given_facts, now, known_since, limits, rng
):
    """No exception; no fact counts twice; the order of reading means nothing; the parts of the time are the whole."""
    histories = histories_of(given_facts)
    unique = list({fact.record_id: fact for fact in given_facts}.values())
    rng.shuffle(unique)
    assert histories_of(unique) == histories
    for history in histories:
        report = report_on(history, now, limits, known_since_ms=known_since)
        parts = report.spent.model_dump(exclude={"total"}).values()
        assert min(parts) >= 0
        assert sum(parts) == report.spent.total
        assert [entry.at_ms for entry in history.entries] == sorted(
            entry.at_ms for entry in history.entries
        )
        parks = sum(entry.kind == "park" for entry in history.entries)
        assert len(report.timeline) >= len(history.entries) - max(0, parks - 1)
        assert report.sentence
        assert report.next
        assert not (report.overdue and report.state != "due")
        json.dumps(as_json(history, report))
        report.model_dump_json()
        details(history, report, now)
