"""What a rehearsal partner answers: single answers, scripts of them, and shares.

| Answer | What the sender meets |
|---|---|
| `S` `F:<code>` `U:<code>` | HTTP 200, signed; without a code PROCESS_FAIL and UNKNOWN_EXCEPTION |
| `unsigned` `unsigned-F:<code>` `unsigned-U:<code>` | the same without the three signature headers |
| `wrong-signature` `wrong-signature-F:<code>` `wrong-signature-U:<code>` | the same with a signature over another body |
| `http:<status>` | that status without a result |
| `retry-after:<seconds>` | HTTP 503 with Retry-After |
| `slow:<seconds>` | a signed S after that time |
| `hold` | a signed S when the partner is told to release |
| `never` | nothing, until the sender hangs up |
| `refuse` | the connection is reset before a byte of an answer |
| `drop` | the connection is reset in the middle of the answer |
| `garbage` | HTTP 200 and something that is no JSON |
| `oversized` | a signed S of 100 KiB |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "result",
    "http",
    "retry-after",
    "slow",
    "hold",
    "never",
    "refuse",
    "drop",
    "garbage",
    "oversized",
]

_DEFAULT_CODES: Final = {"S": "SUCCESS", "F": "PROCESS_FAIL", "U": "UNKNOWN_EXCEPTION"}
_RESULT: Final = re.compile(
    r"(?:(unsigned|wrong-signature)(?:$|-(?=[SFU])))?(?:([SFU])(?::([A-Za-z0-9_]{1,64}))?)?"
)
_NUMBER: Final = re.compile(r"(http|retry-after|slow):([0-9]+(?:\.[0-9]+)?)")
_PLAIN: Final[tuple[Kind, ...]] = ("hold", "never", "refuse", "drop", "garbage", "oversized")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        text: as it was written.
        kind: which sort.
        status: S, F or U, of a result.
        code: its result code.
        signature: whether the answer is signed.
        number: the HTTP status, or seconds.
    """

    text: str
    kind: Kind = "result"
    status: str = "S"
    code: str = "SUCCESS"
    signature: Literal["right", "none", "wrong"] = "right"
    number: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Answer":
        """Read one answer.

        Raises:
            ValueError: it is none of those in the table above.
        """
        for kind in _PLAIN:
            if text == kind:
                return cls(text, kind)
        if match := _NUMBER.fullmatch(text):
            kind = _number_kind(match[1])
            if kind != "http" or (match[2].isdigit() and 200 <= int(match[2]) <= 599):  # noqa: PLR2004  # final statuses
                return cls(text, kind, number=float(match[2]))
        elif text and (match := _RESULT.fullmatch(text)):
            status = match[2] or "S"
            signature: Literal["right", "none", "wrong"] = "right"
            if match[1]:
                signature = "none" if match[1] == "unsigned" else "wrong"
            return cls(text, "result", status, match[3] or _DEFAULT_CODES[status], signature)
        message = f"{text!r} is no answer; expected one like S, F:RISK_REJECT, U, http:500, never (see streams.sandbox.script)"
        raise ValueError(message)


def _number_kind(text: str) -> Kind:
    if text == "http":
        return "http"
    return "slow" if text == "slow" else "retry-after"


@dataclass(frozen=True, slots=True)
class Script:
    """Answers in their order; the last one is repeated."""

    answers: tuple[Answer, ...]

    @classmethod
    def parse(cls, text: str) -> "Script":
        """Read answers separated by commas: `U,U,S`.

        Raises:
            ValueError: one of them is none.
        """
        return cls(tuple(Answer.parse(part.strip()) for part in text.split(",")))

    def at(self, number: int) -> Answer:
        """Return the answer to a request; the first has number 1."""
        return self.answers[min(number, len(self.answers)) - 1]


def parse_shares(text: str) -> Mapping[str, float]:
    """Read `S=0.9,U:UNKNOWN_EXCEPTION=0.05,never=0.05`. Shares are weights; they need not add up to 1.

    Raises:
        ValueError: an answer or a share is wrong.
    """
    shares = {}
    for part in text.split(","):
        answer, _, weight = part.strip().rpartition("=")
        Answer.parse(answer)
        shares[answer] = float(weight)
    return shares
