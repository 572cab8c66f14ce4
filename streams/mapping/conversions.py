"""From a value as payment core writes it to a member of our event: text, times, amounts. Pure.

No message quotes a value: it stands in a dead letter's detail.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from streams.mapping.currencies import EXPONENTS

_LONGEST_NUMBER: Final = 60
_LARGEST_EXPONENT: Final = 40
_EXACT: Final = Context(prec=2 * _LONGEST_NUMBER)  # Python's own rounds to 28 digits
_MOST_DIGITS: Final = 21  # the end of the year 9999 in nanoseconds
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999

UNITS: Final[Mapping[str, int]] = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
"""What a time may count since 1970, each with how many of it a second has."""


class Unconvertible(ValueError):  # noqa: N818  # named after what it says about the value
    """A value that can't become what the mapping says: what was seen, without the value, and what was expected."""


def as_member(value: object) -> Any:  # noqa: ANN401  # a member as JSON has it
    """Return a value as our event has it: numbers, times and ids as text, at any depth; None where there is none.

    Raises:
        Unconvertible: it has no such form.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(name): as_member(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_member(inner) for inner in value]
    return _as_text(value)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        message = "true or false; expected text, or a table that says what each means"
        raise Unconvertible(message)
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
            message = "a number out of range"
            raise Unconvertible(message)
        return format(value, "f")
    if isinstance(value, int | float | UUID):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            message = "a local time without an offset; expected a moment (Avro: timestamp-millis or -micros)"
            raise Unconvertible(message)
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    message = f"a value of type {type(value).__name__}; expected text or a number"
    raise Unconvertible(message)


def key_of(value: object) -> str | None:
    """Return a value as tables and rules list it: text as it is, numbers as written, `true` and `false`; else None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | Decimal | UUID):
        return str(value)
    return None


def moment(value: object, unit: str) -> str:
    """Return the ISO 8601 time, in UTC, of a count since 1970.

    Args:
        value: a whole number, or its digits.
        unit: one of `UNITS`.

    Raises:
        Unconvertible: it is no such number.
    """
    text = value if isinstance(value, str) else str(value)
    if (
        isinstance(value, bool)
        or not text.isascii()
        or not text.isdigit()
        or len(text) > _MOST_DIGITS
    ):
        message = f"expected a whole number of {unit} since 1970"
        raise Unconvertible(message)
    seconds, rest = divmod(int(text), UNITS[unit])
    if seconds > _LATEST_SECONDS:
        message = f"a time after the year 9999; are these {unit}?"
        raise Unconvertible(message)
    return _moment(
        _EPOCH + timedelta(seconds=seconds, microseconds=rest * 1_000_000 // UNITS[unit])
    )


def _moment(value: datetime) -> str:
    in_utc = value.astimezone(UTC)
    precision = "microseconds" if in_utc.microsecond % 1000 else "milliseconds"
    text = in_utc.isoformat(timespec=precision if in_utc.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z"


def minor_units(value: object, currency: object) -> str:
    """Return an amount in its currency's smallest unit: 12.30 USD is 1230, 500 JPY is 500, 1.5 KWD is 1500.

    Args:
        value: the amount in whole units with decimals, as a decimal or as text.
        currency: its code of ISO 4217.

    Raises:
        Unconvertible: it is no amount in that currency.
    """
    exponent = EXPONENTS.get(currency) if isinstance(currency, str) else None
    if exponent is None:
        message = "its currency is no code of ISO 4217 with a smallest unit"
        raise Unconvertible(message)
    amount = _decimal(value)
    scaled = amount.scaleb(exponent, _EXACT)
    if scaled != scaled.to_integral_value(context=_EXACT):
        message = f"more decimals than the {exponent} of its currency"
        raise Unconvertible(message)
    return str(int(scaled))


def _decimal(value: object) -> Decimal:
    if isinstance(value, float):  # 0.1 is none of its values
        message = "a binary floating-point number; expected a decimal or text, which are exact"
        raise Unconvertible(message)
    amount = Decimal("NaN")
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        with suppress(InvalidOperation):
            amount = Decimal(value if len(str(value)) <= _LONGEST_NUMBER else "NaN")
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _LARGEST_EXPONENT:
        message = "expected an amount from 0, in whole units with decimals, like 12.30"
        raise Unconvertible(message)
    return amount
