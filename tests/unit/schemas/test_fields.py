"""The wire's scalars and small objects."""

from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.fields import (
    Amount,
    Body,
    Datetime,
    Decimal,
    InvalidBody,
    OnSuccess,
    Quote,
    Result,
    String64,
    succeeded,
)
from schemas.notify_payment import WalletPayment
from schemas.notify_push_payment import PushPayment

SUCCESS = Result.model_validate({"resultCode": "SUCCESS", "resultStatus": "S"})
FAILED = Result.model_validate({"resultCode": "RISK_REJECT", "resultStatus": "F"})


@pytest.mark.parametrize(
    "text",
    [
        "2019-11-27T12:01:01+08:00",
        "2019-11-27T12:01:01+08:30",
        "2019-11-27T12:01:01-11:45",
        "2019-11-27T12:01:01Z",
        "2019-11-27T12:01:01.1Z",
        "2019-11-27T12:01:01.123456789+08:30",
        "2019-11-27T12:01+0800",
        "2019-11-27T24:00:00,000+08",
        "20191127T120101Z",
        "2016-12-31T23:59:60Z",
        "2020-02-29T00:00:00Z",
    ],
)
def test_a_datetime_has_an_offset_and_is_kept_as_it_came(text):
    """Every form that `schemas.iso8601` reads."""
    assert TypeAdapter(Datetime).validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "2019-11-27T12:01:01",
        "2019-11-27 12:01:01Z",
        "2019-11-27T1201Z",
        "2019-11-27T12:01:01.Z",
        "2019-02-29T00:00:00Z",
        "2019-11-27T25:01:01Z",
        "2019-11-27T12:01:01+25:00",
        "\u0662019-11-27T12:01:01Z",
        "2019-11-27T12:01:01Z\n",
        "1574827261",
        1574827261,
    ],
)
def test_any_other_datetime_is_refused(text):
    """No offset, another form, or a day that never was."""
    with pytest.raises(ValidationError):
        TypeAdapter(Datetime).validate_python(text, strict=True)


@pytest.mark.parametrize("value", ["1", "100", "9" * 400])
def test_an_amount_is_a_natural_number_without_upper_limit(value):
    """A value of any length stays the string it was."""
    assert Amount.model_validate({"currency": "JPY", "value": value}).value == value


@pytest.mark.parametrize(
    "amount",
    [
        {"currency": "JPY", "value": "0"},
        {"currency": "JPY", "value": "01"},
        {"currency": "JPY", "value": "1.0"},
        {"currency": "JPY", "value": "-1"},
        {"currency": "JPY", "value": "+1"},
        {"currency": "JPY", "value": "1e3"},
        {"currency": "JPY", "value": " 1"},
        {"currency": "JPY", "value": "1\n"},
        {"currency": "JPY", "value": "\uff11"},
        {"currency": "JPY", "value": 1},
        {"currency": "jpy", "value": "1"},
        {"currency": "JP", "value": "1"},
        {"currency": "JPYY", "value": "1"},
        {"currency": "392", "value": "1"},
        {"currency": "JPY"},
        {"value": "1"},
        "100",
    ],
)
def test_any_other_amount_is_refused(amount):
    """Both members are needed, in the one form that partners take."""
    with pytest.raises(ValidationError):
        Amount.model_validate(amount)


@pytest.mark.parametrize("price", ["0", "1", "1.35", "0.064622", "100000000000000000000.5"])
def test_a_price_is_a_decimal_from_nought(price):
    """The price is kept digit for digit."""
    assert TypeAdapter(Decimal).validate_python(price) == price


@pytest.mark.parametrize("price", ["-1", "1.", ".5", "1e3", "1,5", "NaN", ""])
def test_any_other_price_is_refused(price):
    """No sign, no exponent, no bare point."""
    with pytest.raises(ValidationError):
        TypeAdapter(Decimal).validate_python(price)


@pytest.mark.parametrize(
    ("member", "longest"),
    [("quoteId", 64), ("quoteCurrencyPair", 8), ("baseCurrency", 3), ("quoteUnit", 12)],
)
def test_a_quote_keeps_its_lengths(member, longest):
    """Each text of a quote may have its stated length and no more."""
    quote = {"quoteId": "1", "quoteCurrencyPair": "USD/JPY", "quotePrice": "1"}
    Quote.model_validate(quote | {member: "x" * longest})
    with pytest.raises(ValidationError):
        Quote.model_validate(quote | {member: "x" * (longest + 1)})


@pytest.mark.parametrize("missing", ["quoteId", "quoteCurrencyPair", "quotePrice"])
def test_a_quote_needs_id_pair_and_price(missing):
    """The other members of a quote are optional."""
    quote = {"quoteId": "1", "quoteCurrencyPair": "USD/JPY", "quotePrice": "1"}
    del quote[missing]
    with pytest.raises(ValidationError):
        Quote.model_validate(quote)


def test_a_result_is_never_u():
    """U is an answer's status, never a payment's."""
    with pytest.raises(ValidationError):
        Result.model_validate({"resultCode": "X", "resultStatus": "U"})


def test_attribute_names_are_no_wire_names():
    """A member spelled like the attribute is unknown, not a second spelling."""
    with pytest.raises(InvalidBody, match="paymentId: missing or empty"):
        PushPayment.read({"payment_id": "1"}, FAILED)


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_leave_an_optional_member_out(nothing):
    """Also within an object; what is left out is not in the bytes."""
    members = {
        "paymentRequestId": "r",
        "customerId": nothing,
        "payToAmount": nothing,
        "paymentAmount": {"currency": "JPY", "value": "1", "note": nothing},
    }
    body, unsent = WalletPayment.read(members, FAILED)
    assert body.to_bytes() == (
        b'{"paymentResult":{"resultCode":"RISK_REJECT","resultStatus":"F"},'
        b'"paymentRequestId":"r","paymentAmount":{"currency":"JPY","value":"1"}}'
    )
    assert unsent == ("paymentAmount.note",)


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_are_invalid_in_a_required_member(nothing):
    """Also within an object."""
    members = {"paymentRequestId": nothing, "paymentAmount": {"currency": "JPY", "value": nothing}}
    with pytest.raises(InvalidBody) as caught:
        WalletPayment.read(members, FAILED, "payment.")
    assert caught.value.faults == {
        "payment.paymentRequestId": "missing or empty",
        "payment.paymentAmount.value": "missing or empty",
    }


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (7, "payment.x"),
        (7.5, "payment.x"),
        (False, "payment.x"),
        ({"y": 7}, "payment.x.y"),
        (["a", {"y": [True]}], "payment.x[1].y[0]"),
        ([None], "payment.x[0]"),
        ([""], "payment.x[0]"),
    ],
)
def test_a_number_or_boolean_anywhere_is_refused(value, where):
    """Even in a member that would not be sent: it could not be sent back as it came."""
    with pytest.raises(InvalidBody) as caught:
        WalletPayment.read({"paymentRequestId": "r", "x": value}, FAILED, "payment.")
    assert list(caught.value.faults) == [where]


def test_a_member_has_one_fault():
    """What is no string is not reported a second time as a bad string."""
    with pytest.raises(InvalidBody) as caught:
        WalletPayment.read({"paymentRequestId": 7}, FAILED)
    assert list(caught.value.faults) == ["paymentRequestId"]
    assert str(caught.value) == (
        "paymentRequestId: a number; only strings, objects and arrays are sent on as they came"
    )


@pytest.mark.parametrize("name", ["result", "paymentResult"])
@pytest.mark.parametrize("value", [{"resultStatus": "S"}, "S", None])
def test_the_result_is_not_payment_cores_to_write(name, value):
    """Whatever its form, under the body's own name and under that of another body."""
    members = {"paymentRequestId": "r", name: value}
    with pytest.raises(InvalidBody, match=f"{name}: the result is not payment core's"):
        WalletPayment.read(members, FAILED, results=("paymentResult", "result"))


def test_a_usual_member_may_have_the_name_of_anothers_result():
    """What one body calls its result may be a plain member of another."""
    body, unsent = WalletPayment.read(
        {"paymentRequestId": "r", "customerId": "c"}, FAILED, results=("customerId",)
    )
    assert (body.model_dump(exclude_none=True)["customerId"], unsent) == ("c", ())


def test_the_result_is_found_by_its_type():
    """Whatever its name: what S requires is asked for, and the result stands under that name."""

    class Refund(Body):
        refund_id: String64
        refund_result: Result
        refund_time: OnSuccess[Datetime] = None

    assert (Refund.result_member, Refund.result_field) == ("refundResult", "refund_result")
    with pytest.raises(InvalidBody) as caught:
        Refund.read({"refundId": "r"}, SUCCESS)
    assert list(caught.value.faults) == ["refundTime"]
    body, _ = Refund.read({"refundId": "r"}, FAILED)
    again = body.with_result(Result.model_validate({"resultCode": "X", "resultStatus": "F"}))
    assert again.to_bytes() == (
        b'{"refundId":"r","refundResult":{"resultCode":"X","resultStatus":"F"}}'
    )


def test_a_body_without_one_clear_result_is_refused():
    """None, two, or one below what depends on it: the class can't be made, and the message says what was expected."""
    with pytest.raises(TypeError, match="NoResult: seen 0 members of type Result, expected one"):

        class NoResult(Body):
            refund_id: String64

    with pytest.raises(TypeError, match="TwoResults: seen 2 members of type Result, expected one"):

        class TwoResults(Body):
            result: Result
            refund_result: Result

    with pytest.raises(
        TypeError, match="TooLow: refund_time is required on success, expected it below result"
    ):

        class TooLow(Body):
            refund_time: OnSuccess[Datetime] = None
            result: Result

    with pytest.raises(TypeError, match="Dropped: dropped_on_failure: refund_time is no member"):

        class Dropped(Body):
            dropped_on_failure = frozenset({"refund_time"})
            result: Result
            refund_time: OnSuccess[Datetime] = None


def test_unknown_members_are_named_without_hiding_a_value():
    """A name that could be data is shown as a question mark."""
    members = {
        "paymentRequestId": "r",
        "extra": "1",
        "jane@example.com": "1",
        "paymentAmount": {"currency": "JPY", "value": "1", "note": {"deep": "1"}},
    }
    _, unsent = WalletPayment.read(members, FAILED)
    assert unsent == ("extra", "?", "paymentAmount.note")


def test_a_body_takes_another_result_of_the_same_status():
    """Only the result changes, and the first body stays as it was."""
    body, _ = PushPayment.read({"paymentId": "p"}, FAILED)
    other = Result.model_validate({"resultCode": "X", "resultStatus": "F", "resultMessage": "m"})
    assert body.with_result(other).to_bytes() == (
        b'{"paymentResult":{"resultCode":"X","resultStatus":"F","resultMessage":"m"},"paymentId":"p"}'
    )
    assert b"RISK_REJECT" in body.to_bytes()


def test_without_a_result_above_nothing_has_succeeded():
    """A body whose result was refused: the members that success asks for are not asked for too."""
    assert not succeeded(SimpleNamespace(data={"paymentId": "1"}))
    assert not succeeded(SimpleNamespace(data={"result": FAILED}))
    assert succeeded(SimpleNamespace(data={"paymentId": "1", "result": SUCCESS}))
