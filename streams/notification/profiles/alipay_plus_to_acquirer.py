"""`notifyPayment` from Alipay+ to an acquirer."""

from schemas.notify_payment import AcquirerPayment
from streams.notification.ladders import EIGHT_ATTEMPTS
from streams.notification.profile import FRetried, Profile, Sample
from streams.notification.reasons import codes, reasons_for

CODES = codes(
    "BUSINESS_NOT_SUPPORT CURRENCY_NOT_SUPPORT EXPIRED_CODE INVALID_CONTRACT INVALID_TOKEN "
    "PAYMENT_AMOUNT_EXCEED_LIMIT PAYMENT_COUNT_EXCEED_LIMIT RISK_REJECT UNAVAILABLE_PAYMENT_METHOD "
    "USER_AMOUNT_EXCEED_LIMIT USER_BALANCE_NOT_ENOUGH USER_NOT_EXIST USER_STATUS_ABNORMAL"
)

PROFILE = Profile(
    name="alipay-plus-to-acquirer",
    title="Alipay+ → acquirer, notifyPayment",
    source="002_6a311380a2f6063e.txt",
    body=AcquirerPayment,
    order_id_member="paymentRequestId",
    ladder=EIGHT_ATTEMPTS,
    on_f=FRetried(but=frozenset({"PROCESS_FAIL"})),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
    sample=Sample(
        partner="acquirer",
        path="/acquirer/notifyPayment",
        payment={
            "paymentRequestId": "pay_1089760038715669_102775745070000",
            "paymentId": "20261122012345678900130000",
            "acquirerId": "1111088000000000000",
            "pspId": "1022172000000000000",
            "customerId": "1230000",
            "walletBrandName": "카카오페이 / 支付宝",
            "paymentAmount": {"currency": "JPY", "value": "100"},
            "paymentTime": "2026-11-22T11:15:29+09:00",
            "settlementAmount": {"currency": "USD", "value": "74"},
            "settlementQuote": {
                "quoteId": "046793306919858814",
                "quoteCurrencyPair": "USD/JPY",
                "quotePrice": "1.35",
                "quoteStartTime": "2026-11-20T13:15:48+08:00",
                "quoteExpiryTime": "2026-11-23T13:15:48+08:00",
                "baseCurrency": "USD",
                "quoteUnit": "1",
            },
            "customsDeclarationAmount": {"currency": "CNY", "value": "5"},
            "mppPaymentId": "pay_1089760038715670_102775745070001",
        },
    ),
)
