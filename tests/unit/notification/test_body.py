"""Result mapping, and the check of a body that comes back from a topic."""

import json

import pytest

from streams.notification.body import check_body, map_result, result_of
from streams.notification.profiles import PROFILES

WALLET = PROFILES["mpp-to-alipay-plus"]

# outcome, resultCode, reason, the partner's reasons → code, unmapped
MAPPING = [
    ("SUCCESS", None, None, {}, "SUCCESS", False),
    ("SUCCESS", "SUCCESS", "INSUFFICIENT_FUNDS", {}, "SUCCESS", False),
    ("CANCELLED", None, None, {}, "ORDER_IS_CLOSED", False),
    (
        "CANCELLED",
        None,
        "INSUFFICIENT_FUNDS",
        {"INSUFFICIENT_FUNDS": "X"},
        "ORDER_IS_CLOSED",
        False,
    ),
    ("CANCELLED", "USER_NOT_EXIST", None, {}, "USER_NOT_EXIST", False),
    ("FAILED", "USER_NOT_EXIST", "INSUFFICIENT_FUNDS", {}, "USER_NOT_EXIST", False),
    ("FAILED", "A_NEW_ONE", None, {}, "A_NEW_ONE", False),
    ("FAILED", None, "INSUFFICIENT_FUNDS", {}, "USER_BALANCE_NOT_ENOUGH", False),
    ("FAILED", None, "INSUFFICIENT_FUNDS", {"INSUFFICIENT_FUNDS": "X"}, "X", False),
    ("FAILED", None, "E1042", {"E1042": "RISK_REJECT"}, "RISK_REJECT", False),
    ("FAILED", None, "RISK_REJECT", {}, "RISK_REJECT", False),
    ("FAILED", None, "RISK_REJECT", {"RISK_REJECT": "X"}, "X", False),
    ("FAILED", None, "SYSTEM_ERROR", {}, "PROCESS_FAIL", False),
    ("FAILED", None, "PROCESS_FAIL", {}, "PROCESS_FAIL", False),
    ("FAILED", None, "CURRENCY_NOT_SUPPORT", {}, "PROCESS_FAIL", True),  # no code of this profile
    ("FAILED", None, "SUCCESS", {}, "PROCESS_FAIL", True),
    ("FAILED", None, "E1042", {}, "PROCESS_FAIL", True),
    ("FAILED", None, None, {}, "PROCESS_FAIL", True),
]


@pytest.mark.parametrize(("outcome", "code", "reason", "partner", "sent", "unmapped"), MAPPING)
def test_mapping(outcome, code, reason, partner, sent, unmapped):  # noqa: PLR0913, PLR0917  # a table's row
    """The given code, the partner's reasons, the profile's, the reason itself, the general code."""
    mapped = map_result(outcome, code, reason, partner_reasons=partner, profile=WALLET)
    assert (mapped.code, mapped.unmapped) == (sent, unmapped)


@pytest.mark.parametrize(("code", "status"), [("SUCCESS", "S"), ("ORDER_IS_CLOSED", "F")])
def test_s_goes_with_success_and_only_with_it(code, status):
    """U never appears."""
    result = result_of(code, "m")
    assert (result.result_code, result.result_status, result.result_message) == (code, status, "m")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "mpp-to-ant",
            b'{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"S"},"paymentRequestId":"o"}',
        ),
        (
            "acquirer-to-alipay-plus",
            b'{"paymentId":"o","paymentResult":{"resultCode":"X","resultStatus":"F"}}',
        ),
        (
            "alipay-to-merchant",
            b'{"result":{"resultCode":"X","resultStatus":"F"},"paymentRequestId":"o"}',
        ),
    ],
)
def test_a_body_for_this_order_passes(name, body):
    """Each profile has its own members for the result and the order; the code that was found is returned."""
    result = json.loads(body)[PROFILES[name].result_member]
    assert check_body(body, PROFILES[name], "o") == result["resultCode"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "paymentResult is not"),
        (b'{"paymentResult":"S","paymentRequestId":"o"}', "paymentResult is not"),
        (b'{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"F"}}', "paymentResult is not"),
        (b'{"paymentResult":{"resultCode":"X","resultStatus":"S"}}', "paymentResult is not"),
        (b'{"paymentResult":{"resultCode":"X","resultStatus":"U"}}', "paymentResult is not"),
        (b'{"paymentResult":{"resultCode":"","resultStatus":"F"}}', "paymentResult is not"),
        (b'{"paymentResult":{"resultStatus":"F"}}', "paymentResult is not"),
        (b'{"result":{"resultCode":"X","resultStatus":"F"}}', "paymentResult is not"),
        (b'{"paymentResult":{"resultCode":"X","resultStatus":"F"}}', "paymentRequestId is not"),
        (
            b'{"paymentResult":{"resultCode":"X","resultStatus":"F"},"paymentRequestId":"other"}',
            "paymentRequestId is not",
        ),
    ],
)
def test_any_other_body_is_refused(body, why):
    """Not readable, not final, or about another order."""
    with pytest.raises(ValueError, match=why):
        check_body(body, WALLET, "o")
