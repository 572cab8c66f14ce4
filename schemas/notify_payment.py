"""`notifyPayment`: a wallet tells Alipay+ (`WalletPayment`), Alipay+ tells an acquirer (`AcquirerPayment`)."""

from pydantic import Field, ValidationInfo, field_validator

from schemas.fields import (
    Amount,
    Body,
    Datetime,
    OnSuccess,
    Quote,
    Result,
    String64,
    String128,
    succeeded,
)


class WalletPayment(Body):
    """`notifyPayment` from a mobile payment provider to Alipay+."""

    payment_result: Result
    payment_request_id: String64 = Field(description="assigned by Alipay+; the order id")
    payment_id: OnSuccess[String64] = Field(None, description="assigned by the payment executor")
    payment_time: OnSuccess[Datetime] = Field(None, description="when the payment became final")
    payment_amount: OnSuccess[Amount] = None
    pay_to_amount: Amount | None = Field(None, description="in the payer's currency")
    customer_id: String64 | None = Field(None, description="the wallet's user")
    customs_declaration_amount: Amount | None = None


class AcquirerPayment(Body):
    """`notifyPayment` from Alipay+ to an acquirer."""

    payment_result: Result
    payment_request_id: String64 = Field(description="assigned by the acquirer; the order id")
    payment_id: OnSuccess[String64] = Field(None, description="assigned by Alipay+")
    acquirer_id: String64
    psp_id: OnSuccess[String64] = None
    customer_id: String64 | None = Field(
        None, description="given with S where the wallet supplies its user's id"
    )
    wallet_brand_name: OnSuccess[String128] = None
    payment_amount: OnSuccess[Amount] = None
    payment_time: OnSuccess[Datetime] = None
    settlement_amount: OnSuccess[Amount] = Field(None, description="gross; not recomputed")
    settlement_quote: Quote | None = Field(
        None,
        description="required when the result is S and the settlement currency is not the payment's",
    )
    customs_declaration_amount: Amount | None = Field(
        None, description="in the payer's currency, where customs are declared"
    )
    mpp_payment_id: OnSuccess[String64] = Field(None, description="assigned by the wallet")

    @field_validator("settlement_quote")
    @classmethod
    def _quoted_when_exchanged(cls, quote: Quote | None, info: ValidationInfo) -> Quote | None:
        paid, settled = info.data.get("payment_amount"), info.data.get("settlement_amount")
        if (
            quote is None
            and paid
            and settled
            and paid.currency != settled.currency
            and succeeded(info)
        ):
            message = "missing or empty; required when the result is S and the currencies differ"
            raise ValueError(message)
        return quote
