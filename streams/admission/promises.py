"""When records that find no room are told to come back. Pure: the time comes in as an argument."""

from dataclasses import dataclass

from streams.admission.limits import LONGEST_PARK_SECONDS


@dataclass(slots=True)
class Promises:
    """Room that is promised ahead, to one record after the other at the pace at which it comes free.

    No room is kept for who was promised it: a record that finds none when it comes back is promised another.
    """

    _until: float = 0.0

    def make(self, now: float, earliest: float, step_seconds: float) -> float:
        """Return when a record is to come back: a step after the one before, and not before `earliest`.

        Nothing is promised beyond the longest park: the record could not come for it, and nobody else would.
        """
        promised = max(earliest, self._until)
        if promised - now > LONGEST_PARK_SECONDS:
            return now + LONGEST_PARK_SECONDS
        self._until = promised + step_seconds
        return promised

    def last_ahead(self, now: float) -> bool:
        """Tell whether somebody is still to come back."""
        return self._until > now

    def forget(self) -> None:
        """Let the next promise be for the earliest moment again."""
        self._until = 0.0
