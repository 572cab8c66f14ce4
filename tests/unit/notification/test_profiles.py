"""Profiles as data: the five against the contract's table, any other by what every profile must keep."""

import importlib
import pkgutil
import re
from dataclasses import replace

import pytest

from schemas.fields import Result, required_on_success
from streams.notification import profiles
from streams.notification.ladder import Ladder
from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES, order_id_in, result_in
from tests.support.events import fixed_members

COMMON = {"SUCCESS", "ORDER_IS_CLOSED", "PROCESS_FAIL"}
WALLET_CODES = COMMON | {
    "RISK_REJECT",
    "UNAVAILABLE_PAYMENT_METHOD",
    "USER_BALANCE_NOT_ENOUGH",
    "USER_NOT_EXIST",
    "USER_STATUS_ABNORMAL",
    "USER_PAYMENT_VERIFICATION_FAILED",
    "MERCHANT_NOT_REGISTERED",
}
ACQUIRER_CODES = COMMON | {
    "BUSINESS_NOT_SUPPORT",
    "CURRENCY_NOT_SUPPORT",
    "EXPIRED_CODE",
    "INVALID_CONTRACT",
    "INVALID_TOKEN",
    "PAYMENT_AMOUNT_EXCEED_LIMIT",
    "PAYMENT_COUNT_EXCEED_LIMIT",
    "RISK_REJECT",
    "UNAVAILABLE_PAYMENT_METHOD",
    "USER_AMOUNT_EXCEED_LIMIT",
    "USER_BALANCE_NOT_ENOUGH",
    "USER_NOT_EXIST",
    "USER_STATUS_ABNORMAL",
}
PUSH_CODES = COMMON | {"RISK_REJECT", "MERCHANT_KYB_NOT_QUALIFIED"}

# Name, source document, result member, order id, answers signed, codes.
TABLE = [
    ("mpp-to-alipay-plus", "000_3aab4466d390df1a.txt", "paymentResult", "paymentRequestId", True, WALLET_CODES),
    ("mpp-to-ant", "001_a4ca6abe7c31c5f4.txt", "paymentResult", "paymentRequestId", True, WALLET_CODES),
    ("alipay-plus-to-acquirer", "002_6a311380a2f6063e.txt", "paymentResult", "paymentRequestId", True, ACQUIRER_CODES),
    ("acquirer-to-alipay-plus", "003_7aa5591ab6e9b05b.txt", "paymentResult", "paymentId", True, PUSH_CODES),
    ("alipay-to-merchant", "004_df1f643c04d8bd27.txt", "result", "paymentRequestId", False, ACQUIRER_CODES),
]  # fmt: skip


def test_the_registry_holds_the_contracts_five_first():
    """In the order of the source documents, each under its own name, and nobody can add one."""
    assert list(PROFILES)[: len(TABLE)] == [row[0] for row in TABLE]
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)
    with pytest.raises(TypeError):
        PROFILES["another"] = PROFILES["mpp-to-ant"]  # type: ignore[index]  # that is the point


def test_every_file_of_a_profile_is_registered():
    """A profile that nobody can choose is a line that was forgotten."""
    names = [info.name for info in pkgutil.iter_modules(profiles.__path__)]
    modules = [importlib.import_module(f"{profiles.__name__}.{name}") for name in names]
    found = {module.PROFILE.name for module in modules}
    assert found == set(PROFILES), (
        "add the profile to PROFILES in streams/notification/profiles/__init__.py"
    )


@pytest.mark.parametrize(("name", "source", "result", "order_id", "signed", "codes"), TABLE)
def test_profile(name, source, result, order_id, signed, codes):  # noqa: PLR0913, PLR0917  # a table's row
    """Each profile is its row of the contract's table."""
    profile = PROFILES[name]
    assert profile.source == source
    assert (profile.result_member, profile.order_id_member) == (result, order_id)
    assert profile.signed_answer is signed
    assert set(profile.codes) == codes
    assert profile.jitter_seconds == 0


@pytest.mark.parametrize("name", PROFILES)
def test_a_profiles_body_has_its_result_and_its_order(name):
    """The result's member is of the type that says so; the sample has every member that S requires, and no other."""
    profile = PROFILES[name]
    assert profile.body.model_fields[profile.body.result_field].annotation is Result
    assert profile.result_member in profile.body.table
    assert profile.order_id_member in profile.sample.payment
    assert set(required_on_success(profile.body)) <= set(profile.sample.payment)
    assert set(profile.sample.payment) <= set(profile.body.table)


def test_only_a_merchants_body_has_a_member_with_a_value_of_its_own():
    """The contract's five: what payment core did not give is not sent, but for the type of a merchant's notification."""
    for name, *_ in TABLE:
        expected = {"notifyType": "PAYMENT_RESULT"} if name == "alipay-to-merchant" else {}
        assert fixed_members(PROFILES[name]) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"order_id_member": "refundId"},
            (
                "profile mpp-to-ant: order_id_member: seen 'refundId', expected a required member of "
                "WalletPayment: paymentRequestId"
            ),
        ),
        ({"jitter_seconds": 5.5}, "profile mpp-to-ant: jitter_seconds: seen 5.5, expected 0 to 5"),
        (
            {"payment": {"paymentRequestId": "1"}},
            "profile mpp-to-ant: sample.payment.paymentId: missing or empty; required when the result is S; ",
        ),
        (
            {"payment": {"paymentRequestID": "1"}},
            "profile mpp-to-ant: sample.payment.paymentRequestId: missing or empty; ",
        ),
        (
            {"more": {"custmerId": "1"}},
            (
                "profile mpp-to-ant: sample.payment.custmerId is no member of WalletPayment, expected one of "
                "paymentResult, paymentRequestId, "
            ),
        ),
        (
            {"more": {"paymentResult": {}}},
            "profile mpp-to-ant: sample.payment.paymentResult: the result is not payment core's to write",
        ),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(changes, message):
    """Whatever is started says which profile it is, what was seen and what was expected."""
    profile = PROFILES["mpp-to-ant"]
    if "payment" in changes or "more" in changes:
        payment = changes.get("payment") or dict(profile.sample.payment) | changes["more"]
        changes = {"sample": replace(profile.sample, payment=payment)}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        replace(profile, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "name: 'mpp-to-ant' is that of profile mpp-to-ant already"),
        ({"name": "x"}, "sample.partner: 'ant' is that of profile mpp-to-ant already"),
        (
            {"name": "x", "ladder": Ladder.of("1s 7m"), "partner": "x", "path": "/x"},
            "ladder: no tier for the wait 7m; add it to TIERS in streams/notification/profiles/__init__.py",
        ),
        (
            {"name": "x", "partner": "x"},
            "sample.path: '/ant/api/v1/payments/notifyPayment' is that",
        ),
    ],
)
def test_a_profile_that_takes_anothers_place_is_refused(changes, message):
    """Names, the sandbox's partners and paths are a profile's own, and its waits have tiers."""
    known = PROFILES["mpp-to-ant"]
    sample = {name: changes.pop(name) for name in ("partner", "path") if name in changes}
    new = replace(known, **changes, sample=replace(known.sample, **sample))
    with pytest.raises(ValueError, match=re.escape(message)):
        profiles.registry(known, new)


def test_what_is_read_of_a_body_or_a_payment_follows_the_profile():
    """Order id and result, of a known profile and of one that nobody knows."""
    result = {"resultCode": "X", "resultStatus": "F"}
    for name, profile in PROFILES.items():
        members = {profile.order_id_member: "o", profile.result_member: result}
        assert (order_id_in(members, name), result_in(members, name)) == ("o", "F:X")
        assert result_in(members, "one-of-tomorrow") == "F:X"
        assert (order_id_in({}, name), order_id_in(None, name), result_in({}, name)) == (None,) * 3
    assert order_id_in({"paymentRequestId": "o", "paymentId": "p"}, None) == "o"


@pytest.mark.parametrize("name", PROFILES)
def test_success_is_s_and_every_other_code_f(name):
    """No code of a profile has another status."""
    statuses = dict(PROFILES[name].codes)
    assert statuses.pop("SUCCESS") == "S"
    assert set(statuses.values()) == {"F"}


@pytest.mark.parametrize("name", PROFILES)
def test_reasons_reach_every_code_of_failure(name):
    """And no code beyond the profile's own; no reason is itself a code."""
    profile = PROFILES[name]
    assert set(profile.reasons.values()) == set(profile.codes) - {"SUCCESS"}
    assert not set(profile.reasons) & set(profile.codes)


def test_no_reason_has_two_codes():
    """A reason means the same in every profile that knows it."""
    meanings: dict[str, set[str]] = {}
    for profile in PROFILES.values():
        for reason, code in profile.reasons.items():
            meanings.setdefault(reason, set()).add(code)
    assert [reason for reason, codes in meanings.items() if len(codes) > 1] == []


def test_a_notification_after_an_attempt():
    """One attempt more, the time of the first kept, everything else as it was."""
    fresh = Notification(
        notification_id="n",
        order_id="o",
        profile=PROFILES["mpp-to-ant"],
        partner_id="p",
        notify_url=None,
        body=b"{}",
        due_at_ms=100,
        occurred_at_ms=90,
        accepted_at_ms=100,
        origin="t/0/1",
    )
    once = fresh.after_attempt(started_at_ms=101, last_outcome="dns_error", due_at_ms=1102)
    twice = once.after_attempt(started_at_ms=1103, last_outcome="U", due_at_ms=4104)
    assert (once.attempt, once.first_attempt_at_ms, once.due_at_ms) == (1, 101, 1102)
    assert (twice.attempt, twice.first_attempt_at_ms, twice.last_outcome) == (2, 101, "U")
    assert (twice.body, twice.notification_id, fresh.attempt) == (b"{}", "n", 0)
