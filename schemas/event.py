"""The upstream event: payment core's word that a payment is final."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from schemas.fields import Datetime, String64, String256, Text, WireObject
from schemas.iso8601 import epoch_ms
from schemas.notify_url import MAX_LENGTH, check_notify_url, known_origin
from schemas.tidying import Faults, add_faults

MAX_ID_LENGTH: Final = 64


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


@dataclass(frozen=True, slots=True)
class EventMembers:
    """What can be told of an event that may break every rule: each member, or None where it can't be read.

    For readers of an event that may be invalid: the worker for its dead letter, the history.

    Attributes:
        members: the event's, as JSON has them.
    """

    members: Mapping[str, Any]

    @property
    def event_id(self) -> str | None:
        """Its id, the notification's."""
        return short_text(self.members.get("eventId"))

    @property
    def profile(self) -> str | None:
        """The name of its profile, which nobody may know."""
        return short_text(self.members.get("profile"))

    @property
    def partner_id(self) -> str | None:
        """The entry of the partners file that it names."""
        return short_text(self.members.get("partnerId"))

    @property
    def outcome(self) -> str | None:
        """How the payment ended."""
        return short_text(self.members.get("outcome"))

    @property
    def payment(self) -> dict[str, Any] | None:
        """The members for the body, under their wire names."""
        payment = self.members.get("payment")
        return payment if isinstance(payment, dict) else None

    @property
    def url_origin(self) -> str | None:
        """The server of its notify URL: scheme, host and port."""
        url = self.members.get("notifyUrl")
        return known_origin(url) if isinstance(url, str) else None

    @property
    def occurred_at_ms(self) -> int | None:
        """When the payment became final: milliseconds since the epoch, UTC."""
        time = self.members.get("occurredAt")
        try:
            return epoch_ms(time) if isinstance(time, str) else None
        except ValueError:  # no time, or one without an offset
            return None


def short_text(value: object) -> str | None:
    """Return an id or a name of 1 to 64 characters; None for anything else, as half of a surrogate pair."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID_LENGTH:
        return None
    return value if value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value) else None
