"""The ladders that several profiles share."""

from typing import Final

from streams.notification.ladder import Ladder

FIFTEEN_ATTEMPTS: Final = Ladder.of("1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h")
"""Over 17 hours; the first retries come at once."""

EIGHT_ATTEMPTS: Final = Ladder.of("2m 10m 10m 1h 2h 6h 15h")
"""Over 24 hours."""
