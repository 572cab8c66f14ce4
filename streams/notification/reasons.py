"""Payment core's reasons for a failed payment, and the payment result code that each becomes.

A partner's entry in the partners file comes before this table. Only plain synonyms stand here: a code
that was sent can't be corrected later, so a reason with no clear code is better left out and counted.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

FALLBACK_CODE: Final = "PROCESS_FAIL"
"""What a failed payment is reported as when nothing says more."""
CANCELLED_CODE: Final = "ORDER_IS_CLOSED"
"""What a cancelled payment is reported as."""

_REASONS_BY_CODE: Final[Mapping[str, str]] = {
    "BUSINESS_NOT_SUPPORT": "BUSINESS_NOT_SUPPORTED BUSINESS_UNSUPPORTED PRODUCT_NOT_SUPPORTED",
    "CURRENCY_NOT_SUPPORT": "CURRENCY_NOT_SUPPORTED CURRENCY_UNSUPPORTED UNSUPPORTED_CURRENCY",
    "EXPIRED_CODE": "CODE_EXPIRED PAYMENT_CODE_EXPIRED QR_CODE_EXPIRED",
    "INVALID_CONTRACT": "CONTRACT_INVALID CONTRACT_EXPIRED CONTRACT_NOT_FOUND AGREEMENT_INVALID",
    "INVALID_TOKEN": "TOKEN_INVALID TOKEN_EXPIRED TOKEN_REVOKED ACCESS_TOKEN_INVALID",
    "MERCHANT_KYB_NOT_QUALIFIED": "KYB_FAILED KYB_LEVEL_TOO_LOW KYB_NOT_QUALIFIED MERCHANT_KYB_FAILED",
    "MERCHANT_NOT_REGISTERED": (
        "MERCHANT_NOT_FOUND MERCHANT_UNKNOWN MERCHANT_UNREGISTERED MERCHANT_VERIFICATION_FAILED"
    ),
    "ORDER_IS_CLOSED": "ORDER_CLOSED ORDER_CANCELLED ORDER_EXPIRED ORDER_TIMEOUT PAYMENT_CANCELLED",
    "PAYMENT_AMOUNT_EXCEED_LIMIT": "AMOUNT_LIMIT_EXCEEDED AMOUNT_TOO_HIGH PAYMENT_AMOUNT_LIMIT_EXCEEDED",
    "PAYMENT_COUNT_EXCEED_LIMIT": (
        "PAYMENT_COUNT_LIMIT_EXCEEDED TOO_MANY_PAYMENTS TRANSACTION_COUNT_LIMIT_EXCEEDED"
    ),
    "PROCESS_FAIL": "GENERAL_FAILURE INTERNAL_ERROR PAYMENT_FAILED PROCESSING_FAILED SYSTEM_ERROR",
    "RISK_REJECT": "BLOCKED_BY_RISK FRAUD_SUSPECTED RISK_CONTROL RISK_DECLINED RISK_REJECTED",
    "UNAVAILABLE_PAYMENT_METHOD": (
        "PAYMENT_METHOD_DISABLED PAYMENT_METHOD_NOT_AVAILABLE PAYMENT_METHOD_UNAVAILABLE"
    ),
    "USER_AMOUNT_EXCEED_LIMIT": (
        "DAILY_LIMIT_EXCEEDED USER_AMOUNT_LIMIT_EXCEEDED USER_LIMIT_EXCEEDED WALLET_LIMIT_EXCEEDED"
    ),
    "USER_BALANCE_NOT_ENOUGH": (
        "BALANCE_NOT_ENOUGH BALANCE_TOO_LOW INSUFFICIENT_BALANCE INSUFFICIENT_FUNDS NOT_ENOUGH_BALANCE"
    ),
    "USER_NOT_EXIST": "ACCOUNT_NOT_FOUND USER_NOT_FOUND USER_UNKNOWN",
    "USER_PAYMENT_VERIFICATION_FAILED": (
        "AUTHENTICATION_FAILED OTP_FAILED PAYMENT_PASSWORD_WRONG USER_VERIFICATION_FAILED"
    ),
    "USER_STATUS_ABNORMAL": "ACCOUNT_FROZEN ACCOUNT_LOCKED USER_BLOCKED USER_FROZEN USER_SUSPENDED",
}

Codes = Mapping[str, Literal["S", "F"]]


def codes(failures: str) -> Codes:
    """Return a profile's payment result codes with their status.

    Args:
        failures: the codes of F that its source names, separated by blanks. SUCCESS and the two that
            this project sends in every profile need not be named.
    """
    known: dict[str, Literal["S", "F"]] = {"SUCCESS": "S"}
    for code in sorted({*failures.split(), CANCELLED_CODE, FALLBACK_CODE}):
        known[code] = "F"
    return MappingProxyType(known)


def reasons_for(known: Codes) -> Mapping[str, str]:
    """Return the reasons whose code a profile has, each with that code."""
    return MappingProxyType(
        {
            reason: code
            for code, reasons in _REASONS_BY_CODE.items()
            if code in known
            for reason in reasons.split()
        }
    )
