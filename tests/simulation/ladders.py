"""The ladders as the protocols have them, and what was decided against them.

Written down here once more, in seconds: a judge that asked the worker's own ladder would take its mistakes for right.
"""

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Final

from schemas.attempt_record import AttemptRecord

_FIFTEEN: Final = (1, 3, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600)
_EIGHT: Final = (120, 600, 600, 3600, 7200, 21600, 54000)
WAITS: Final = {
    "mpp-to-alipay-plus": _FIFTEEN,
    "mpp-to-ant": _FIFTEEN,
    "acquirer-to-alipay-plus": _FIFTEEN,
    "alipay-plus-to-acquirer": _EIGHT,
    "alipay-to-merchant": _EIGHT,
}
_ROUNDED_UP_MS: Final = 2
_LATEST_MS: Final = 2000
"""How late a retry may be where nothing went wrong; half a second was seen."""
_AT_THE_END: Final = frozenset({"attempts-exhausted", "unverified-acknowledgement"})


def off_the_ladder(entries: Iterable[AttemptRecord], scale: float) -> Iterator[str]:
    """Yield what was decided after an attempt and is not what the ladder says: another wait, an end too soon, a retry too many.

    Args:
        entries: attempts records.
        scale: of all waits.
    """
    for entry in entries:
        if entry.kind != "attempt":
            continue
        waits, attempt = WAITS[entry.profile or ""], entry.attempt or 0
        at_end = entry.dead_letter_reason in _AT_THE_END
        if at_end and attempt != len(waits) + 1:
            yield f"given up after attempt {attempt} of {len(waits) + 1}: {entry.origin}"
        if entry.decision != "retry":
            continue
        if not 1 <= attempt <= len(waits):
            yield f"a retry after attempt {attempt} of {len(waits) + 1}: {entry.origin}"
            continue
        wait_ms = ceil(waits[attempt - 1] * scale * 1000)
        found_ms = (entry.next_due_at_ms or 0) - (entry.ended_at_ms or 0)
        if not wait_ms <= found_ms <= wait_ms + _ROUNDED_UP_MS:
            yield f"a wait of {found_ms} ms after attempt {attempt}, expected {wait_ms}: {entry.origin}"


def late(entries: Iterable[AttemptRecord]) -> Iterator[str]:
    """Yield the retries that began long after they were due, of a world in which nothing keeps one waiting."""
    for entry in entries:
        if entry.kind == "attempt" and entry.trigger == "ladder":
            by_ms = (entry.started_at_ms or 0) - (entry.due_at_ms or 0)
            if by_ms > _LATEST_MS:
                yield f"attempt {entry.attempt} was late by {by_ms} ms: {entry.origin}"
