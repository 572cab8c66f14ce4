"""Avro is read exactly, or refused with the place; fastavro writes, so that two programs agree on every value."""

import json
import math
from decimal import Decimal
from io import BytesIO

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.mapping.avro import AvroDecoder
from streams.mapping.avro_schema import MOST_VALUES, Undecodable
from streams.mapping.conversions import Unconvertible, Unusable, as_member, key_of
from streams.mapping.registry import RegisteredSchema

PAYMENT = {
    "type": "record", "name": "Payment", "namespace": "com.x",
    "fields": [{"name": "id", "type": "string"}],
}  # fmt: skip
REFUND = PAYMENT | {"name": "Refund", "fields": [{"name": "of", "type": "Payment"}]}
NESTED = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}


def read(schema, encoded, *references):
    """Return what these bytes hold by this schema."""
    texts = tuple(json.dumps(reference) for reference in references)
    return AvroDecoder().decode(RegisteredSchema("AVRO", json.dumps(schema), texts), encoded)


def written(schema, value):
    """Return a value as fastavro writes it."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def number(value):
    """Return a number as Avro writes it."""
    return written("long", value)


def logical(kind, logical_type, **more):
    return {"type": kind, "logicalType": logical_type, **more}


def sized(raw):
    return number(len(raw)) + raw


def record(kind):
    """Return a record with one member."""
    return {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}


SCALARS = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", st.floats(allow_nan=False)),
    ("bytes", st.binary()),
    ("string", st.text(st.characters(codec="utf-8"))),
]


def kinds(depth=3):
    """Schemas, each with a value of it."""

    def with_value(kind, values):
        return values.map(lambda value: (kind, value))

    scalar = st.one_of(*(with_value(kind, values) for kind, values in SCALARS))
    if not depth:
        return scalar
    inner = kinds(depth - 1)

    def as_array(pair):
        kind, value = pair
        return st.integers(0, 3).map(lambda n: ({"type": "array", "items": kind}, [value] * n))

    def as_map(pair):
        kind, value = pair
        keys = st.lists(st.text("abc"), max_size=3)
        return keys.map(
            lambda names: ({"type": "map", "values": kind}, dict.fromkeys(names, value))
        )

    def as_optional(pair):
        kind, value = pair
        if kind == "null" or isinstance(kind, list):
            return st.just(pair)
        return st.sampled_from([(["null", kind], value), (["null", kind], None)])

    return st.one_of(
        scalar, inner.flatmap(as_array), inner.flatmap(as_map), inner.flatmap(as_optional)
    )


@given(st.lists(kinds(), max_size=5))
def test_what_fastavro_writes_is_read(fields):
    """Whatever the schema and the value."""
    schema = {
        "type": "record", "name": "Whole", "namespace": "a.b",
        "fields": [{"name": f"f{i}", "type": kind} for i, (kind, _) in enumerate(fields)],
    }  # fmt: skip
    value = {f"f{i}": value for i, (_, value) in enumerate(fields)}
    assert read(schema, written(schema, value)) == value


@pytest.mark.parametrize("kind", ["bytes", "fixed"])
@pytest.mark.parametrize("unscaled", [123456, -123456, 0, 10**60 + 1])
def test_a_decimal_has_all_of_its_digits(kind, unscaled):
    """Also those beyond its schema's precision: an amount that is rounded is another amount."""
    raw = unscaled.to_bytes(32, "big", signed=True)
    schema = logical(kind, "decimal", precision=4, scale=2, name="f", size=32)
    found = read(schema, raw if kind == "fixed" else sized(raw))
    assert str(found) == str(Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -2)))


@pytest.mark.parametrize("text", ["F81D4FAE7DEC11D0A76500A0C91E6BF6", "none", "0a3f5d1e-7B1f"])
def test_a_uuid_is_the_text_that_was_written(text):
    """An id in capitals is another text than one in small letters: a partner compares it."""
    assert read(logical("string", "uuid"), sized(text.encode())) == text


@pytest.mark.parametrize(
    ("schema", "encoded", "value"),
    [
        (logical("fixed", "uuid", name="f", size=16), bytes(15) + b"\7", "00000000-0000-0000-0000-000000000007"),
        (logical("fixed", "uuid", name="f", size=4), b"abcd", b"abcd"),
        (logical("int", "date"), number(20_779), "2026-11-22"),
        (logical("long", "timestamp-millis"), number(1_795_313_729_123), "2026-11-22T02:15:29.123Z"),
        (logical("long", "timestamp-micros"), number(1_795_313_729_123_456), "2026-11-22T02:15:29.123456Z"),
        (logical("long", "timestamp-nanos"), number(1_795_313_729_123_456_789), "2026-11-22T02:15:29.123456789Z"),
        (logical("long", "timestamp-millis"), number(-1), "1969-12-31T23:59:59.999Z"),
        (logical("string", "timestamp-millis"), sized(b"a"), "a"),
        (logical("long", "of-tomorrow"), number(7), 7),
        (logical("long", ["?"]), number(7), 7),
        ({"type": {"type": "string"}}, sized(b"a"), "a"),
        ({"type": "enum", "name": "E", "symbols": ["A-1", "B"], "default": "C"}, number(0), "A-1"),
    ],
)  # fmt: skip
def test_values_of_logical_types(schema, encoded, value):
    """As our event has them; what Avro does not know, or not of this type, is what it is without."""
    assert read(schema, encoded) == value


@pytest.mark.parametrize(
    ("schema", "encoded", "why"),
    [
        (logical("long", "timestamp-millis"), number(253_402_300_800_000), "outside of the years"),
        (logical("long", "timestamp-nanos"), number(-(2**63)), None),
        (logical("long", "timestamp-micros"), number(2**63 - 1), "outside of the years"),
        (logical("int", "date"), number(2**31 - 1), "a date outside"),
        (logical("long", "local-timestamp-nanos"), number(1), "local time"),
        (logical("int", "time-millis"), number(1), "time of day"),
        (logical("bytes", "decimal", scale=2), sized(b"\1"), "no precision"),
        (logical("bytes", "decimal", precision=2, scale=3), sized(b"\1"), "a scale beyond it"),
        (logical("bytes", "decimal", precision="9"), sized(b"\1"), "no precision"),
        (logical("bytes", "decimal", precision=999, scale=999), sized(b"\1"), "more than 400"),
        (logical("bytes", "decimal", precision=9), sized(b""), "no digits"),
        (logical("bytes", "decimal", precision=9), sized(b"\1" * 167), "more than 400"),
        ("bytes", sized(b"canary"), "of type bytes"),
        ("float", written("float", 0.1), "binary floating-point"),
        ("double", written("double", math.nan), "binary floating-point"),
    ],
)
def test_what_has_no_form_here_is_refused_where_it_is_used(schema, encoded, why):
    """The end of time in a member that nobody maps keeps no payment from being told."""
    found = read(record(schema), encoded)["x"]
    if why is None:
        assert as_member(found).startswith("1677-")
        return
    with pytest.raises(Unconvertible, match=why) as fault:
        as_member({"a": [found]})
    assert "canary" not in str(fault.value)


@pytest.mark.parametrize(
    ("schema", "encoded", "fault"),
    [
        ("boolean", b"\7", "neither 0 nor 1"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, number(-1), "its enum does not have"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, number(2), "its enum does not have"),
        (["null", "string"], number(-1) + sized(b"a"), "its union does not have"),
        (["null", "string"], number(2), "its union does not have"),
        ("int", number(2**31), "more than 32 bits"),
        ("long", b"\xff" * 9 + b"\x02", "more than 64 bits"),
        ("long", b"\xff" * 11, "more than 64 bits"),
        ("long", b"\xff", "ends too soon"),
        ("double", b"1234567", "ends too soon"),
        ("string", number(9) + b"a", "ends too soon"),
        ("string", number(-1), "ends too soon"),
        ("string", sized(b"\xff"), "no UTF-8"),
        ({"type": "map", "values": "null"}, number(2) + sized(b"a") * 2 + number(0), "twice"),
    ],
)  # fmt: skip
def test_corrupt_bytes_are_no_value(schema, encoded, fault):
    """Each with its place; an index from the end would make a final result of a broken byte."""
    whole = {"type": "record", "name": "W", "fields": [{"name": "in", "type": record(schema)}]}
    with pytest.raises(Undecodable, match=f"not of its schema: in.x: .*{fault}"):
        read(whole, encoded)


def test_blocks_with_their_size():
    """As some writers give them, so that a reader may skip them; several make one array."""
    encoded = number(-2) + number(2) + number(1) + number(2) + number(1) + number(3) + number(0)
    assert read({"type": "array", "items": "int"}, encoded) == [1, 2, 3]


@pytest.mark.parametrize("schema", [
    {"type": "array", "items": "null"},
    {"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}},
    {"type": "array", "items": EMPTY},
])  # fmt: skip
def test_what_takes_no_bytes_is_counted(schema):
    """Thirty million elements stand in five bytes; they are refused before they are made."""
    assert len(read(schema, number(MOST_VALUES) + number(0))) == MOST_VALUES
    for encoded in (number(MOST_VALUES + 1), number(1) * (MOST_VALUES + 1), number(2**62)):
        with pytest.raises(Undecodable, match="more than 65,536 values"):
            read(schema, encoded + number(0))


def test_a_schema_that_doubles_itself():
    """Sixty records of two each are 2**60 values of no bytes."""
    schemas: list[object] = [EMPTY | {"name": "R0"}]
    for n in range(1, 30):
        fields = [{"name": side, "type": f"R{n - 1}"} for side in "ab"]
        schemas.append({"type": "record", "name": f"R{n}", "fields": fields})
    with pytest.raises(Undecodable, match="more than 65,536 values"):
        read("R29", b"", *schemas)


def test_a_schema_that_names_itself():
    """Within the levels that JSON may have too; beyond it is the record's fault and not the worker's end."""
    found = read(NESTED, number(1) * 31 + number(0))
    for _ in range(31):
        found = found["next"]
    assert found == {"next": None}
    for levels in (32, 500, 100_000):
        with pytest.raises(Undecodable, match="more than 32 levels"):
            read(NESTED, number(1) * levels + number(0))


def test_types_by_reference():
    """Alone, in a union at the top as for several events on one topic, in a field, and within another reference."""
    encoded = sized(b"e-1")
    assert read("com.x.Payment", encoded, PAYMENT) == {"id": "e-1"}
    union = ["com.x.Payment", "com.x.Refund"]
    assert read(union, number(0) + encoded, PAYMENT, REFUND) == {"id": "e-1"}
    assert read(union, number(1) + encoded, PAYMENT, REFUND) == {"of": {"id": "e-1"}}
    assert read(record("com.x.Payment"), encoded, PAYMENT) == {"x": {"id": "e-1"}}


def test_names_are_looked_for_in_their_namespace_first():
    """Then without one, as Avro's own reader does."""
    bare = {"type": "fixed", "name": "F", "size": 1}
    own = {"type": "fixed", "name": "a.F", "size": 2}
    schema = {"type": "record", "name": "a.R", "fields": [{"name": "x", "type": "F"}]}
    assert read(schema, b"1", bare) == {"x": b"1"}
    assert read(schema, b"12", bare, own) == {"x": b"12"}
    assert read(schema | {"name": "R", "namespace": ""}, b"1", bare, own) == {"x": b"1"}


def test_a_namespace_of_null_is_none():
    """The one around it holds, as where nothing is said."""
    inner = {"type": "fixed", "name": "F", "namespace": None, "size": 1}
    fields = [{"name": "x", "type": inner}, {"name": "y", "type": "a.F"}]
    schema = {"type": "record", "name": "R", "namespace": "a", "fields": fields}
    assert read(schema, b"12") == {"x": b"1", "y": b"2"}
    assert read(EMPTY | {"namespace": None}, b"") == {}


@pytest.mark.parametrize(
    ("schema", "encoded"),
    [
        (logical("long", "local-timestamp-millis"), number(1)),
        (logical("bytes", "decimal", scale=2), sized(b"a")),
    ],
)
def test_two_values_without_form_are_not_taken_for_one(schema, encoded):
    """Lists and objects that have them can't be compared."""
    one, other = read({"type": "array", "items": record(schema)}, number(2) + encoded * 2 + b"\0")
    with pytest.raises(Unconvertible):
        assert one != other


@pytest.mark.parametrize("default", ["abc", None, 7, {"a": 1}])
def test_defaults_are_writers_business(default):
    """One of another type makes no event unreadable."""
    field = {"name": "x", "type": ["null", "string"], "default": default}
    assert read({"type": "record", "name": "R", "fields": [field]}, number(0)) == {"x": None}


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("com.x.Payment", "neither it nor its references define"),
        (7, "expected a type"),
        (None, "expected a type"),
        ({"type": "record", "name": "E"}, "without fields"),
        ({"type": "record", "name": 7, "fields": []}, "without a name"),
        ({"type": "record", "fields": []}, "without a name"),
        ({"type": "record", "name": "E", "namespace": 7, "fields": []}, "without a name"),
        ({"type": "record", "name": "E", "fields": [{"type": "int"}]}, "a field without a name"),
        ({"type": "record", "name": "E", "fields": ["int"]}, "a field without a name"),
        ({"type": "enum", "name": "E", "symbols": "AB"}, "without symbols"),
        ({"type": "enum", "name": "E", "symbols": [1]}, "without symbols"),
        ({"type": "fixed", "name": "E", "size": -1}, "without a size"),
        ({"type": "fixed", "name": "E", "size": True}, "without a size"),
        ({"type": "array"}, "expected a type"),
        ({"type": "map", "values": {"type": "of"}}, "neither it nor"),
        (["null", ["int"]], "a union within a union"),
    ],
)
def test_what_is_no_schema(kind, fault):
    """With the place."""
    with pytest.raises(Undecodable, match=f"its schema can't be read: x: .*{fault}"):
        read(record(kind), b"")


def test_a_schema_that_is_nested_without_end():
    """It is refused, and the worker goes on."""
    text = '{"type":"array","items":["null",' * 300 + '"int"' + "]}" * 300
    for schema in (text, "[" * 100_000, "{"):
        with pytest.raises(
            Undecodable, match=r"its schema can't be read: it is (nested too deep|no JSON)"
        ):
            AvroDecoder().decode(RegisteredSchema("AVRO", schema), b"")


def test_unusable_values_say_why_wherever_they_are_looked_at():
    """Not that they are of a strange type."""
    for use in (
        as_member,
        lambda value: as_member([value]),
        key_of,
        lambda value: value == "x",
        lambda value: value != "x",
        lambda value: [value] == ["x"],
        lambda value: value < 1,
        lambda value: value >= 1,
        lambda value: "x" in ["y", value],
        lambda value: "x" in value,
        bool,
        hash,
        iter,
        len,
    ):
        with pytest.raises(Unconvertible, match=r"^no moment$"):
            use(Unusable("no moment"))
