"""The payment result notification from Alipay to a merchant.

The source document describes the members without naming them; names are those of the vendor's SDK.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from schemas.fields import Amount, Body, Datetime, Decimal, Result, String64, Text, WireObject

Structure = Annotated[Any, WithJsonSchema({"type": ["string", "object", "array"]})]
"""A member whose inside we pass on as it came: strings, objects and arrays of them."""


class MerchantQuote(WireObject):
    """The exchange rate as merchants get it; nothing in it is required."""

    quote_id: String64 | None = None
    quote_currency_pair: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    quote_price: Decimal | None = None
    quote_start_time: Datetime | None = None
    quote_expiry_time: Datetime | None = None
    guaranteed: Literal["true", "false"] | None = None
    exchange_amount: Amount | None = None


class PspCustomerInfo(WireObject):
    """The payer's wallet and the payer in it."""

    psp_name: String64 | None = None
    psp_customer_id: String64 | None = None
    display_customer_id: String64 | None = None
    display_customer_name: Text | None = None
    customer2088_id: Text | None = Field(None, alias="customer2088Id")
    extend_info: Text | None = None


class MerchantNotification(Body):
    """Payment result notification from Alipay to a merchant."""

    dropped_on_failure: ClassVar[frozenset[str]] = frozenset({"paymentTime"})

    notify_type: Literal["PAYMENT_RESULT", "OFFLINE_PAYMENT_CODE"] = Field(
        "PAYMENT_RESULT",
        description="OFFLINE_PAYMENT_CODE only with `paymentActionForm` and without `paymentTime`",
    )
    result: Result
    payment_request_id: String64 = Field(description="assigned by the merchant; the order id")
    payment_id: String64 = Field(description="assigned by Alipay")
    payment_amount: Amount = Field(description="in the order's currency")
    payment_create_time: Datetime | None = Field(None, description="when the payment was created")
    payment_time: Datetime | None = Field(None, description="sent with S only")
    customs_declaration_amount: Amount | None = None
    gross_settlement_amount: Amount | None = None
    settlement_quote: MerchantQuote | None = None
    psp_customer_info: PspCustomerInfo | None = Field(None, description="the payer's wallet")
    acquirer_reference_no: Text | None = None
    payment_action_form: Structure | None = Field(
        None, description="in-store: carries the payment code to show"
    )
    payment_method_type: Text | None = None
    metadata: Structure | None = None
    promotion_result: Structure | None = None
    payment_result_info: Structure | None = None
    acquirer_info: Structure | None = None
    subscription_order_id: Text | None = None
    subscription_id: Text | None = None
    retry_info: Structure | None = None
    update_request_id: Text | None = None
    auth_expiry_time: Text | None = None
    tax_calculation_id: Text | None = None
    auth_review_status: Text | None = None
    auth_review_source: Text | None = None
    pop_risk_decision_result_info: Structure | None = None

    @field_validator("payment_time")
    @classmethod
    def _no_time_with_a_code(cls, time: str | None, info: ValidationInfo) -> str | None:
        if time is not None and _shows_a_code(info):
            message = "not allowed with OFFLINE_PAYMENT_CODE"
            raise ValueError(message)
        return time

    @field_validator("payment_action_form")
    @classmethod
    def _form_with_a_code(cls, form: object, info: ValidationInfo) -> object:
        if form is None and _shows_a_code(info):
            message = "missing or empty; required with OFFLINE_PAYMENT_CODE"
            raise ValueError(message)
        return form


def _shows_a_code(info: ValidationInfo) -> bool:
    return info.data.get("notify_type") == "OFFLINE_PAYMENT_CODE"
