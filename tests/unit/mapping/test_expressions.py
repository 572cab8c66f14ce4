"""What JMESPath's functions make of values that JSON does not have: nothing is quoted, cut off or made up."""

from decimal import Decimal

import pytest

from streams.mapping.conversions import Unconvertible, Unusable
from streams.mapping.expressions import Expression, Source
from streams.mapping.mapping import MappedEvent
from tests.support.mapping import EVENT, record, written


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("data.a", {"data"}),
        ("@.data.a || key", {"data", "key"}),
        ("(data || @).key", {"data", "key"}),
        ("@ | data.a", {"data"}),
        ("[data.a, {b: headers.b}]", {"data", "headers"}),
        ("data[?a == `1` && !b].c | [0].d", {"data"}),
        ("data[0:2].a[].b.*.c", {"data"}),
        ("max_by(data.a, &b.c).d", {"data"}),
        ("to_array(key)[0].data", {"key"}),
        ("*.id", set()),
        ("keys(@)", set()),
        ("'data'", set()),
    ],
)
def test_the_names_that_an_expression_reads(text, roots):
    """Of the document, and not of what stands in it."""
    assert Expression(text).roots == roots


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lengthy(data.a)", "there is no function lengthy; expected one of abs, avg, "),
        ("data.a || [join(data.a)]", "join takes 2 arguments, and 1 stand there"),
        ("data[?length(a, b) == `1`]", "length takes 1 arguments, and 2"),
        ("not_null()", "not_null takes 1 or more arguments, and 0"),
        ("data..a", "no JMESPath expression"),
        ("(" * 5000 + "a" + ")" * 5000, "nested too deep"),
    ],
)
def test_what_can_never_be_applied(text, fault):
    """It is a fault of the file, and not of each event."""
    with pytest.raises(ValueError, match=fault):
        Expression(text)


@pytest.mark.parametrize("value", [Decimal("12.70"), Decimal("1E3"), 4711, "e-1"])
def test_to_string_gives_what_a_member_would(value):
    """An id with quotes around it would be signed and sent."""
    document = {"data": {"id": value}}
    plain = Source(Expression("data.id")).member(document)
    assert Source(Expression("to_string(data.id)")).member(document) == plain
    joined = Expression("join('-', ['P', to_string(data.id)])").value(document)
    assert joined == f"P-{plain}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        ([1, "a", None], '[1,"a",null]'),
        ({"rate": Decimal("1.50"), "n": 1, "e": Decimal("1E3"), '"': "é"}, '{"rate":1.50,"n":1,"e":1000,"\\"":"\\u00e9"}'),
    ],
)  # fmt: skip
def test_to_string_of_other_values_is_json(value, text):
    """As JMESPath has it, decimals as numbers like whole ones."""
    assert Expression("to_string(data)").value({"data": value}) == text


@pytest.mark.parametrize(
    "value", [b"\x00canary", 1.5, Unusable("expected a moment"), Decimal("1e900")]
)
def test_what_has_no_text_is_a_fault(value):
    """At any depth, and without the value."""
    for data in (value, {"a": [value]}):
        with pytest.raises(Unconvertible, match=r"expected|out of range") as fault:
            Expression("to_string(data)").value({"data": data})
        assert "canary" not in str(fault.value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Decimal("12.70"), Decimal("12.70")),
        (12, 12),
        ("12", 12),
        ("12.5", 12.5),
        ("x", None),
        (True, None),
        (None, None),
        ([1], None),
        (Unusable("a local time"), None),
    ],
)
def test_to_number_cuts_nothing_off(value, number):
    """An amount of 12.70 is not 12; what is no number is none."""
    found = Expression("to_number(data)").value({"data": value})
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize("value", [1, Decimal("1.5")])
def test_every_number_is_of_one_type(value):
    """However it is written."""
    assert Expression("type(data)").value({"data": value}) == "number"
    assert Expression("type(data)").value({"data": "1.5"}) == "string"


def test_an_amount_that_went_through_to_number_is_whole(tmp_path):
    """From JSON to minor units."""
    amount = (
        "{currency: {constant: USD}, value: {from: to_number(data.sum), minor_units_of: \"'USD'\"}}"
    )
    event = EVENT.replace("data.order}", f"data.order, paymentAmount: {amount}}}")
    mapping = written(tmp_path, f"topics:\n  t:\n    event:{event}")
    made = mapping.read(record("t", b'{"id":"e","state":"DONE","at":"x","order":"o","sum":12.70}'))
    assert isinstance(made, MappedEvent)
    assert made.members["payment"]["paymentAmount"] == {"currency": "USD", "value": "1270"}
