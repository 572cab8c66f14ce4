"""What JMESPath's functions make of values that JSON does not have: nothing is quoted, cut off or made up."""

from decimal import Decimal

import pytest

from streams.mapping.conversions import Unconvertible, Unusable
from streams.mapping.expressions import Expression, Rule, Source
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
        ("data.a b", "no JMESPath expression: Unexpected token"),
        ("data.a[0:2:0]", "a slice with the step 0"),
        ("data.a == `NaN`", "a literal in it: NaN and infinity are no JSON numbers"),
        ("data.a == `1e400000000000000000000`", "a literal in it: a number out of range"),
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
        ("12.50", Decimal("12.50")),
        ("-1e2", Decimal("-1E+2")),
        ("9007199254740993.00", Decimal("9007199254740993.00")),
        (0.5, 0.5),
        ("x", None),
        ("1_000", None),
        (" 12", None),
        ("+5", None),
        ("007", None),
        ("\u0661\u0662", None),
        ("", None),
        ("NaN", None),
        (True, None),
        (None, None),
        ([1], None),
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


@pytest.mark.parametrize("value", [Unusable("no form"), b"canary"])
@pytest.mark.parametrize(
    "text",
    [
        "data.a",
        "data.a == 'x'",
        "data.a != 'x'",
        "'x' != data.a",
        "data.a == data.a",
        "data.a < `1`",
        "data.a == 'x' && 'A' || 'B'",
        "data.a && 'x'",
        "data.a || 'x'",
        "!(data.a)",
        "data.a.b",
        "data.a[0]",
        "data.a[]",
        "data.a.*",
        "[data.a, 'x']",
        "{x: data.a}",
        "data | a",
        "@.data.a",
        "data.l[0]",
        "data.l[*]",
        "data.l[]",
        "data.o.*",
        "data.l[?@ != 'x']",
        "data.l[?@]",
        "data.rows[?a != 'x'].b",
        "contains(['x'], data.a)",
        "contains(data.a, 'x')",
        "contains(data.l, 'x')",
        "ends_with(data.a, 'x')",
        "join('-', data.l)",
        "keys(data.a)",
        "length(data.a)",
        "map(&a, data.rows)",
        "max(data.l)",
        "max_by(data.rows, &a)",
        "merge(data.o, data.a)",
        "min(data.l)",
        "not_null(data.a, 'x')",
        "not_null(data.none, data.a)",
        "reverse(data.l)[0]",
        "sort(data.l)",
        "sort_by(data.rows, &a)",
        "starts_with(data.a, 'x')",
        "sum(data.l)",
        "to_array(data.a)",
        "to_number(data.a)",
        "to_string(data.a)",
        "to_string(data.l)",
        "type(data.a)",
        "values(data.o)[0]",
    ],
)
def test_what_has_no_form_is_nothing_that_a_rule_may_go_by(text, value):
    """Nobody knows whether it is what the rule means: the expression fails, and says what stands there."""
    data = {"a": value, "l": [value, value], "o": {"b": value}, "rows": [{"a": value, "b": "x"}]}
    with pytest.raises(Unconvertible, match=r"^(no form|a value of type bytes; .*)$"):
        Expression(text).value({"data": data})


@pytest.mark.parametrize("text", ["data", "data.l", "data.o", "reverse(data.l)", "values(data.o)"])
def test_what_has_no_form_within_what_an_expression_gives(text):
    """Whoever asks what it is hears of it: a rule, a table, a member."""
    document = {"data": {"l": [[Unusable("no form")]], "o": {"b": {"c": Unusable("no form")}}}}
    for ask in (
        Source(Expression(text), {"x": "y"}, keeps_others=True).member,
        Source(Expression(text)).member,
    ):
        with pytest.raises(Unconvertible, match=r"^no form$"):
            ask(document)


@pytest.mark.parametrize("value", [["x"], [], {"a": "x"}])
def test_a_list_or_an_object_decides_nothing(value):
    """No rule or table can list it: a rule over it would be silent for ever. A table that keeps others keeps it."""
    document = {"data": value}
    for ask in (
        Rule(Expression("data"), frozenset({"x"})).holds,
        Source(Expression("data"), {"x": "y"}).member,
    ):
        with pytest.raises(Unconvertible, match=r"^an? (list|object), which no rule"):
            ask(document)
    assert Source(Expression("data"), {"x": "y"}, keeps_others=True).member(document) == value


def test_a_rule_over_a_binary_number_is_a_fault():
    """`0` is not how 0.0 was written: nobody knows how it was."""
    rule = Rule(Expression("data.code"), frozenset({"0", "0.0"}))
    with pytest.raises(Unconvertible, match="binary floating-point"):
        rule.holds({"data": {"code": 0.0}})


NUMBERS = {
    "amount": Decimal("99.95"),
    "rate": Decimal("0.1"),
    "large": Decimal("9007199254740993.00"),
    "double": 0.1,
    "all": [Decimal("0.1"), 2, Decimal("1.20")],
    "long": [Decimal("1E20"), Decimal("1E-20")],
    "rows": [{"n": Decimal("0.5")}, {"n": 1}, {"n": Decimal("0.25")}],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.amount >= `99.95`", True),
        ("data.amount > `99.95`", False),
        ("data.rate == `0.1`", True),
        ("data.rate == `1e-1`", True),
        ("data.rate != `0.1`", False),
        ("data.all[?@ == `0.1`] | [0] == `0.10`", True),
        ("contains([data.rate], `0.1`)", True),
        ("contains([data.rate], `0.2`)", False),
        ("`[0.1]` == [data.rate]", True),
        ("data.double == `0.1`", True),
        ("`0.1` >= data.double", True),
        ("contains([data.double], `0.1`)", True),
        ("[data.double] == `[0.1]`", True),
        ('{a: data.double} != `{"a": 0.1}`', False),
        ('{a: data.double} == `{"b": 0.1}`', False),
        ("contains([[data.double]], `[0.1]`)", True),
        ("[`1`] == [`true`]", False),
        ("sum([data.double, `0.5`])", 0.6),
        ("avg([data.double, `0.5`])", 0.3),
        ("`12.50`", Decimal("12.50")),
        ("`12345678901234567890.123456789`", Decimal("12345678901234567890.123456789")),
        ('`"\\`"`', "`"),
        ("abs(`-12345678901234567890123456789012345.5`)", Decimal("12345678901234567890123456789012345.5")),
        ("floor(data.large)", 9007199254740993),
        ("floor(to_number('9007199254740993.00'))", 9007199254740993),
        ("ceil(data.amount)", 100),
        ("sum(data.all)", Decimal("3.30")),
        ("sum(data.long)", Decimal("100000000000000000000.00000000000000000001")),
        ("avg(data.all)", Decimal("1.10")),
        ("avg([`1`, `2`])", Decimal("1.5")),
        ("avg(`[]`)", None),
        ("avg([`1`, `1`, `2`]) < `1.34`", True),
        ("max(data.all)", 2),
        ("min(data.all)", Decimal("0.1")),
        ("sort(data.all)", [Decimal("0.1"), Decimal("1.20"), 2]),
        ("sort_by(data.rows, &n)[0].n", Decimal("0.25")),
        ("max_by(data.rows, &n).n", 1),
    ],
)  # fmt: skip
def test_numbers_of_an_expression_are_exact(text, value):
    """Those that stand in it as those of the event, and what functions make of them."""
    found = Expression(text).value({"data": NUMBERS})
    assert (found, str(found), type(found)) == (value, str(value), type(value))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("floor(`1e99999999`)", "^a number out of range$"),
        ("ceil(data)", "can't be applied"),
        ("sum([`1e500`, `1e-500`])", "fails with Inexact"),
        ("sum([data, `0.5`])", "can't be applied"),
    ],
)
def test_what_has_no_exact_number_is_a_fault(text, fault):
    """It is not rounded, and takes no time."""
    with pytest.raises(Unconvertible, match=fault):
        Expression(text).value({"data": "1"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.b", "x"),
        ("data.b || data.a", "x"),
        ("data.none && data.a", None),
        ("data != `null`", True),
        ("data.l == `[]`", False),
        ("contains(keys(data), 'a')", True),
        ("length(data.l)", 1),
    ],
)
def test_what_has_no_form_does_no_harm_where_nobody_uses_it(text, value):
    """What an expression gives does not depend on it."""
    document = {"data": {"a": Unusable("no form"), "b": "x", "l": [Unusable("no form")]}}
    assert Expression(text).value(document) == value


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
