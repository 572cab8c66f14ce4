"""`notifyPushPayment` from an acquirer to Alipay+."""

from schemas.notify_push_payment import PushPayment
from streams.notification.ladder import Ladder
from streams.notification.profile import FByCode, Profile
from streams.notification.reasons import codes, reasons_for

CODES = codes("MERCHANT_KYB_NOT_QUALIFIED RISK_REJECT")

PROFILE = Profile(
    name="acquirer-to-alipay-plus",
    title="Acquirer → Alipay+, notifyPushPayment",
    source="003_7aa5591ab6e9b05b.txt",
    body=PushPayment,
    result_member="paymentResult",
    order_id_member="paymentId",
    ladder=Ladder.of("1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h"),
    on_f=FByCode(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
)
