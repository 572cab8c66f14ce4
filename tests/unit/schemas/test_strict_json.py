"""JSON is read in one way or not at all."""

from decimal import Decimal

import pytest

from schemas import strict_json
from schemas.strict_json import (
    ANSWER,
    MAX_DEPTH,
    MAX_DIGITS,
    MESSAGE,
    MalformedJson,
    check_rendered,
    loads,
    loads_marking,
)

VALUES = [
    (b'{"a":"b"}', {"a": "b"}),
    (b" [1, 2.5, -3e2, true, null] ", [1, 2.5, -300.0, True, None]),
    ('{"名":"支付宝 🎉"}'.encode(), {"名": "支付宝 🎉"}),
    (rb'"\ud83c\udf89"', "🎉"),
    (rb'"\\ud800"', r"\ud800"),
    (b'{"a":{"x":"1"},"b":{"x":"2"}}', {"a": {"x": "1"}, "b": {"x": "2"}}),
]

REFUSED = [
    (b"", "no JSON at character 0"),
    (b"   ", "no JSON at character 3"),
    (b"{", "no JSON"),
    (b'{"a":1} x', "no JSON at character 8: Extra data"),
    (b"{'a':1}", "no JSON"),
    (b'"a\nb"', "no JSON"),
    (b'\xef\xbb\xbf{"a":1}', "no JSON at character 0"),
    ('{"a":1}'.encode("utf-16"), "no UTF-8 at byte"),
    (b'{"a":"\xff"}', "no UTF-8 at byte 6"),
    (b'{"a":"\xe6\x94"}', "no UTF-8 at byte 6"),
    (b'{"a":"\xed\xa0\x80"}', "no UTF-8 at byte 6"),
    (b'{"a":1,"b":2,"a":1}', "named twice"),
    (b'{"a":{"b":1,"\\u0062":2}}', "named twice"),
    (b"NaN", "NaN and infinity"),
    (b"[Infinity]", "NaN and infinity"),
    (b"[-Infinity]", "NaN and infinity"),
    (b"1e999", "NaN and infinity"),
    (rb'"\ud800"', "half a surrogate pair"),
    (rb'{"\uDFFF":1}', "half a surrogate pair"),
    (b"9" * 5000, "a whole number of 5,000 digits, expected at most 400"),
    (b"[1,-" + b"9" * 400 + b"]", "a whole number of 401 digits"),
    (b"[" * 4000, "no JSON|levels"),
    (b"[" * 4000 + b"]" * 4000, "levels"),
    (b"[" * 100_000, r"100,000 of \{ and \[, expected at most 4,096"),
    (b"[" + b"{}," * 4096 + b"0]", r"4,097 of \{ and \["),
    (b"[" + b"0," * 16_385 + b"0]", "16,385 commas, expected at most 16,384"),
    (b'{"a":"' + b"," * 16_385 + b'"}', "16,385 commas"),
]


@pytest.mark.parametrize(("raw", "value"), VALUES)
def test_json_is_read(raw, value):
    """What RFC 8259 calls JSON comes out as it went in."""
    assert loads(raw) == value


@pytest.mark.parametrize(
    "text", ["19.90", "1E+3", "-0.000000000000000000000000000001", "123456789012345678901234.5"]
)
def test_exact_numbers(text):
    """An exact reading keeps every digit of a decimal, where a float would round it."""
    assert loads(f"[{text}, 7]".encode(), exact=True) == [Decimal(text), 7]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (
            b"0." + b"1" * MAX_DIGITS,
            f"a number of {MAX_DIGITS + 2} characters, expected at most {MAX_DIGITS}",
        ),
        (b"1e" + b"9" * 30, "a number out of range"),
        (b"NaN", "NaN and infinity"),
    ],
    ids=["too long", "out of range", "no number"],
)
def test_exact_numbers_refused(raw, named):
    """A decimal that is too long, or beyond what decimals have, is refused with the reason."""
    with pytest.raises(MalformedJson, match=named):
        loads(raw, exact=True)


@pytest.mark.parametrize(("raw", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_two_readings_or_none_is_refused(raw, why):
    """Each refusal says what was seen and where."""
    with pytest.raises(MalformedJson, match=why):
        loads(raw)


@pytest.mark.parametrize("read", [loads, loads_marking])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(read, opening, closing):
    """The deepest allowed value is read; one level more is not, nor so many that Python itself gives up."""
    deepest = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
    assert read(deepest.encode()) is not None
    for levels in (1, 3000):
        with pytest.raises(MalformedJson, match="32 levels"):
            read(f"{opening * levels}{deepest}{closing * levels}".encode())


def test_a_member_named_twice_shows_as_that():
    """In a message or a failed test, where an address would say nothing."""
    assert repr(loads_marking(b'{"a":1,"a":2}')) == "{'a': TWICE}"


@pytest.mark.parametrize(
    "raw",
    [b"[" * 33 + b"]" * 33, b'"' + b"," * 16_385 + b'"', b"[" + b"{}," * 4096 + b"0]"],
    ids=["depth", "commas", "containers"],
)
def test_what_is_rendered_is_held_to_the_same_bounds(raw):
    """So that it can be read again."""
    for check in (loads, check_rendered):
        with pytest.raises(MalformedJson):
            check(raw)


def test_what_is_rendered_within_the_bounds():
    """Many objects beside each other are no depth."""
    check_rendered(b"[" + b"{}," * 4000 + b"0]")
    check_rendered(b"[" * 32 + b"]" * 32)


def test_many_shallow_objects_are_no_depth():
    """Only nesting counts, not the number of objects."""
    assert len(loads(b"[" + b",".join([b'{"a":["x"]}'] * 100) + b"]")) == 100


@pytest.mark.parametrize("raw", [b'{"a":"s3cret}', b'{"s3cret":1,"s3cret":1}', b's3cret"'])
def test_a_refusal_never_quotes(raw):
    """Neither the message nor a chained cause holds the document."""
    with pytest.raises(MalformedJson) as caught:
        loads(raw)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_as_much_as_may_be_is_read():
    """The bounds themselves are allowed, and long text is no matter."""
    assert len(loads(b"[" + b"0," * MESSAGE.commas + b"0]")) == MESSAGE.commas + 1
    assert len(loads(b"[" + b"{}," * (MESSAGE.containers - 2) + b"{}]")) == MESSAGE.containers - 1
    assert len(loads(b'"' + b"x" * 1_000_000 + b'"')) == 1_000_000
    assert loads(b"9" * MAX_DIGITS) == 10**MAX_DIGITS - 1


@pytest.mark.parametrize("read", [loads, loads_marking])
def test_an_answer_is_bounded_more_tightly(read):
    """A partner sends as many as it likes, and one object of each is needed."""
    for element, most in ((b"{}", 255), (b"0", 1025)):
        assert len(read(b"[" + b",".join([element] * most) + b"]", ANSWER)) == most
        with pytest.raises(MalformedJson, match="expected at most"):
            read(b"[" + b",".join([element] * (most + 1)) + b"]", ANSWER)


@pytest.mark.parametrize("read", [loads, loads_marking])
def test_what_would_take_long_is_refused_before_it_is_understood(read, monkeypatch):
    """A megabyte of empty objects makes none: neither decoder is asked."""
    for decoder in (strict_json._DECODER, strict_json._MARKING_DECODER):
        monkeypatch.setattr(decoder, "decode", None)
    for raw in (b"[" * 500_000, b"[" + b"{}," * 350_000 + b"0]", b"[" + b"0," * 500_000 + b"0]"):
        with pytest.raises(MalformedJson, match="expected at most"):
            read(raw)
