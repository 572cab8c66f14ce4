"""`notifyPayment` from a mobile payment provider to Alipay+."""

from schemas.notify_payment import WalletPayment
from streams.notification.ladder import Ladder
from streams.notification.profile import FByCode, Profile
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
    result_member="paymentResult",
    order_id_member="paymentRequestId",
    ladder=Ladder.of("1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h"),
    on_f=FByCode(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
)
