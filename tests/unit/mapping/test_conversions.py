"""Values of payment core become members of our event, exactly or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.mapping.conversions import (
    UNITS,
    Unconvertible,
    Unusable,
    as_member,
    key_of,
    minor_units,
    moment,
    moment_text,
)
from streams.mapping.currencies import EXPONENTS


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("12.30", "USD", "1230"),
        (Decimal("12.3"), "USD", "1230"),
        (12, "USD", "1200"),
        ("500", "JPY", "500"),
        ("500.00", "JPY", "500"),
        ("1.5000", "KWD", "1500"),
        ("0.0001", "CLF", "1"),
        ("1E2", "USD", "10000"),
        ("0", "EUR", "0"),
        (".5", "EUR", "50"),
        ("5.", "EUR", "500"),
        ("12345678901234567890123456789.01", "USD", "1234567890123456789012345678901"),
    ],
)
def test_an_amount_in_minor_units(amount, currency, units):
    """As many digits are shifted as the currency has, and none is rounded."""
    assert minor_units(amount, currency) == units


@pytest.mark.parametrize(
    ("amount", "currency", "fault"),
    [
        ("12.345", "USD", "more decimals than the 2 of its currency"),
        ("0.5", "JPY", "more decimals than the 0"),
        ("1", "XXX", "no code of ISO 4217"),
        ("1", "usd", "no code of ISO 4217"),
        ("1", None, "no code of ISO 4217"),
        ("1", ["USD"], "no code of ISO 4217"),
        ("-1", "USD", "an amount from 0"),
        ("1,50", "USD", "an amount from 0"),
        ("1_000", "USD", "an amount from 0"),
        ("+5", "USD", "an amount from 0"),
        (" 5", "USD", "an amount from 0"),
        ("5\n", "USD", "an amount from 0"),
        ("\u0661\u0662", "USD", "an amount from 0"),
        (".", "USD", "an amount from 0"),
        (Unusable("no amount"), "USD", "^no amount$"),
        ("NaN", "USD", "an amount from 0"),
        ("Infinity", "USD", "an amount from 0"),
        ("1E99999", "USD", "an amount from 0"),
        ("1" * 61, "USD", "an amount from 0"),
        (True, "USD", "an amount from 0"),
        ({"a": "1"}, "USD", "an amount from 0"),
        (12.3, "USD", "binary floating-point"),
    ],
)
def test_what_is_no_amount(amount, currency, fault):
    """It is refused in words that do not quote it."""
    with pytest.raises(Unconvertible, match=fault):
        minor_units(amount, currency)


@given(st.integers(0, 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_minor_units_are_the_inverse_of_decimals(units, currency):
    """Whatever the amount and the currency: what is written in whole units comes back."""
    whole = Decimal(units).scaleb(-EXPONENTS[currency])
    assert minor_units(format(whole, "f"), currency) == str(units)


@pytest.mark.parametrize(
    ("count", "unit", "text"),
    [
        (1795313729, "seconds", "2026-11-22T02:15:29Z"),
        ("1795313729", "seconds", "2026-11-22T02:15:29Z"),
        (1795313729123, "milliseconds", "2026-11-22T02:15:29.123Z"),
        (1795313729123456, "microseconds", "2026-11-22T02:15:29.123456Z"),
        (1795313729123456789, "nanoseconds", "2026-11-22T02:15:29.123456789Z"),
        (1795313729123456000, "nanoseconds", "2026-11-22T02:15:29.123456Z"),
        (1795313729000000000, "nanoseconds", "2026-11-22T02:15:29Z"),
        (1795313729000100, "microseconds", "2026-11-22T02:15:29.000100Z"),
        (0, "seconds", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_count_becomes_a_time(count, unit, text):
    """In UTC, with no more digits than there are."""
    assert moment(count, unit) == text


@pytest.mark.parametrize("count", ["", "-1", -1, 1.5, True, "tomorrow", "9" * 22, None])
def test_what_counts_nothing(count):
    """A time is a whole number since 1970."""
    with pytest.raises(Unconvertible, match="expected a whole number of seconds"):
        moment(count, "seconds")


def test_a_count_in_another_unit_is_noticed():
    """Milliseconds that are taken for seconds lie beyond the year 9999."""
    with pytest.raises(Unconvertible, match="are these seconds"):
        moment(1795313729123, "seconds")


def test_a_count_of_nothing_usable():
    """Says what stands there."""
    with pytest.raises(Unconvertible, match=r"^no UTF-8$"):
        moment(Unusable("no UTF-8"), "seconds")


def test_moments_outside_of_four_digits():
    """ISO 8601 has no form for them that everybody reads."""
    assert moment_text(-62_135_596_800, 1) == "0001-01-01T00:00:00Z"
    for count in (-62_135_596_801, 253_402_300_800):
        with pytest.raises(Unconvertible, match="outside of the years 1 to 9999"):
            moment_text(count, 1)


@given(st.integers(0, 253_402_300_799))
def test_units_agree(seconds):
    """The same moment counted in any unit has one text."""
    texts = {moment(seconds * per_second, unit) for unit, per_second in UNITS.items()}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("value", "member"),
    [
        (None, None),
        ("text", "text"),
        (4711, "4711"),
        (Decimal("1.0750"), "1.0750"),
        ({"a": [1, {"b": Decimal("2.50")}]}, {"a": ["1", {"b": "2.50"}]}),
    ],
)
def test_values_become_text(value, member):
    """Bodies have strings, objects and arrays only."""
    assert as_member(value) == member


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (True, "true or false"),
        ({"deep": [False]}, "true or false"),
        (b"bytes", "of type bytes"),
        (1.5, "binary floating-point"),
        ({"a": [Unusable("a local time")]}, "^a local time$"),
        (Decimal("1E99999"), "out of range"),
        (Decimal("NaN"), "out of range"),
    ],
)
def test_values_without_a_text(value, fault):
    """Nobody guesses what they mean."""
    with pytest.raises(Unconvertible, match=fault):
        as_member(value)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a", "a"),
        (51, "51"),
        (True, "true"),
        (False, "false"),
        (None, None),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E2"), "100"),
        (Decimal("0.0000001"), "0.0000001"),
    ],
)
def test_values_as_tables_list_them(value, key):
    """A table of YAML has text on both sides; a number has the text that it has as a member."""
    assert key_of(value) == key


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (0.0, "binary floating-point"),
        ([], "a list, which no rule"),
        ({"a": "b"}, "an object, which no rule"),
        (Decimal("1E99999999"), "out of range"),
        (b"x", "of type bytes"),
        (Unusable("a local time"), "^a local time$"),
    ],
)
def test_values_that_nobody_can_list(value, fault):
    """A rule over one would never hold, and nobody would hear of it."""
    with pytest.raises(Unconvertible, match=fault):
        key_of(value)
