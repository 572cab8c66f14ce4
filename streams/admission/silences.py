"""Which destinations did not answer when they were forgotten. Pure: the time comes in as an argument.

A dead merchant is called once for each rung of a ladder, minutes apart. Forgotten with the others it would come back as
one that nobody knows, and get as many calls as a healthy one does at first, each of which hangs.
"""

from streams.admission.limits import SILENCE_SECONDS, SILENCES


class Silences:
    """Since when destinations have not answered: the last some thousand, for an hour. An answer is never remembered."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], tuple[float, float]] = {}  # and until when that counts

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._since)

    def add(self, key: tuple[str, str], since: float, now: float) -> None:
        """Remember one. It is none that is remembered: those are taken out when they are asked for."""
        self._since[key] = since, now + SILENCE_SECONDS
        if len(self._since) > SILENCES:
            del self._since[next(iter(self._since))]

    def take(self, key: tuple[str, str], now: float) -> float | None:
        """Take out since when a destination has not answered; None where that is not known."""
        since, until = self._since.pop(key, (None, 0.0))
        return since if now <= until else None

    def sweep(self, now: float) -> None:
        """Forget what is too old: they stand in the order in which they came."""
        while self._since and next(iter(self._since.values()))[1] < now:
            del self._since[next(iter(self._since))]
