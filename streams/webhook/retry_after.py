"""Retry-After (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_SECONDS: Final = 3600.0
"""No answer slows a destination down for longer (contract, section 2)."""

_SECONDS: Final = re.compile(r"[0-9]{1,15}")
_LONGEST_DATE: Final = 64


def retry_after_seconds(value: str | None, now_seconds: float) -> float | None:
    """Return how long the partner asks us to wait, 0 to `LONGEST_SECONDS`; None when it doesn't say.

    Args:
        value: the header, seconds or an HTTP date.
        now_seconds: the present, since the epoch.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_SECONDS)
    if len(value) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # asctime's form names no zone, and means GMT
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now_seconds
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_SECONDS)
