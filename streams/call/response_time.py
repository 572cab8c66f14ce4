"""How old an answer says it is.

The signature of an answer binds method, path, client id, time and body, but not the request that it answers; TLS is
what stops a replay. A time far from ours is a sign that something is wrong all the same (protocol, section 5.5).
"""

import re
from datetime import datetime
from typing import Final

LARGEST_SKEW_SECONDS: Final = 900.0

_EPOCH_MS: Final = re.compile(r"[0-9]{1,15}")
_LONGEST: Final = 64


def is_stale(response_time: str | None, now_ms: int) -> bool:
    """Tell whether a Response-Time is more than 15 minutes off, either way, or can't be read; False without one.

    Args:
        response_time: ISO 8601 with an offset, or milliseconds since the epoch.
        now_ms: the present, milliseconds since the epoch.
    """
    if response_time is None:
        return False
    text = response_time.strip()
    if _EPOCH_MS.fullmatch(text):
        seconds = int(text) / 1000
    else:
        try:
            moment = datetime.fromisoformat(text) if len(text) <= _LONGEST else None
            if moment is None or moment.tzinfo is None:
                return True
            seconds = moment.timestamp()
        except (ValueError, OverflowError):
            return True
    return abs(seconds - now_ms / 1000) > LARGEST_SKEW_SECONDS
