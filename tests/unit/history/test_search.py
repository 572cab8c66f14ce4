"""How far back an order is looked for, and which events may be its."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from streams.operator.history.search import first_final_ms, may_name
from tests.support.history import T0, HistoryBuilder


def test_nothing_is_older_than_the_payment():
    """With the event, or with a record that says when the payment became final; the earliest of several counts."""
    records = HistoryBuilder().event().attempt(50)
    assert first_final_ms(records.facts) == T0 - 1000
    later = HistoryBuilder(origin="final/3/43", notification_id="evt-2").event(
        5000, "2026-11-22T10:20:00+00:00"
    )
    assert first_final_ms(records.facts + later.facts) == T0 - 1000
    assert first_final_ms(later.facts) == T0 + 5000  # payment core's clock was ahead


def test_without_the_event_it_is_not_known():
    """Attempts alone don't tell, nor one notification about another, nor a result that contradicts one from before."""
    records = HistoryBuilder().event().attempt(50)
    event, attempt = records.facts
    assert first_final_ms([attempt]) is None
    assert first_final_ms([event, replace(attempt, notification_id="evt-2")]) is None
    assert first_final_ms([event, replace(attempt, reason="conflicting-result")]) is None
    assert first_final_ms([]) is None


@pytest.mark.parametrize(
    "in_json", [b"shop/\xc3\xa9/7", b"shop\\/\\u00e9\\/7", b"\\u0073hop/\\u00E9/7"]
)
def test_an_event_may_name_its_order_in_any_form(in_json):
    """JSON may escape every character; what has neither the id nor an escape is not read."""
    value = b'{"payment":{"paymentRequestId":"' + in_json + b'"}}'
    assert may_name("shop/é/7")(SimpleNamespace(value=value))
    assert not may_name("shop/é/8")(SimpleNamespace(value=b'{"a":"shop/\xc3\xa9/7"}'))
    assert not may_name("x")(SimpleNamespace(value=None))
