"""The five profiles as data, against the contract's table."""

import pytest
from pydantic.alias_generators import to_snake

from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES

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


def test_the_registry_holds_the_five():
    """In the order of the source documents, each under its own name, and nobody can add one."""
    assert list(PROFILES) == [row[0] for row in TABLE]
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)
    with pytest.raises(TypeError):
        PROFILES["another"] = PROFILES["mpp-to-ant"]  # type: ignore[index]  # that is the point


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
def test_profile_and_body_agree(name):
    """On the result's member, the order id, and the members with a fixed value."""
    profile = PROFILES[name]
    assert profile.body.result_member() == profile.result_member
    assert profile.order_id_member in profile.body.table
    defaults = {
        member: field.default
        for attribute, field in profile.body.model_fields.items()
        if (member := field.alias or attribute) and isinstance(field.default, str)
    }
    assert defaults == ({"notifyType": "PAYMENT_RESULT"} if name == "alipay-to-merchant" else {})
    assert to_snake(profile.result_member) in profile.body.model_fields


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
