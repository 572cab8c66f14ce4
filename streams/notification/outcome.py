"""What came back from one attempt, as a value.

An exception means that this program or its input is wrong; what the partner or the network did is an outcome.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from schemas.valueclass import valueclass


class Status(StrEnum):
    """`result.resultStatus`, as the partner writes it."""

    SUCCESS = "S"
    FAILED = "F"
    UNKNOWN = "U"


class Failure(StrEnum):
    """Why an attempt brought no result. Each value is also a metric label and a word of the attempts topic."""

    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_ERROR = "tls_error"
    TLS_INCOMPLETE_CHAIN = "tls_incomplete_chain"
    READ_TIMEOUT = "read_timeout"
    BROKEN_CONNECTION = "broken_connection"
    HTTP_STATUS = "http_status"
    OVERSIZED_ANSWER = "oversized_answer"
    UNREADABLE_ANSWER = "unreadable_answer"
    UNSIGNED_ANSWER = "unsigned_answer"
    WRONG_SIGNATURE = "wrong_signature"
    STALE_ANSWER = "stale_answer"


class RequestLeft(StrEnum):
    """Whether the partner may have seen the request: the difference between "never told" and "perhaps told"."""

    NO = "no"
    PERHAPS = "perhaps"
    YES = "yes"


@valueclass(frozen=True, slots=True)
class Answered:
    """The partner answered with HTTP 200, a readable result and a signature where one is required.

    Attributes:
        status: S, F or U.
        code: `result.resultCode`, or empty where the partner left it out.
    """

    status: Status
    code: str


@dataclass(frozen=True, slots=True)
class NoResult:
    """No answer that counts came back. Retried like U.

    Attributes:
        failure: what happened instead.
        claimed: the result status of an answer whose signature is missing or wrong, or whose time is.
        code: the result code of such an answer.
        detail: what was unreadable or too long, or what TLS failed of, for people: short, and without anything that the
            partner sent. Two outcomes that differ in it only are the same.
    """

    failure: Failure
    claimed: Status | None = None
    code: str = ""
    detail: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Blocked:
    """The destination may not be called (egress rules); nothing was sent.

    Attributes:
        why: the rule that refused it, without customer data.
    """

    why: str


Outcome = Answered | NoResult | Blocked


def describe(outcome: Outcome) -> str:
    """Return the outcome as one short token for headers, logs and the attempts topic: `F:RISK_REJECT`, `read_timeout`."""
    match outcome:
        case Answered(status, code):
            return f"{status.value}:{code}" if code else status.value
        case NoResult(failure):
            return failure.value
        case Blocked():
            return "blocked"
        case _:  # pragma: no cover
            assert_never(outcome)
