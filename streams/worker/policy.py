"""The settings that bound how long a notification waits, and when it expires. Pure: knows the rules only."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.ladder import Wait


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings about waits and expiry.

    Attributes:
        parking: the waits of parks, first to last; the last is used again and again.
        scale: multiplies every wait.
        give_up_after_ms: how long after it was accepted a notification expires.
        jitter: draws from 0 to 1, for profiles that spread their due times.
    """

    parking: tuple[Wait, ...]
    scale: float
    give_up_after_ms: int
    jitter: Callable[[], float]

    def expired(self, accepted_at_ms: int, at_ms: int) -> DeadLetter | None:
        """Return the dead letter of a notification that has expired by `at_ms`, or None where it has not."""
        if at_ms < accepted_at_ms + self.give_up_after_ms:
            return None
        hours = self.give_up_after_ms / 3_600_000
        return DeadLetter(
            DeadLetterReason.EXPIRED,
            f"not acknowledged within {hours:g} h (NOTIFIER_GIVE_UP_AFTER)",
        )
