"""From a value as payment core writes it to a member of our event: text, times, amounts. Pure.

No message quotes a value: it stands in a dead letter's detail.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final, NoReturn

from streams.mapping.currencies import EXPONENTS

_LONGEST_NUMBER: Final = 60
_LARGEST_EXPONENT: Final = 40
_EXACT: Final = Context(prec=2 * _LONGEST_NUMBER)  # Python's own rounds to 28 digits
_MOST_DIGITS: Final = 21  # the end of the year 9999 in nanoseconds
_AMOUNT: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999
_BINARY: Final = "a binary floating-point number, which is not exact (0.1 is none of its values); expected a decimal or text"

UNITS: Final[Mapping[str, int]] = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}
"""What a time may count since 1970, each with how many of it a second has."""
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that stand in no id: bytes that have them are a binary number, or Avro, and text by chance."""


class Unconvertible(ValueError):  # noqa: N818  # named after what it says about the value
    """A value that can't become what the mapping says: what was seen, without the value, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Unusable:
    """Stands for a value that has no form here, and does no harm where nobody uses it.

    Whoever compares it, tests it or looks into it gets `Unconvertible`: nobody knows whether it is the value of a rule.

    Attributes:
        why: what it is, without its value, and what was expected.
    """

    why: str

    def refuse(self, *_: object) -> NoReturn:
        """Raise `Unconvertible`."""
        raise Unconvertible(self.why)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __bool__ = __hash__ = __len__ = __iter__ = __contains__ = __getitem__ = refuse


def as_member(value: object) -> Any:  # noqa: ANN401  # a member as JSON has it
    """Return a value as our event has it: numbers as text, at any depth; None where there is none.

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
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Unusable):
        raise Unconvertible(value.why)
    if isinstance(value, float):
        raise Unconvertible(_BINARY)
    message = f"a value of type {type(value).__name__}; expected text or a number"
    raise Unconvertible(message)


def check_form(value: object) -> None:
    """Refuse what has no form here: `Unusable` and bytes. Of lists and objects what is in them is not looked at.

    Raises:
        Unconvertible: why.
    """
    if isinstance(value, Unusable | bytes):
        _as_text(value)


def key_of(value: object) -> str | None:
    """Return a value as tables and rules list it: text as it is, numbers written out, `true` and `false`; None of null.

    Raises:
        Unconvertible: it has no such form, and nobody could list it.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        message = f"{kind}, which no rule or table can list; expected text, a number, true or false"
        raise Unconvertible(message)
    return _as_text(value)


def moment(value: object, unit: str) -> str:
    """Return the ISO 8601 time, in UTC, of a count since 1970.

    Args:
        value: a whole number, or its digits.
        unit: one of `UNITS`.

    Raises:
        Unconvertible: it is no such number.
    """
    if isinstance(value, Unusable):
        raise Unconvertible(value.why)
    text = value if isinstance(value, str) else str(value)
    if (
        isinstance(value, bool)
        or not text.isascii()
        or not text.isdigit()
        or len(text) > _MOST_DIGITS
    ):
        message = f"expected a whole number of {unit} since 1970"
        raise Unconvertible(message)
    if int(text) // UNITS[unit] > _LATEST_SECONDS:
        message = f"a time after the year 9999; are these {unit}?"
        raise Unconvertible(message)
    return moment_text(int(text), UNITS[unit])


def moment_text(count: int, per_second: int) -> str:
    """Return the ISO 8601 time, in UTC, of a count since 1970: exact, with no more digits than 0, 3, 6 or 9 that it needs.

    Raises:
        Unconvertible: it lies outside of the years that are written with four digits.
    """
    seconds, rest = divmod(count, per_second)
    try:
        whole = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        message = "a time outside of the years 1 to 9999"
        raise Unconvertible(message) from None
    fraction = f"{rest * UNITS['nanoseconds'] // per_second:09d}"
    while fraction.endswith("000"):
        fraction = fraction.removesuffix("000")
    text = whole.isoformat(timespec="seconds").removesuffix("+00:00")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


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
    if isinstance(value, float):
        raise Unconvertible(_BINARY)
    if isinstance(value, Unusable):
        raise Unconvertible(value.why)
    amount = Decimal("NaN")
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        # Decimal itself takes blanks, underscores and the digits of every script.
        text = str(value)
        if len(text) <= _LONGEST_NUMBER and _AMOUNT.fullmatch(text.removeprefix("-")):
            amount = Decimal(text)
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _LARGEST_EXPONENT:
        message = "expected an amount from 0, in whole units with decimals, like 12.30"
        raise Unconvertible(message)
    return amount
