"""The partner's answer to a notification."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from schemas.fields import WireObject
from schemas.strict_json import MalformedJson, loads

MAX_CODE_LENGTH = 64


class UnreadableAcknowledgement(ValueError):  # noqa: N818  # named after what it says about the answer
    """An answer without a result that counts. The message never quotes it."""


def _bounded(code: object) -> str:
    """Keep what is text of a code: the status decides, and a receiver may be careless with the rest."""
    return code[:MAX_CODE_LENGTH] if isinstance(code, str) else ""


class AcknowledgedResult(WireObject):
    """Whether the notification arrived; what became of the payment doesn't matter here."""

    result_status: Literal["S", "F", "U"]
    result_code: Annotated[
        str,
        BeforeValidator(_bounded, json_schema_input_type=Any),
        Field(max_length=MAX_CODE_LENGTH),
    ] = ""


class Acknowledgement(WireObject):
    """A partner's answer. Members that it doesn't name are ignored, the message too."""

    result: AcknowledgedResult


def read_acknowledgement(raw: bytes) -> Acknowledgement:
    """Read the body of an answer.

    Raises:
        UnreadableAcknowledgement: no JSON, no result, or a status other than S, F and U.
    """
    try:
        return Acknowledgement.model_validate(loads(raw))
    except MalformedJson as exc:
        raise UnreadableAcknowledgement(str(exc)) from exc
    except ValidationError:
        message = "the answer has no result.resultStatus of S, F or U"
        raise UnreadableAcknowledgement(message) from None  # the cause quotes the answer
