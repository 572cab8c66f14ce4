"""`notifyPayment` from Alipay+ to an acquirer."""

from schemas.notify_payment import AcquirerPayment
from streams.notification.ladder import Ladder
from streams.notification.profile import FRetried, Profile
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
    result_member="paymentResult",
    order_id_member="paymentRequestId",
    ladder=Ladder.of("2m 10m 10m 1h 2h 6h 15h"),
    on_f=FRetried(but=frozenset({"PROCESS_FAIL"})),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=True,
)
