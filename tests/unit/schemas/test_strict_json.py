"""JSON is read in one way or not at all."""

import pytest

from schemas.strict_json import MAX_DEPTH, MalformedJson, loads

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
    (b"9" * 5000, "too many digits"),
    (b"[" * 100_000, "no JSON|levels"),
    (b"[" * 100_000 + b"]" * 100_000, "levels"),
]


@pytest.mark.parametrize(("raw", "value"), VALUES)
def test_json_is_read(raw, value):
    """What RFC 8259 calls JSON comes out as it went in."""
    assert loads(raw) == value


@pytest.mark.parametrize(("raw", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_two_readings_or_none_is_refused(raw, why):
    """Each refusal says what was seen and where."""
    with pytest.raises(MalformedJson, match=why):
        loads(raw)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(opening, closing):
    """The deepest allowed value is read, one level more is not."""
    deepest = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
    assert loads(deepest.encode()) is not None
    with pytest.raises(MalformedJson, match="32 levels"):
        loads(f"{opening}{deepest}{closing}".encode())


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
