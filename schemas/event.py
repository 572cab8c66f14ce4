"""The upstream event: payment core's word that a payment is final."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from schemas.fields import Datetime, String64, String256, Text, WireObject
from schemas.iso8601 import epoch_ms
from schemas.notify_url import MAX_LENGTH, check_notify_url
from schemas.tidying import Faults, add_faults


def _callable(url: str, info: ValidationInfo) -> str:
    check_notify_url(url, allow_http=bool(info.context and info.context["allow_http"]))
    return url


def _since_the_epoch(text: str) -> str:
    if epoch_ms(text) < 0:
        message = "before 1970"
        raise ValueError(message)
    return text


class Event(WireObject):
    """A payment that became final, and the partner to tell.

    `payment` is checked against its profile's body elsewhere; unknown members are ignored.
    """

    event_id: String64 = Field(description="unique; becomes the notification id")
    profile: Text = Field(description="the protocol to speak")
    partner_id: String64 = Field(description="an entry of the partners file that lists the profile")
    notify_url: Annotated[str, AfterValidator(_callable)] | None = Field(
        None,
        description="absolute https URL; may be absent when the partner has one",
        json_schema_extra={"maxLength": MAX_LENGTH, "format": "uri"},
    )
    outcome: Literal["SUCCESS", "FAILED", "CANCELLED"] = Field(description="nothing else is final")
    reason: Text | None = Field(None, description="payment core's own reason, for FAILED")
    result_code: String64 | None = Field(
        None, description="the exact code to send; SUCCESS only with outcome SUCCESS"
    )
    result_message: String256 | None = Field(None, description="the exact message to send")
    occurred_at: Annotated[Datetime, AfterValidator(_since_the_epoch)] = Field(
        description="when the payment became final"
    )
    payment: dict[str, Any] = Field(
        description="the body's members but for the result, under their wire names"
    )

    @field_validator("result_code")
    @classmethod
    def _code_fits_outcome(cls, code: str | None, info: ValidationInfo) -> str | None:
        outcome = info.data.get("outcome")
        if (
            code is not None
            and outcome is not None
            and (code == "SUCCESS") != (outcome == "SUCCESS")
        ):
            message = "SUCCESS goes with outcome SUCCESS, any other code with the others"
            raise ValueError(message)
        return code

    @classmethod
    def read(cls, members: Mapping[str, Any], *, allow_http: bool, faults: Faults) -> Self | None:
        """Read an event, or add what is wrong with it to the faults."""
        given = {
            name: value for name, value in members.items() if value is not None and value != ""
        }
        try:
            return cls.model_validate(given, context={"allow_http": allow_http})
        except ValidationError as exc:
            add_faults(exc, "", faults)
            return None

    @property
    def occurred_at_ms(self) -> int:
        """When the payment became final: milliseconds since the epoch, UTC, rounded down."""
        return epoch_ms(self.occurred_at)
