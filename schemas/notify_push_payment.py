"""`notifyPushPayment`: an acquirer tells Alipay+ what became of a payment in push mode."""

from pydantic import Field

from schemas.fields import Body, Datetime, OnSuccess, Result, String64


class PushPayment(Body):
    """`notifyPushPayment` from an acquirer to Alipay+."""

    payment_result: Result
    payment_id: String64 = Field(description="assigned by Alipay+; the order id")
    payment_request_id: OnSuccess[String64] = Field(None, description="assigned by the acquirer")
    payment_time: OnSuccess[Datetime] = Field(None, description="when the payment became final")
