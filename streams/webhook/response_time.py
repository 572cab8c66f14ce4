"""How old an answer says it is.

The signature of an answer binds method, path, client id, time and body, but not the request that it answers; TLS is
what stops a replay. A time far from ours is a sign that something is wrong all the same (protocol, section 5.5).
"""

import re
from typing import Final

from schemas.iso8601 import typed_ms

LARGEST_SKEW_SECONDS: Final = 900.0

_EPOCH_MS: Final = re.compile(r"[0-9]{1,15}")


def is_stale(response_time: str | None, now_ms: int) -> bool:
    """Tell whether a Response-Time is more than 15 minutes off, either way, or can't be read; False without one.

    Args:
        response_time: ISO 8601 with an offset, small letters and a blank for the T allowed, or milliseconds since the
            epoch.
        now_ms: the present, milliseconds since the epoch.
    """
    if response_time is None:
        return False
    text = response_time.strip()
    try:
        said_ms = int(text) if _EPOCH_MS.fullmatch(text) else typed_ms(text.upper())
    except ValueError:
        return True
    return abs(said_ms - now_ms) > LARGEST_SKEW_SECONDS * 1000
