"""A test notification holds nothing that may pass for a real payment's."""

import json

import pytest

from streams.notification.profiles import PROFILES
from streams.notification.rehearsal import _of_a_test, rehearsal_event

NOW = "2026-11-28T12:00:00Z"


@pytest.mark.parametrize("name", PROFILES)
def test_its_order_is_that_of_a_test(name):
    """Whichever member holds the order id."""
    event = json.loads(rehearsal_event(PROFILES[name], "shop", "one", NOW))
    assert event["payment"][PROFILES[name].order_id_member] == "TEST-one"
    assert event["occurredAt"] == NOW


def test_values_within_objects_and_lists_are_those_of_a_test():
    """Amounts are one of a currency of nobody, times are now, ids those of the test, however deep they stand."""
    sample = {
        "parts": [{"amount": {"currency": "USD", "value": "99"}, "id": "2026112800001234"}],
        "at": "2020-01-01T00:00:00+08:00",
        "kind": "PART",
    }
    assert _of_a_test(sample, "TEST-one", NOW) == {
        "parts": [{"amount": {"currency": "XTS", "value": "1"}, "id": "TEST-one"}],
        "at": NOW,
        "kind": "PART",
    }


@pytest.mark.parametrize(
    ("asked", "stands"),
    [
        ({}, {"outcome": "FAILED", "resultCode": "PROCESS_FAIL"}),
        ({"reason": "RISK_REJECT"}, {"outcome": "FAILED", "reason": "RISK_REJECT"}),
        ({"outcome": "SUCCESS"}, {"outcome": "SUCCESS"}),
        (
            {"notify_url": "https://shop.example/notify"},
            {
                "outcome": "FAILED",
                "resultCode": "PROCESS_FAIL",
                "notifyUrl": "https://shop.example/notify",
            },
        ),
    ],
)
def test_what_is_asked_for_stands_in_it(asked, stands):
    """Outcome, reason and URL; the general code only where a failure has no reason."""
    event = json.loads(rehearsal_event(PROFILES["mpp-to-ant"], "shop", "one", NOW, **asked))
    given = {"outcome", "reason", "resultCode", "notifyUrl"} & event.keys()
    assert {name: event[name] for name in given} == stands
