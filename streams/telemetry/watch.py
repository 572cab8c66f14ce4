"""Finds a worker that runs but does no work, as faults of Faust or aiokafka can leave it.

A broker that is down restarts nothing: what looks dead counts only while the brokers, asked separately, give no reason for it.
"""

import logging
from collections.abc import Awaitable, Callable

from streams.telemetry.health import Health

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 120.0


class Watch:
    """Turns symptoms that last into a failed liveness probe.

    Args:
        health: which the probe asks.
        symptoms: what looks dead now, one sentence each, the same words each time.
        confirmed: returns which of these the brokers are not the reason of, by what they answer to requests of its own.
        patience_seconds: how long a symptom must last while the broker answers.
    """

    def __init__(
        self,
        health: Health,
        symptoms: Callable[[], list[str]],
        confirmed: Callable[[list[str]], Awaitable[list[str]]],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._health = health
        self._symptoms = symptoms
        self._confirmed = confirmed
        self._patience = patience_seconds
        self._since: dict[str, float] = {}

    async def look(self, now_seconds: float) -> None:
        """Look once; to be called every few seconds."""
        seen = self._symptoms()
        if seen:
            seen = await self._confirmed(seen)
        self._since = {symptom: self._since.get(symptom, now_seconds) for symptom in seen}
        self._health.zombie = [
            f"{symptom}, for {now_seconds - since:.0f} s while the broker answers"
            for symptom, since in self._since.items()
            if now_seconds - since >= self._patience
        ]
        for reason in self._health.zombie:
            log.error("not live: %s", reason)
