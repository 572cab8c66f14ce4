"""`notifyPayment` from a mobile payment provider to Alipay+."""

from schemas.notify_payment import WalletPayment
from streams.notification.ladders import FIFTEEN_ATTEMPTS
from streams.notification.profile import FByCode, Profile, Sample
from streams.notification.reasons import codes, reasons_for

CODES = codes(
    "MERCHANT_NOT_REGISTERED RISK_REJECT UNAVAILABLE_PAYMENT_METHOD USER_BALANCE_NOT_ENOUGH "
    "USER_NOT_EXIST USER_PAYMENT_VERIFICATION_FAILED USER_STATUS_ABNORMAL"
)

PROFILE = Profile(
    name="mpp-to-alipay-plus",
    title="Mobile payment provider → Alipay+, notifyPayment",
    source="000_3aab4466d390df1a.txt",
    body=WalletPayment,
    order_id_member="paymentRequestId",
    ladder=FIFTEEN_ATTEMPTS,
    on_f=FByCode(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
    sample=Sample(
        partner="alipayplus",
        path="/aps/api/v1/payments/notifyPayment",
        payment={
            "paymentRequestId": "20261122190741020001001234567",
            "paymentId": "202611220123456789013222",
            "paymentTime": "2026-11-22T10:15:29+08:30",
            "paymentAmount": {"currency": "JPY", "value": "100"},
            "payToAmount": {"currency": "KRW", "value": "1000"},
            "customerId": "1234567",
            "customsDeclarationAmount": {"currency": "CNY", "value": "5"},
        },
    ),
)
