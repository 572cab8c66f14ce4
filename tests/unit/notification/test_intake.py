"""From an event's bytes to a notification, or to a refusal."""

import json
from dataclasses import replace

import pytest

from schemas.fields import Body
from schemas.tidying import tidy
from streams.notification.body import check_body
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import (
    PartnerTerms,
    Prepared,
    ReadEvent,
    Refused,
    prepare,
    read_event,
    read_members,
)
from streams.notification.profiles import PROFILES
from tests.support.events import EVENTS

TERMS = PartnerTerms(profiles=frozenset(PROFILES), reasons={}, hold_unmapped=False, notify_url=None)


def raw(name="mpp-to-ant", *, payment=None, **members):
    """Return an event's bytes, with some members other than in the sample."""
    event = EVENTS[name]
    changed = event | members | {"payment": event["payment"] | (payment or {})}
    return json.dumps(changed, ensure_ascii=False).encode()


def read(name="mpp-to-ant", **members):
    """Return an event that must be readable."""
    event = read_event(raw(name, **members), allow_http=False)
    assert isinstance(event, ReadEvent)
    return event


def prepared(terms=TERMS, name="mpp-to-ant", **members):
    """Return a notification that must come of the event."""
    result = prepare(read(name, **members), terms, accepted_at_ms=1000, origin="source/3/42")
    assert isinstance(result, Prepared)
    return result


def refused(value):
    """Return the refusal that must come of the bytes."""
    refusal = read_event(value, allow_http=False)
    assert isinstance(refusal, Refused)
    return refusal


@pytest.mark.parametrize("name", PROFILES)
def test_a_whole_event_becomes_a_notification_due_at_once(name):
    """Every field of the notification, for each profile."""
    notification = prepare(
        read(name),
        TERMS,
        accepted_at_ms=1000,
        origin="source/3/42",
        traceparent="00-1-2-01",
        extra_headers=(("x", b"\xff"),),
    )
    assert isinstance(notification, Prepared)
    event, profile, made = EVENTS[name], PROFILES[name], notification.notification
    order_id = event["payment"][profile.order_id_member]
    assert (made.notification_id, made.order_id) == (event["eventId"], order_id)
    assert (made.profile, made.partner_id) == (profile, event["partnerId"])
    assert made.notify_url == event["notifyUrl"]
    assert (made.due_at_ms, made.accepted_at_ms, made.occurred_at_ms) == (1000, 1000, 1795311929500)
    assert (made.attempt, made.parks, made.replays) == (0, 0, 0)
    assert (made.first_attempt_at_ms, made.last_outcome) == (None, "")
    assert (made.origin, made.traceparent) == ("source/3/42", "00-1-2-01")
    assert made.extra_headers == (("x", b"\xff"),)
    assert (notification.unsent, notification.unmapped_reason) == ((), False)
    assert notification.unknown_code is False
    check_body(made.body, profile, order_id)
    assert json.loads(made.body)[profile.result_member] == {
        "resultCode": "SUCCESS",
        "resultStatus": "S",
        "resultMessage": "success",
    }


def test_the_body_is_compact_utf8_in_the_order_of_the_schema():
    """These bytes go on the wire, on every attempt."""
    assert (
        prepared(name="acquirer-to-alipay-plus", resultMessage="支付").notification.body
        == (
            '{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"支付"},'
            '"paymentId":"20261122012345678900130003","paymentRequestId":"2026112219074102000100",'
            '"paymentTime":"2026-11-22T10:15:29Z"}'
        ).encode()
    )


def test_an_event_reports_f_with_its_mapped_code():
    """The partner's reasons come before the profile's; the message is the event's."""
    made = prepared(outcome="FAILED", reason="INSUFFICIENT_FUNDS", resultMessage=None)
    assert json.loads(made.notification.body)["paymentResult"] == {
        "resultCode": "USER_BALANCE_NOT_ENOUGH",
        "resultStatus": "F",
    }
    terms = replace(TERMS, reasons={"INSUFFICIENT_FUNDS": "RISK_REJECT"})
    made = prepared(terms, outcome="FAILED", reason="INSUFFICIENT_FUNDS")
    assert json.loads(made.notification.body)["paymentResult"]["resultCode"] == "RISK_REJECT"


def test_an_unknown_code_passes_and_is_counted():
    """Payment core knows best; the code may be new."""
    made = prepared(outcome="FAILED", resultCode="A_NEW_ONE")
    assert made.unknown_code
    assert not made.unmapped_reason
    assert not prepared(outcome="FAILED", resultCode="RISK_REJECT").unknown_code


def test_a_reason_without_a_code_is_sent_as_the_general_one_and_counted():
    """So that the gap is seen."""
    made = prepared(outcome="FAILED", reason="E1042")
    assert json.loads(made.notification.body)["paymentResult"]["resultCode"] == "PROCESS_FAIL"
    assert made.unmapped_reason
    assert not made.unknown_code


def test_a_reason_without_a_code_is_held_where_the_partner_wants_it():
    """Before the first call: a wrong code can't be corrected later."""
    terms = replace(TERMS, hold_unmapped=True)
    event = read(outcome="FAILED", reason="E1042")
    refusal = prepare(event, terms, accepted_at_ms=1, origin="t/0/1")
    assert isinstance(refusal, Refused)
    assert refusal.reason is DeadLetterReason.UNMAPPED_REASON
    assert refusal.detail == (
        "reason: no payment result code is mapped to it; add it to the partner's reasons, then replay"
    )
    assert prepared(terms, outcome="FAILED", reason="INSUFFICIENT_FUNDS")


@pytest.mark.parametrize("name", PROFILES)
def test_a_payment_that_brings_a_result_of_its_own_is_refused(name):
    """What is told is made of outcome, reason and code; a second result beside it could say otherwise."""
    member = PROFILES[name].result_member
    refusal = refused(raw(name, payment={member: {"resultStatus": "S"}}))
    assert [fault.split(":")[0] for fault in refusal.faults] == [f"payment.{member}"]


def test_nearly_known_members_of_event_and_payment_are_named_together():
    """Where the payment is refused, and where it is not."""
    mistyped = {"paymentTim": "2026-11-22T10:15:29Z"}
    refusal = refused(raw(reasn="x", payment=mistyped | {"paymentTime": "today"}))
    assert {str(name).split(":")[0] for name in refusal.near} == {"reasn", "payment.paymentTim"}
    event = read(reasn="x", payment=mistyped)
    assert {str(name).split(":")[0] for name in event.near} == {"reasn", "payment.paymentTim"}


def test_members_that_are_not_sent_are_named():
    """A member of another profile, and a merchant's time of payment with F."""
    assert prepared(payment={"acquirerId": "1"}).unsent == ("acquirerId",)
    made = prepared(name="alipay-to-merchant", outcome="FAILED", reason="RISK_REJECT")
    assert made.unsent == ("paymentTime",)


def test_an_unknown_partner():
    """The refusal carries every id, so that a replay after the mending needs nothing else."""
    refusal = prepare(read(), None, accepted_at_ms=1, origin="t/0/1")
    assert isinstance(refusal, Refused)
    assert refusal.reason is DeadLetterReason.UNKNOWN_PARTNER
    assert refusal.detail == ("partnerId: the partners file has no such entry; add it, then replay")
    assert (refusal.event_id, refusal.profile, refusal.partner_id, refusal.order_id) == (
        "evt-1",
        "mpp-to-ant",
        "partner-1",
        "20261122190741020001001234567",
    )


def test_a_partner_without_this_profile_and_without_a_url():
    """Both faults are named at once."""
    terms = replace(TERMS, profiles=frozenset({"alipay-to-merchant"}))
    refusal = prepare(read(notifyUrl=None), terms, accepted_at_ms=1, origin="t/0/1")
    assert isinstance(refusal, Refused)
    assert refusal.reason is DeadLetterReason.INVALID_EVENT
    assert refusal.detail == (
        "profile: the partner does not list mpp-to-ant in the partners file; "
        "notifyUrl: missing or empty, and the partner has no notify_url"
    )
    assert "; ".join(refusal.faults) == refusal.detail


def test_a_partners_own_url_is_not_written_into_the_notification():
    """Only what the event named travels; the partner's own may change later."""
    terms = replace(TERMS, notify_url="https://partner.example.com/")
    assert prepared(terms, notifyUrl=None).notification.notify_url is None
    assert prepared(terms).notification.notify_url == EVENTS["mpp-to-ant"]["notifyUrl"]


@pytest.mark.parametrize("code", ["SUCCESS", "", "X" * 65])
def test_a_partners_reasons_need_codes_of_f(code):
    """A failed payment can't be reported as a success by a line of configuration."""
    with pytest.raises(ValueError, match="reasons: E1042: expected a code of F"):
        replace(TERMS, reasons={"E1042": code})


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "event: a tombstone; expected one JSON object"),
        (b"", "event: no JSON at character 0: Expecting value"),
        (b"\xff", "event: no UTF-8 at byte 0"),
        (b"[]", "event: expected one JSON object"),
        (b"null", "event: expected one JSON object"),
        (b'{"a":1,"a":1}', "event: a member is named twice in one object"),
    ],
)
def test_what_is_no_object_is_refused_without_ids(value, detail):
    """There is nothing to read an id from."""
    assert refused(value) == Refused(DeadLetterReason.INVALID_EVENT, detail)


def test_every_fault_of_event_and_payment_is_named():
    """One refusal is enough to mend an event."""
    refusal = refused(
        raw(
            "alipay-plus-to-acquirer",
            outcome="SUCCESS",
            occurredAt="today",
            partnerId="",
            payment={"pspId": None, "settlementQuote": "", "walletBrandName": "x" * 129, "n": 1},
        )
    )
    assert {fault.split(":")[0] for fault in refusal.detail.split("; ") if ": " in fault} == {
        "occurredAt",
        "partnerId",
        "payment.pspId",
        "payment.settlementQuote",
        "payment.walletBrandName",
        "payment.n",
    }


@pytest.mark.parametrize("profile", ["mpp-to-nobody", None, 7, ["mpp-to-ant"], ""])
def test_an_unknown_profile_is_refused_and_the_payment_still_looked_at(profile):
    """Ids are read as far as they can be."""
    refusal = refused(raw(profile=profile, payment={"n": 1}))
    assert refusal.reason is DeadLetterReason.INVALID_EVENT
    assert "profile: " in refusal.detail
    assert "payment.n: a number" in refusal.detail
    assert refusal.order_id == "20261122190741020001001234567"
    assert refusal.profile == (profile if profile == "mpp-to-nobody" else None)


def test_an_unknown_profile_alone_names_the_known_ones():
    """Nothing else is wrong with this event."""
    refusal = refused(raw(profile="mpp-to-nobody"))
    assert refusal.detail == f"profile: expected one of {', '.join(PROFILES)}"


def test_ids_that_break_a_rule_are_not_read():
    """Too long, empty or no string: not an id."""
    refusal = refused(raw(eventId="x" * 65, partnerId=7, payment={"paymentRequestId": ""}))
    assert (refusal.event_id, refusal.partner_id, refusal.order_id) == (None, None, None)
    assert refused(raw(eventId=7, payment={"paymentRequestId": "o"})).order_id == "o"
    assert refused(json.dumps({"payment": ["x"]}).encode()).order_id is None


def test_the_order_id_of_a_push_payment_is_the_payment_id():
    """Even where the event is refused."""
    assert (
        refused(raw("acquirer-to-alipay-plus", eventId=7)).order_id == "20261122012345678900130003"
    )


def test_every_fault_stands_by_itself():
    """However many there are; the detail is the same sentences, as far as it has room."""
    refusal = refused(raw(eventId=7, payment={f"member{n}": n for n in range(200)}))
    assert len(refusal.faults) > 200
    assert "; ".join(refusal.faults).startswith(refusal.detail)


def test_a_detail_is_at_most_4_kib():
    """However much is wrong."""
    numbers = {f"支付{n}": n for n in range(500)} | {f"member{n}": n for n in range(500)}
    detail = refused(raw(payment=numbers)).detail
    assert 4000 < len(detail.encode()) <= 4096


@pytest.mark.parametrize("before", ["", "x", "xx"])
def test_a_detail_is_cut_between_characters(before):
    """Faults of a mapping may hold any text: wherever the limit falls, what is left is whole."""
    faults = {"event": before + "支" * 3000}
    refusal = read_members(EVENTS["mpp-to-ant"], faults, allow_http=False)
    assert isinstance(refusal, Refused)
    assert 4093 < len(refusal.detail.encode()) <= 4096
    assert refusal.detail.rstrip("支") == f"event: {before}"


def test_a_refused_event_names_its_partner():
    """As far as it can be read: an operator looks for it by that."""
    refusal = refused(raw(outcome="NO_OUTCOME"))
    assert refusal.partner_id == EVENTS["mpp-to-ant"]["partnerId"]


def test_plain_http_where_it_is_allowed():
    """The setting is passed in, not looked up."""
    value = raw(notifyUrl="http://127.0.0.1:8080/")
    assert isinstance(read_event(value, allow_http=True), ReadEvent)
    assert isinstance(read_event(value, allow_http=False), Refused)


def test_only_the_status_decides_what_is_required():
    """A failed payment need not have been paid."""
    assert prepared(
        outcome="FAILED",
        reason="RISK_REJECT",
        payment={"paymentTime": None, "paymentAmount": None, "paymentId": ""},
    )
    assert "payment.paymentTime" in refused(raw(payment={"paymentTime": None})).detail


def test_the_faults_of_an_event_are_bounded():
    """Thousands of numbers in an array are a few hundred faults, and names nobody knows are compared a few times only."""
    event = EVENTS["mpp-to-ant"]
    payment = event["payment"] | {"x": [0] * 16_000}
    refused = read_event(json.dumps(event | {"payment": payment}).encode(), allow_http=False)
    assert isinstance(refused, Refused)
    assert "payment.x[0]: a number" in refused.detail
    assert len(refused.detail.encode()) <= 4096
    faults: dict[str, str] = {}
    tidy({"x": [0, ""] * 8000}, Body.table, "", faults, [])
    assert len(faults) == 256
    many = {f"paymentIe{number}": "v" for number in range(8000)} | {"paymentIe": "v"}
    read = read_event(
        json.dumps(event | {"payment": event["payment"] | many}).encode(), allow_http=False
    )
    assert isinstance(read, ReadEvent)
    assert len(read.unsent) == 8001


DEEP = json.loads('{"a":' * 40 + '"b"' + "}" * 40)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        (DEEP, "more than 32 levels of objects and arrays"),
        ({"a": "," * 17_000}, "commas, expected at most 16,384"),
        ({"a": "{" * 5000}, "of { and [, expected at most 4,096"),
    ],
    ids=["depth", "commas", "containers"],
)
def test_what_its_retry_would_be_refused_for_is_refused_at_once(metadata, fault):
    """Of a mapped event, whose members came from other bytes; the partner has not been told anything yet."""
    name = "alipay-to-merchant"
    event = EVENTS[name] | {"payment": EVENTS[name]["payment"] | {"metadata": metadata}}
    made = read_members(event, {}, allow_http=False)
    assert isinstance(made, ReadEvent)
    refusal = prepare(made, TERMS, accepted_at_ms=1000, origin="source/3/42")
    assert isinstance(refusal, Refused)
    assert refusal.reason == DeadLetterReason.INVALID_EVENT
    assert refusal.detail.startswith("payment: its request body has ")
    assert fault in refusal.detail
    assert refusal.event_id == event["eventId"]


def test_escaped_commas_count_as_what_they_become():
    """The body that a retry would read has them plain."""
    event = raw("alipay-to-merchant", payment={"metadata": {"a": "commas"}})
    made = read_event(event.replace(b"commas", rb"\u002c" * 17_000), allow_http=False)
    assert isinstance(made, ReadEvent)
    refusal = prepare(made, TERMS, accepted_at_ms=1000, origin="source/3/42")
    assert isinstance(refusal, Refused)
    assert "commas, expected at most 16,384" in refusal.detail
