"""The payment result notification from Alipay to a merchant.

The source names no payment result codes; those of `alipay-plus-to-acquirer` hold.
"""

from schemas.merchant_notification import MerchantNotification
from streams.notification.ladders import EIGHT_ATTEMPTS
from streams.notification.profile import FRetried, Profile, Sample
from streams.notification.profiles.alipay_plus_to_acquirer import CODES
from streams.notification.reasons import reasons_for

PROFILE = Profile(
    name="alipay-to-merchant",
    title="Alipay → merchant, payment result notification",
    source="004_df1f643c04d8bd27.txt",
    body=MerchantNotification,
    order_id_member="paymentRequestId",
    ladder=EIGHT_ATTEMPTS,
    on_f=FRetried(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=False,
    sample=Sample(
        partner="merchant",
        path="/merchant/payment-result",
        payment={
            "paymentRequestId": "order-4711",
            "paymentId": "20261122012345678900130004",
            "paymentAmount": {"currency": "EUR", "value": "1999"},
            "paymentCreateTime": "2026-11-22T10:15:00Z",
            "paymentTime": "2026-11-22T10:15:29.123456789Z",
            "grossSettlementAmount": {"currency": "USD", "value": "2150"},
            "settlementQuote": {
                "quoteId": "q-1",
                "quoteCurrencyPair": "EUR/USD",
                "quotePrice": "1.0755",
                "guaranteed": "true",
                "exchangeAmount": {"currency": "USD", "value": "2150"},
            },
            "pspCustomerInfo": {
                "pspName": "wallet",
                "pspCustomerId": "2088",
                "displayCustomerId": "j***@example.com",
                "customer2088Id": "2088",
            },
            "acquirerReferenceNo": "r-1",
            "paymentMethodType": "ALIPAY_CN",
            "metadata": '{"shop":"7"}',
            "promotionResult": [
                {"promotionType": "DISCOUNT", "discount": {"discountName": "spring"}}
            ],
        },
    ),
)
