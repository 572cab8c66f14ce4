"""The result that a notification reports, and the check of a body that comes back from a topic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.fields import Result
from schemas.strict_json import loads
from streams.notification.profile import Profile
from streams.notification.reasons import CANCELLED_CODE, FALLBACK_CODE

SUCCESS_CODE: Final = "SUCCESS"


@dataclass(frozen=True, slots=True)
class Mapped:
    """The payment result code to send.

    Attributes:
        code: goes with S when it is SUCCESS, else with F.
        unmapped: nothing named a code, so the general one stands in.
    """

    code: str
    unmapped: bool = False


def map_result(
    outcome: str,
    result_code: str | None,
    reason: str | None,
    *,
    partner_reasons: Mapping[str, str],
    profile: Profile,
) -> Mapped:
    """Choose the payment result code (contract, section 3)."""
    if outcome == "SUCCESS":
        return Mapped(SUCCESS_CODE)
    if result_code is not None:
        return Mapped(result_code)
    if outcome == "CANCELLED":
        return Mapped(CANCELLED_CODE)
    if reason is not None:
        code = partner_reasons.get(reason) or profile.reasons.get(reason)
        if code is not None:
            return Mapped(code)
        if profile.codes.get(reason) == "F":
            return Mapped(reason)
    return Mapped(FALLBACK_CODE, unmapped=True)


def status_of(code: str) -> Literal["S", "F"]:
    """Return the status that goes with a payment result code: S with SUCCESS and only with it."""
    return "S" if code == SUCCESS_CODE else "F"


def result_of(code: str, message: str | None) -> Result:
    """Return the result member for a code."""
    return Result.model_validate(
        {
            "resultCode": code,
            "resultStatus": status_of(code),
            "resultMessage": message,
        }
    )


def check_body(body: bytes, profile: Profile, order_id: str) -> str:
    """Check a body before it is sent again: readable, a final result, and about this order.

    Returns:
        its payment result code.

    Raises:
        ValueError: with what was expected, without quoting values.
    """
    members: Any = loads(body)
    if not isinstance(members, dict):
        message = "the body is no JSON object"
        raise ValueError(message)  # noqa: TRY004  # about the input, like every other fault here
    result = members.get(profile.result_member)
    status, code = (
        (result.get("resultStatus"), result.get("resultCode"))
        if isinstance(result, dict)
        else (None, None)
    )
    if not isinstance(code, str) or code == "" or status != status_of(code):
        message = (
            f"{profile.result_member} is not S with code {SUCCESS_CODE} or F with another code"
        )
        raise ValueError(message)
    if members.get(profile.order_id_member) != order_id:
        message = f"{profile.order_id_member} is not the record's key"
        raise ValueError(message)
    return code
