"""The records that the operator's commands are measured on are what the notifier writes."""

from benchmarks.large_topics import attempt, dead_letter
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord

AT_MS = 1_795_342_530_000


def test_an_attempt_is_read_as_one():
    """Delivered or waiting for the next one, with all that the commands look at."""
    for delivered, decision in ((True, "delivered"), (False, "retry")):
        value = attempt(7, "order-7", AT_MS, "final/0/7", "partner-7", delivered=delivered)
        fact = read_fact("attempts", RawRecord("t", 0, 0, b"order-7", value, (), AT_MS))
        assert (fact.unreadable, fact.order_id, fact.partner_id) == (None, "order-7", "partner-7")
        assert fact.record is not None
        assert (fact.record.decision, fact.origin, fact.result) == (
            decision,
            "final/0/7",
            "S:SUCCESS",
        )


def test_a_dead_letter_is_read_as_one():
    """With its reason, partner and result."""
    key, value, headers = dead_letter(7, AT_MS, "partner-7")
    fact = read_fact("dead-letter", RawRecord("t", 0, 0, key, value, tuple(headers), AT_MS))
    assert (fact.unreadable, fact.reason, fact.partner_id) == (
        None,
        "attempts-exhausted",
        "partner-7",
    )
    assert (fact.order_id, fact.result, fact.attempt) == (key.decode(), "S:SUCCESS", 15)
