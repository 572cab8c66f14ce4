"""The partner's answer to a notification."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from schemas.fields import WireObject
from schemas.strict_json import ANSWER, TWICE, MalformedJson, loads, loads_marking

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
    """Read the body of an answer: JSON with one meaning as far as `result` goes, whatever else stands in it.

    Raises:
        UnreadableAcknowledgement: no JSON, no result, or a status other than S, F and U.
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
    status, code = needed.get("resultStatus"), needed.get("resultCode")
    if code is TWICE or (isinstance(code, str) and not _is_text(code)):
        message = "result.resultCode is named twice or is no text"
        raise UnreadableAcknowledgement(message)
    try:
        return Acknowledgement.model_validate(
            {"result": {"resultStatus": status, "resultCode": code}}
        )
    except ValidationError:
        raise UnreadableAcknowledgement(_what_is_wrong(answer)) from None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _what_is_wrong(answer: object) -> str:
    result = answer.get("result") if isinstance(answer, dict) else None
    if result is TWICE:
        return "two members result"
    if not isinstance(result, dict):
        return "JSON without an object result"
    if result.get("resultStatus") is TWICE:
        return "two members result.resultStatus"
    return "result.resultStatus is none of S, F and U"
