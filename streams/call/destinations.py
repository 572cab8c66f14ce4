"""How many calls a destination takes at once.

A destination is a partner and the origin (scheme, host, port) of a notify URL: a platform has one entry in the
partners file and a thousand merchants' URLs. Its calls wait here, before they take one of the worker's, so a
destination that hangs holds its own number and no more.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from streams.partners import Partner


@dataclass(slots=True)
class _Gate:
    free: asyncio.Semaphore
    users: int = field(default=0)


class Destinations:
    """Limits of calls in flight: one for each destination, one for the worker.

    Args:
        max_in_flight: calls at once of this worker.
    """

    def __init__(self, max_in_flight: int) -> None:
        self._worker = asyncio.Semaphore(max_in_flight)
        self._gates: dict[tuple[str, str], _Gate] = {}
        self.in_flight = 0

    @asynccontextmanager
    async def slot(self, partner: Partner, url: str) -> AsyncIterator[None]:
        """Hold one call of the destination and one of the worker while the body runs.

        A changed `max_in_flight` of the partner holds from when the destination is next idle.
        """
        key = (partner.partner_id, _origin(url))
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = _Gate(asyncio.Semaphore(partner.max_in_flight))
        gate.users += 1
        try:
            async with gate.free, self._worker:
                self.in_flight += 1
                try:
                    yield
                finally:
                    self.in_flight -= 1
        finally:
            gate.users -= 1
            if not gate.users:  # ten thousand destinations seen once leave nothing behind
                del self._gates[key]


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL whose form was checked."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}".lower()
