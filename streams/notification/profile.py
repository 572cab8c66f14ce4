"""What a profile is: the differences between partners' protocols, as data.

The five profiles stand in `streams.notification.profiles`, one file each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.fields import Body
from streams.notification.ladder import Ladder

SET_UP_FAULTS = frozenset(
    {
        "INVALID_SIGNATURE",
        "SIGNATURE_INVALID",
        "KEY_NOT_FOUND",
        "INVALID_CLIENT",
        "ACCESS_DENIED",
        "NO_INTERFACE_DEF",
        "METHOD_NOT_SUPPORTED",
        "MEDIA_TYPE_NOT_ACCEPTABLE",
    },
)
"""Codes of F that blame our set-up: alert at the first, keep retrying while an operator mends it (contract, section 2)."""


@dataclass(frozen=True, slots=True)
class FByCode:
    """F is acted on by code: faults of our set-up are retried, every other F is final."""

    def is_final(self, code: str) -> bool:
        """Tell whether F with this code ends the notification."""
        return code not in SET_UP_FAULTS


@dataclass(frozen=True, slots=True)
class FRetried:
    """F is retried, but for the codes named here."""

    but: frozenset[str] = frozenset()

    def is_final(self, code: str) -> bool:
        """Tell whether F with this code ends the notification."""
        return code in self.but


@dataclass(frozen=True, slots=True)
class Profile:
    """One protocol between a sender and a receiver.

    Attributes:
        name: as events and the partners file name it.
        title: sender, receiver and API in a few words, for people.
        source: the file name of the source document.
        body: the request's schema.
        result_member: the body's member that holds the payment result.
        order_id_member: the body's member that is the order id and the key of every record.
        ladder: the waits between attempts.
        on_f: what F means.
        codes: the payment result codes this profile knows, each with its status.
        reasons: payment core's reasons, each with its payment result code.
        signed_answer: whether an answer must be signed unless the partner's entry says otherwise.
        jitter_seconds: the most that may be added to a due time at random.
    """

    name: str
    title: str
    source: str
    body: type[Body]
    result_member: Literal["paymentResult", "result"]
    order_id_member: Literal["paymentRequestId", "paymentId"]
    ladder: Ladder
    on_f: FByCode | FRetried
    codes: Mapping[str, Literal["S", "F"]]
    reasons: Mapping[str, str]
    signed_answer: bool
    jitter_seconds: float = 0.0

    def f_is_final(self, code: str) -> bool:
        """Tell whether F with this code ends the notification."""
        return self.on_f.is_final(code)
