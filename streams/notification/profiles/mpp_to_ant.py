"""`notifyPayment` from a mobile payment provider to the Ant server.

The source is a shorter wording of the guide behind `mpp-to-alipay-plus`: it names no codes, no schedule and
no answer of its own, so those of the longer one hold.
"""

from dataclasses import replace

from streams.notification.profiles import mpp_to_alipay_plus

PROFILE = replace(
    mpp_to_alipay_plus.PROFILE,
    name="mpp-to-ant",
    title="Mobile payment provider → Ant, notifyPayment",
    source="001_a4ca6abe7c31c5f4.txt",
    sample=replace(
        mpp_to_alipay_plus.PROFILE.sample,
        partner="ant",
        path="/ant/api/v1/payments/notifyPayment",
    ),
)
