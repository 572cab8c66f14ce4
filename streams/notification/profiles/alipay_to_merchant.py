"""The payment result notification from Alipay to a merchant.

The source names no payment result codes; those of `alipay-plus-to-acquirer` hold.
"""

from schemas.merchant_notification import MerchantNotification
from streams.notification.ladder import Ladder
from streams.notification.profile import FRetried, Profile
from streams.notification.profiles.alipay_plus_to_acquirer import CODES
from streams.notification.reasons import reasons_for

PROFILE = Profile(
    name="alipay-to-merchant",
    title="Alipay → merchant, payment result notification",
    source="004_df1f643c04d8bd27.txt",
    body=MerchantNotification,
    result_member="result",
    order_id_member="paymentRequestId",
    ladder=Ladder.of("2m 10m 10m 1h 2h 6h 15h"),
    on_f=FRetried(),
    codes=CODES,
    reasons=reasons_for(CODES),
    signed_answer=False,
)
