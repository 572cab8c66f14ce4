"""The settings that bound how long a notification waits and lives. Pure: knows the rules only."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.ladder import Wait

LONGEST_PARK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say of waits and lives.

    Attributes:
        parking: the waits of parks, first to last; the last is used again and again.
        scale: multiplies every wait.
        give_up_after_ms: the longest life of a notification, from when it was accepted.
        jitter: draws from 0 to 1, for profiles that spread their due times.
    """

    parking: tuple[Wait, ...]
    scale: float
    give_up_after_ms: int
    jitter: Callable[[], float]

    def expired(self, accepted_at_ms: int, at_ms: int) -> DeadLetter | None:
        """Return the end of a notification that is too old at a moment, or None where it may live then."""
        if at_ms < accepted_at_ms + self.give_up_after_ms:
            return None
        hours = self.give_up_after_ms / 3_600_000
        return DeadLetter(
            DeadLetterReason.EXPIRED,
            f"not acknowledged within {hours:g} h (NOTIFIER_GIVE_UP_AFTER)",
        )
