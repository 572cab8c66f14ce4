"""The event's own members."""

import pytest

from schemas.event import Event, EventMembers, short_text
from tests.support.events import EVENTS

EVENT = EVENTS["mpp-to-ant"]


def read(*, allow_http=False, **members):
    """Return the event and its faults; a member given as None is missing."""
    faults: dict[str, str] = {}
    return Event.read(EVENT | members, allow_http=allow_http, faults=faults), faults


def test_a_whole_event_is_read():
    """Every member is there under its name."""
    event, faults = read(reason="X", resultCode="SUCCESS")
    assert faults == {}
    assert event is not None
    assert (event.event_id, event.profile, event.partner_id) == ("evt-1", "mpp-to-ant", "partner-1")
    assert event.notify_url == "https://partner-1.example.com/notify?shop=7"
    assert (event.outcome, event.reason) == ("SUCCESS", "X")
    assert (event.result_code, event.result_message) == ("SUCCESS", "success")
    assert event.payment["customerId"] == "1234567"


@pytest.mark.parametrize("nothing", [None, ""])
def test_what_may_be_absent(nothing):
    """Null and empty mean absent; a required member is then missing."""
    optional = ["notifyUrl", "reason", "resultCode", "resultMessage"]
    event, faults = read(**dict.fromkeys(optional, nothing))
    assert event is not None
    assert faults == {}
    _, faults = read(**dict.fromkeys(EVENT, nothing))
    assert faults == dict.fromkeys(
        ["eventId", "profile", "partnerId", "outcome", "occurredAt", "payment"], "missing or empty"
    )


def test_unknown_members_are_ignored():
    """Payment core may write what it likes beside what we read, numbers too."""
    event, faults = read(version=3, note=None, tags=[1, True])
    assert event is not None
    assert faults == {}


@pytest.mark.parametrize(
    ("member", "longest"),
    [("eventId", 64), ("partnerId", 64), ("resultMessage", 256)],
)
def test_lengths(member, longest):
    """Characters are counted; one too many is refused."""
    assert read(**{member: "付" * longest})[1] == {}
    assert list(read(**{member: "付" * (longest + 1)})[1]) == [member]


def test_the_length_of_a_code():
    """A result code has at most 64 characters."""
    assert read(outcome="FAILED", resultCode="X" * 64)[1] == {}
    assert list(read(outcome="FAILED", resultCode="X" * 65)[1]) == ["resultCode"]


@pytest.mark.parametrize(
    "member",
    [
        "eventId",
        "profile",
        "partnerId",
        "notifyUrl",
        "outcome",
        "reason",
        "resultCode",
        "resultMessage",
        "occurredAt",
        "payment",
    ],
)
@pytest.mark.parametrize("value", [7, True, ["x"]])
def test_a_member_of_another_type_is_refused(member, value):
    """Nothing is converted."""
    event, faults = read(**{member: value})
    assert event is None
    assert list(faults) == [member]


@pytest.mark.parametrize("outcome", ["PENDING", "success", "UNKNOWN", "PROCESSING"])
def test_nothing_else_is_final(outcome):
    """Three outcomes are final, exactly so spelled."""
    assert list(read(outcome=outcome)[1]) == ["outcome"]


@pytest.mark.parametrize(
    ("outcome", "code", "fits"),
    [
        ("SUCCESS", "SUCCESS", True),
        ("SUCCESS", "RISK_REJECT", False),
        ("FAILED", "RISK_REJECT", True),
        ("FAILED", "SUCCESS", False),
        ("CANCELLED", "ORDER_IS_CLOSED", True),
        ("CANCELLED", "SUCCESS", False),
    ],
)
def test_a_given_code_fits_the_outcome(outcome, code, fits):
    """SUCCESS goes with outcome SUCCESS and with nothing else."""
    assert list(read(outcome=outcome, resultCode=code)[1]) == ([] if fits else ["resultCode"])


def test_a_code_is_not_blamed_for_a_bad_outcome():
    """Where the outcome can't be read, only the outcome is a fault."""
    assert list(read(outcome="?", resultCode="SUCCESS")[1]) == ["outcome"]


def test_plain_http_only_where_it_is_allowed():
    """The flag that is passed in decides."""
    url = "http://127.0.0.1:8080/notify"
    assert read(notifyUrl=url)[1] == {
        "notifyUrl": "plain http; expected https (NOTIFIER_ALLOW_HTTP is for local use)"
    }
    assert read(notifyUrl=url, allow_http=True)[1] == {}


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:30:00.001+08:30", 1),
        ("2026-11-22T10:15:29.999999999Z", 1_795_342_529_999),
        ("2026-11-22T10:15:29-01:00", 1_795_346_129_000),
        ("2026-11-22T10:15+0800", 1_795_313_700_000),
        ("2026-11-22T24:00Z", 1_795_392_000_000),
    ],
)
def test_when_the_payment_became_final(text, ms):
    """Milliseconds since the epoch, rounded down, whatever the offset."""
    event, _ = read(occurredAt=text)
    assert event is not None
    assert event.occurred_at_ms == ms


@pytest.mark.parametrize("text", ["2026-11-22T10:15:29", "1969-12-31T23:59:59Z", "now"])
def test_any_other_time_is_refused(text):
    """Without an offset, before 1970, or no time at all."""
    assert list(read(occurredAt=text)[1]) == ["occurredAt"]


def test_every_fault_is_named_at_once():
    """One refusal is enough to mend an event."""
    _, faults = read(eventId=7, outcome="?", notifyUrl="x", occurredAt="x", payment="x")
    assert set(faults) == {"eventId", "outcome", "notifyUrl", "occurredAt", "payment"}


def test_what_can_be_told_of_a_whole_event():
    """Each member as the event has it; of the URL the server only."""
    said = EventMembers(EVENT)
    assert (said.event_id, said.profile, said.partner_id) == ("evt-1", "mpp-to-ant", "partner-1")
    assert (said.outcome, said.url_origin) == ("SUCCESS", "https://partner-1.example.com")
    assert said.payment == EVENT["payment"]
    assert said.occurred_at_ms == 1_795_311_929_500


@pytest.mark.parametrize("value", [None, 7, [], {}, True, "", "x" * 65, "\ud800", "https://a b/"])
def test_what_can_be_told_of_an_event_that_breaks_every_rule(value):
    """Nothing, and nothing is raised: each member has a value that can't be read, or is missing."""
    names = ("eventId", "profile", "partnerId", "outcome", "payment", "notifyUrl", "occurredAt")
    for members in ({}, dict.fromkeys(names, value)):
        said = EventMembers(members)
        texts = (said.event_id, said.profile, said.partner_id, said.outcome)
        assert texts == (short_text(members.get("eventId")),) * 4
        assert said.payment == (value if members and value == {} else None)
        assert (said.url_origin, said.occurred_at_ms) == (None, None)
