"""W3C trace context: the form of `traceparent`, wherever one travels: as an event's header, on a tier, to the partner."""

import re
from typing import Final

TRACEPARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?"
)
"""Version, trace id, parent id and flags, each in lower-case hexadecimal; later versions may add to it."""

LONGEST_TRACEPARENT: Final = 512
"""In characters: what a record of ours may carry."""


def is_traceparent(text: str) -> bool:
    """Tell whether a text is one that its receivers must take (W3C Trace Context, sections 3.2.2 and 4.3)."""
    match = TRACEPARENT.fullmatch(text)
    if match is None or len(text) > LONGEST_TRACEPARENT:
        return False
    version, trace_id, parent_id, _, more = match.groups()
    return (
        version != "ff"
        and (version != "00" or more is None)
        and trace_id.strip("0") != ""
        and parent_id.strip("0") != ""
    )
