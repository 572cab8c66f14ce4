"""The partner's answer to a notification."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from schemas.fields import WireObject
from schemas.strict_json import ANSWER, TWICE, MalformedJson, is_text, loads, loads_marking

MAX_CODE_LENGTH = 64
_F_WITHOUT_A_CODE = "result.resultCode of an F is no text"


class UnreadableAcknowledgement(ValueError):  # noqa: N818  # named after what it says about the answer
    """An answer without a result that counts. The message never quotes it."""


def _bounded(code: object) -> str:
    """Keep what is text of a code: a receiver may be careless with it where the status alone decides."""
    return code[:MAX_CODE_LENGTH] if isinstance(code, str) else ""


def _needs_its_code(result: object) -> bool:
    """Tell whether it is an F whose code can't be read: the code may decide whether that is final."""
    return (
        isinstance(result, dict)
        and result.get("resultStatus") == "F"
        and not isinstance(result.get("resultCode", ""), str)
    )


class AcknowledgedResult(WireObject):
    """Whether the notification arrived; what became of the payment doesn't matter here."""

    result_status: Literal["S", "F", "U"]
    result_code: Annotated[
        str,
        BeforeValidator(_bounded, json_schema_input_type=Any),
        Field(max_length=MAX_CODE_LENGTH),
    ] = ""

    @model_validator(mode="before")
    @classmethod
    def _has_what_decides(cls, result: object) -> object:
        if _needs_its_code(result):
            raise ValueError(_F_WITHOUT_A_CODE)
        return result


class Acknowledgement(WireObject):
    """A partner's answer. Members that it doesn't name are ignored, the message too."""

    result: AcknowledgedResult


def read_acknowledgement(raw: bytes) -> Acknowledgement:
    """Read the body of an answer: JSON with one meaning as far as `result` goes, whatever else stands in it.

    Raises:
        UnreadableAcknowledgement: no JSON, no result, a status other than S, F and U, or an F whose code is no text.
    """
    try:
        return Acknowledgement.model_validate(loads(raw, ANSWER))
    except MalformedJson:
        return _read_what_is_needed(raw)
    except ValidationError:
        # The cause quotes the answer.
        raise UnreadableAcknowledgement(_what_is_wrong(loads(raw, ANSWER))) from None


def _read_what_is_needed(raw: bytes) -> Acknowledgement:
    """Read an answer that is odd: what is needed must be without doubt, the rest need only be JSON."""
    try:
        answer = loads_marking(raw, ANSWER)
    except MalformedJson as exc:
        if not raw.strip():
            message = "empty"
        elif raw.lstrip().startswith(b"<"):
            message = "HTML or XML, no JSON"
        else:
            message = str(exc)
        raise UnreadableAcknowledgement(message) from None
    result = answer.get("result") if isinstance(answer, dict) else None
    needed = result if isinstance(result, dict) else {}
    code = needed.get("resultCode")
    if code is TWICE or (isinstance(code, str) and not is_text(code)):
        message = "result.resultCode is named twice or is no text"
        raise UnreadableAcknowledgement(message)
    members = ("resultStatus", "resultCode")
    try:
        return Acknowledgement.model_validate(
            {"result": {name: needed[name] for name in members if name in needed}}
        )
    except ValidationError:
        raise UnreadableAcknowledgement(_what_is_wrong(answer)) from None


def _what_is_wrong(answer: object) -> str:
    result = answer.get("result") if isinstance(answer, dict) else None
    if result is TWICE:
        return "two members result"
    if not isinstance(result, dict):
        return "JSON without an object result"
    if result.get("resultStatus") is TWICE:
        return "two members result.resultStatus"
    if _needs_its_code(result):
        return _F_WITHOUT_A_CODE
    return "result.resultStatus is none of S, F and U"
