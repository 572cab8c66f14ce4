"""Each field, length and rule of the five request bodies."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.fields import InvalidBody, Result
from schemas.merchant_notification import MerchantNotification
from schemas.notify_payment import AcquirerPayment, WalletPayment
from schemas.notify_push_payment import PushPayment
from streams.notification.profiles import PROFILES

SUCCESS = Result.model_validate({"resultCode": "SUCCESS", "resultStatus": "S"})
FAILED = Result.model_validate({"resultCode": "RISK_REJECT", "resultStatus": "F"})

REQUIRED = {
    WalletPayment: {"paymentRequestId"},
    AcquirerPayment: {"paymentRequestId", "acquirerId"},
    PushPayment: {"paymentId"},
    MerchantNotification: {"paymentRequestId", "paymentId", "paymentAmount"},
}
REQUIRED_ON_SUCCESS = {
    WalletPayment: {"paymentId", "paymentTime", "paymentAmount"},
    AcquirerPayment: {
        "paymentId",
        "pspId",
        "walletBrandName",
        "paymentAmount",
        "paymentTime",
        "settlementAmount",
        "mppPaymentId",
    },
    PushPayment: {"paymentRequestId", "paymentTime"},
    MerchantNotification: set(),
}
LENGTHS = [
    (WalletPayment, "paymentRequestId", 64),
    (WalletPayment, "paymentId", 64),
    (WalletPayment, "customerId", 64),
    (AcquirerPayment, "paymentRequestId", 64),
    (AcquirerPayment, "paymentId", 64),
    (AcquirerPayment, "acquirerId", 64),
    (AcquirerPayment, "pspId", 64),
    (AcquirerPayment, "customerId", 64),
    (AcquirerPayment, "walletBrandName", 128),
    (AcquirerPayment, "mppPaymentId", 64),
    (PushPayment, "paymentId", 64),
    (PushPayment, "paymentRequestId", 64),
    (MerchantNotification, "paymentRequestId", 64),
    (MerchantNotification, "paymentId", 64),
]
AMOUNTS = [
    (WalletPayment, {"paymentAmount", "payToAmount", "customsDeclarationAmount"}),
    (AcquirerPayment, {"paymentAmount", "settlementAmount", "customsDeclarationAmount"}),
    (MerchantNotification, {"paymentAmount", "customsDeclarationAmount", "grossSettlementAmount"}),
]


def payment(body):
    """Return every member that payment core gives for a body."""
    return dict(next(p.sample.payment for p in PROFILES.values() if p.body is body))


@pytest.mark.parametrize("body", REQUIRED)
def test_all_members_of_a_sample_are_sent_as_they_came(body):
    """Nothing is lost or changed on the way into the bytes, and nothing is unsent."""
    members = payment(body)
    read, unsent = body.read(members, SUCCESS)
    sent = json.loads(read.to_bytes())
    ours = {read.result_member, "notifyType"}
    assert {name: value for name, value in sent.items() if name not in ours} == members
    assert sent[read.result_member] == {"resultCode": "SUCCESS", "resultStatus": "S"}
    assert unsent == ()


@pytest.mark.parametrize("body", REQUIRED)
def test_what_s_and_f_require(body):
    """An empty payment is refused for exactly the members that the status requires."""
    with pytest.raises(InvalidBody) as on_failure:
        body.read({}, FAILED)
    with pytest.raises(InvalidBody) as on_success:
        body.read({}, SUCCESS)
    assert set(on_failure.value.faults) == REQUIRED[body]
    assert set(on_success.value.faults) == REQUIRED[body] | REQUIRED_ON_SUCCESS[body]


@pytest.mark.parametrize("body", REQUIRED)
@pytest.mark.parametrize("nothing", [None, ""])
def test_only_the_optional_members_may_be_empty(body, nothing):
    """Each member in turn: a required one is a fault, any other is left out."""
    required = REQUIRED[body] | REQUIRED_ON_SUCCESS[body]
    for name in payment(body):
        members = payment(body) | {name: nothing}
        exchanged = name == "settlementQuote" and body is AcquirerPayment
        if name in required or exchanged:
            with pytest.raises(InvalidBody) as caught:
                body.read(members, SUCCESS)
            assert list(caught.value.faults) == [name]
        else:
            assert name.encode() not in body.read(members, SUCCESS)[0].to_bytes()


@pytest.mark.parametrize(("body", "member", "longest"), LENGTHS)
def test_lengths(body, member, longest):
    """Characters are counted, not bytes; one too many is refused."""
    body.read(payment(body) | {member: "付" * longest}, SUCCESS)
    with pytest.raises(InvalidBody) as caught:
        body.read(payment(body) | {member: "付" * (longest + 1)}, SUCCESS)
    assert list(caught.value.faults) == [member]


@pytest.mark.parametrize(("body", "members"), AMOUNTS)
def test_amounts(body, members):
    """Each amount is checked as one."""
    for member in members:
        bad = {"currency": "JPY", "value": "1.5"}
        with pytest.raises(InvalidBody) as caught:
            body.read(payment(body) | {member: bad}, SUCCESS)
        assert list(caught.value.faults) == [f"{member}.value"]


@pytest.mark.parametrize("body", REQUIRED)
def test_the_time_of_payment_is_a_datetime(body):
    """A time without an offset is refused."""
    with pytest.raises(InvalidBody, match="paymentTime"):
        body.read(payment(body) | {"paymentTime": "2026-11-22T10:15:29"}, SUCCESS)


@pytest.mark.parametrize(
    ("sample", "model"),
    [("wallet_payment", WalletPayment), ("acquirer_payment", AcquirerPayment)],
)
def test_the_vendors_sample_bodies_validate(sample, model):
    """Two bodies of the signature vectors, which the vendor's own tools have signed."""
    path = Path(__file__).parent / "vendor_samples" / f"{sample}.json"
    body = json.loads(path.read_bytes())
    assert json.loads(model.model_validate(body).to_bytes()) == body


def test_members_stand_in_the_order_of_the_schema():
    """Whatever order payment core writes them in."""
    members = dict(reversed(payment(PushPayment).items()))
    sent = json.loads(PushPayment.read(members, SUCCESS)[0].to_bytes())
    assert list(sent) == ["paymentResult", "paymentId", "paymentRequestId", "paymentTime"]


@pytest.mark.parametrize(
    ("settled", "result", "complete"),
    [("USD", SUCCESS, False), ("JPY", SUCCESS, True), ("USD", FAILED, True)],
)
def test_a_quote_is_required_when_currencies_differ(settled, result, complete):
    """Only with S, and only where something was exchanged."""
    members = payment(AcquirerPayment) | {"settlementAmount": {"currency": settled, "value": "74"}}
    del members["settlementQuote"]
    if complete:
        assert AcquirerPayment.read(members, result)
    else:
        with pytest.raises(InvalidBody) as caught:
            AcquirerPayment.read(members, result)
        assert list(caught.value.faults) == ["settlementQuote"]


def test_a_merchants_notify_type_has_a_default():
    """It stands first and says PAYMENT_RESULT unless the event says otherwise."""
    body, _ = MerchantNotification.read(payment(MerchantNotification), SUCCESS)
    assert body.to_bytes().startswith(b'{"notifyType":"PAYMENT_RESULT","result":')


@pytest.mark.parametrize("kind", ["PAYMENT_PENDING", "payment_result"])
def test_any_other_notify_type_is_refused(kind):
    """Two are known, exactly so spelled."""
    with pytest.raises(InvalidBody, match="notifyType"):
        MerchantNotification.read(payment(MerchantNotification) | {"notifyType": kind}, SUCCESS)


def test_an_offline_code_goes_with_its_form_and_without_a_time():
    """The form may be text or an object; both faults are named at once."""
    members = payment(MerchantNotification) | {"notifyType": "OFFLINE_PAYMENT_CODE"}
    with pytest.raises(InvalidBody) as caught:
        MerchantNotification.read(members, SUCCESS)
    assert set(caught.value.faults) == {"paymentTime", "paymentActionForm"}
    del members["paymentTime"]
    for form in ("281012020262467128", {"paymentCode": "281012020262467128"}):
        body, _ = MerchantNotification.read(members | {"paymentActionForm": form}, SUCCESS)
        assert json.loads(body.to_bytes())["paymentActionForm"] == form


def test_a_merchant_gets_no_time_of_payment_with_f():
    """It is left out and counted like an unknown member."""
    body, unsent = MerchantNotification.read(payment(MerchantNotification), FAILED)
    assert b"paymentTime" not in body.to_bytes()
    assert unsent == ("paymentTime",)


@pytest.mark.parametrize(
    ("member", "longest"), [("pspName", 64), ("pspCustomerId", 64), ("displayCustomerId", 64)]
)
def test_a_merchants_customer_keeps_its_lengths(member, longest):
    """The payer's wallet has its own limits."""
    members = payment(MerchantNotification)
    MerchantNotification.read(members | {"pspCustomerInfo": {member: "x" * longest}}, SUCCESS)
    members["pspCustomerInfo"] = {member: "x" * (longest + 1)}
    with pytest.raises(InvalidBody, match=f"pspCustomerInfo.{member}"):
        MerchantNotification.read(members, SUCCESS)


def test_a_body_is_frozen():
    """Nobody changes a body after it was checked."""
    body, _ = PushPayment.read(payment(PushPayment), SUCCESS)
    with pytest.raises(ValidationError, match="frozen"):
        body.payment_id = "other"  # type: ignore[misc]  # that is the point
