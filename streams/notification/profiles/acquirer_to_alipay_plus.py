"""`notifyPushPayment` from an acquirer to Alipay+."""

from schemas.notify_push_payment import PushPayment
from streams.notification.ladders import FIFTEEN_ATTEMPTS
from streams.notification.profile import FByCode, Profile, Sample
from streams.notification.reasons import codes, reasons_for

CODES = codes("MERCHANT_KYB_NOT_QUALIFIED RISK_REJECT")

PROFILE = Profile(
    name="acquirer-to-alipay-plus",
    title="Acquirer → Alipay+, notifyPushPayment",
    source="003_7aa5591ab6e9b05b.txt",
    body=PushPayment,
    order_id_member="paymentId",
    ladder=FIFTEEN_ATTEMPTS,
    on_f=FByCode(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
    sample=Sample(
        partner="alipayplus-push",
        path="/aps/api/v1/payments/notifyPushPayment",
        payment={
            "paymentId": "20261122012345678900130003",
            "paymentRequestId": "2026112219074102000100",
            "paymentTime": "2026-11-22T10:15:29Z",
        },
    ),
)
