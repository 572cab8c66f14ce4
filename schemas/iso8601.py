"""ISO 8601 date and time with an offset, in the forms that its writers use.

Our own reader: `datetime.fromisoformat` takes other forms in each Python, knows no second 60, and had no `24:00` before
3.13. What a form is stands in `PATTERN`; whether such a moment exists, in `epoch_ms`.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

EXAMPLE: Final = "2026-11-28T12:30:00+08:00"

_FRACTION: Final = "(?:[.,][0-9]{1,30})?"  # no standard limits it; writers give 3 to 12 digits
_EXTENDED: Final = (
    f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}{_FRACTION})?"
)
_BASIC: Final = f"[0-9]{{8}}T[0-9]{{4}}(?:[0-9]{{2}}{_FRACTION})?"  # iCalendar
_OFFSET: Final = "Z|[+-][0-9]{2}(?::?[0-9]{2})?"  # strftime's %z and Java's patterns write +0800

PATTERN: Final = f"^({_EXTENDED}|{_BASIC})({_OFFSET})$"
"""Extended or basic form, not mixed but for the offset. In words that Python, JSON Schema and pydantic share."""

_FORM: Final = re.compile(PATTERN)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES_OF_A_DAY: Final = 24 * 60
_LAST_MINUTE: Final = 59
_LEAP_SECOND: Final = 60
_MIDNIGHT: Final = 24


@lru_cache(maxsize=256)  # an event says nearly the same moment twice, and each is asked for twice
def epoch_ms(text: str) -> int:
    """Return the moment in milliseconds since the epoch, UTC, rounded down.

    `24:00` is the next day's beginning. Second 60 is the beginning of the next minute, as in POSIX time, and may stand
    in any minute: which minutes had one is nothing to lose a payment over.

    Raises:
        ValueError: it has another form, or there is no such day, time or offset. The message doesn't quote it.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        message = f"expected an ISO 8601 date and time with offset, like {EXAMPLE}"
        raise ValueError(message)
    # Both forms as one: YYYYMMDDThhmm[ss[.f]] and Z or +hh[mm].
    local = form[1].replace("-", "").replace(":", "")
    hour, minute, second = int(local[9:11]), int(local[11:13]), int(local[13:15] or 0)
    fraction = local[16:]
    minutes = hour * 60 + minute
    exists = minutes < _MINUTES_OF_A_DAY and minute <= _LAST_MINUTE and second <= _LEAP_SECOND
    if hour == _MIDNIGHT:
        exists = not minute and not second and not fraction.strip("0")
    day, offset = _day(local), _offset_minutes(form[2])
    if not exists or day is None or offset is None:
        message = "there is no such day, time or offset"
        raise ValueError(message)
    whole = ((day * _MINUTES_OF_A_DAY + minutes - offset) * 60 + second) * 1000
    return whole + int(f"{fraction[:3]:0<3}")


def typed_ms(text: str) -> int:
    """Return the same of what a person typed, or a careless program wrote: a blank may stand for the T.

    Raises:
        ValueError: as `epoch_ms`.
    """
    return epoch_ms(text.strip().replace(" ", "T", 1))


def typed_moment(text: str) -> datetime:
    """Return what a person typed as a time in UTC.

    Raises:
        ValueError: as `epoch_ms`, or the moment is in no year from 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(milliseconds=typed_ms(text))
    except OverflowError:
        message = "expected a year from 1 to 9999"
        raise ValueError(message) from None


def _day(local: str) -> int | None:
    """Return the days since the epoch, or None where there is no such day."""
    try:
        day = date(int(local[:4]), int(local[4:6]), int(local[6:8]))
    except ValueError:
        return None
    return day.toordinal() - _EPOCH_DAY


def _offset_minutes(text: str) -> int | None:
    """Return the minutes east of UTC, or None where there is no such offset."""
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:] if len(text) > len("+08") else 0)
    if hours * 60 >= _MINUTES_OF_A_DAY or minutes > _LAST_MINUTE:
        return None
    return hours * 60 + minutes if text[0] == "+" else -hours * 60 - minutes


def is_datetime(text: str) -> bool:
    """Tell whether `epoch_ms` reads it."""
    try:
        epoch_ms(text)
    except ValueError:
        return False
    return True
