"""What a profile is: the differences between partners' protocols, as data.

The profiles stand in `streams.notification.profiles`, one file each; `docs/add-a-profile.md` says how to add one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from schemas.fields import Body, InvalidBody, Result, required_always
from streams.notification.ladder import Ladder

MAX_JITTER_SECONDS = 5.0
"""Workers take a due time that lies further beyond its tier's wait for a mistake."""

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
class Sample:
    """What a profile is rehearsed with: in the sandbox, by `notifier send-test`, and in the tests.

    Attributes:
        partner: the sandbox's entry of the partners file for this profile; no other profile has it.
        path: where the sandbox's partner takes it; the source's path where it names one. No other profile has it.
        payment: an event's `payment` of a payment that succeeded, made up, with as many members as there can be.
    """

    partner: str
    path: str
    payment: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """One protocol between a sender and a receiver.

    Attributes:
        name: as events and the partners file name it.
        title: sender, receiver and API in a few words, for people.
        source: the file name of the source document.
        body: the request's schema; it says which member holds the payment result.
        order_id_member: the body's member that is the order id and the key of every record.
        ladder: the waits between attempts, one of `streams.notification.ladders` or the profile's own.
        on_f: what F means.
        codes: the payment result codes this profile knows, each with its status.
        reasons: payment core's reasons, each with its payment result code.
        signed_answer: whether an answer must be signed unless the partner's entry says otherwise.
        sample: what it is rehearsed with.
        jitter_seconds: the most that may be added to a due time at random.

    Raises:
        ValueError: the order id or the sample does not go with the body, or the jitter is out of bounds.
    """

    name: str
    title: str
    source: str
    body: type[Body]
    order_id_member: str
    ladder: Ladder
    on_f: FByCode | FRetried
    codes: Mapping[str, Literal["S", "F"]]
    reasons: Mapping[str, str]
    signed_answer: bool
    sample: Sample
    jitter_seconds: float = 0.0

    def __post_init__(self) -> None:
        required = required_always(self.body)
        if self.order_id_member not in required:
            message = (
                f"profile {self.name}: order_id_member: seen {self.order_id_member!r}, "
                f"expected a required member of {self.body.__name__}: {', '.join(required)}"
            )
            raise ValueError(message)
        if not 0 <= self.jitter_seconds <= MAX_JITTER_SECONDS:
            message = (
                f"profile {self.name}: jitter_seconds: seen {self.jitter_seconds:g}, "
                f"expected 0 to {MAX_JITTER_SECONDS:g}"
            )
            raise ValueError(message)
        success = Result.model_validate({"resultCode": "SUCCESS", "resultStatus": "S"})
        try:
            _, unsent = self.body.read(self.sample.payment, success, "sample.payment.")
        except InvalidBody as exc:
            message = f"profile {self.name}: {exc}"
            raise ValueError(message) from exc
        if unsent:
            message = (
                f"profile {self.name}: sample.payment.{unsent[0]} is no member of {self.body.__name__}, "
                f"expected one of {', '.join(self.body.table)}"
            )
            raise ValueError(message)

    @property
    def result_member(self) -> str:
        """The body's member that holds the payment result."""
        return self.body.result_member

    def f_is_final(self, code: str) -> bool:
        """Tell whether F with this code ends the notification."""
        return self.on_f.is_final(code)
