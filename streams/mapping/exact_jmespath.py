"""JMESPath with exact numbers, where a part that has no form is a fault: what its library does otherwise.

The library reads the numbers of an expression as floats, which equal hardly any decimal, and its functions know nothing
of decimals.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import reduce
from typing import Any, Final

import jmespath
from jmespath.exceptions import ParseError
from jmespath.functions import Functions, signature
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from schemas.strict_json import MAX_DIGITS, loads
from streams.mapping.conversions import Unconvertible, as_member, check_form

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# What has no exact result is a fault, and is not rounded.
_EXACT: Final = Context(prec=2 * MAX_DIGITS, traps=[Inexact, InvalidOperation, Overflow])

# The stubs of the library name neither its functions nor what its parser and lexer are made of.
# mypy: disable-error-code="misc"


class _Lexer(Lexer):
    """The library's own, with the numbers of a literal read as those of an event."""

    def _consume_until(self, delimiter: str) -> Any:  # noqa: ANN401  # text
        self._consumed = super()._consume_until(delimiter)
        return self._consumed

    def _consume_literal(self) -> Any:  # noqa: ANN401  # a token
        token = super()._consume_literal()
        if not isinstance(token["value"], str):
            written = self._consumed.replace("\\`", "`")
            token["value"] = loads(written.encode(), exact=True)
        return token


class _Parser(Parser):
    """The library's own, with our lexer: it has no way to name one."""

    def tree(self, text: str) -> Mapping[str, Any]:
        self._tokens: list[Any] = list(_Lexer().tokenize(text))
        self._index = 0
        tree: Mapping[str, Any] = self._expression(binding_power=0)  # type: ignore[attr-defined]  # as above
        rest = self._tokens[self._index]
        if rest["type"] != "eof":
            raise ParseError(
                rest["start"], rest["value"], rest["type"], f"Unexpected token: {rest['value']}"
            )
        return tree


def tree_of(text: str) -> Mapping[str, Any]:
    """Return an expression as the library's parser gives it, with the numbers of its literals exactly as they are written.

    Raises:
        JMESPathError: it is none.
        MalformedJson: a literal of it is no JSON that can be relied on.
        RecursionError: it is nested too deep.
    """
    return _Parser().tree(text)


def _alike(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a comparison in which a decimal beside a binary number is the nearest one, as a reader of JSON has it.

    Exactly, the number that is nearest to 0.1 would not equal 0.1.
    """

    def compared(one: object, other: object) -> Any:  # noqa: ANN401  # as the library has it
        if isinstance(one, float) and isinstance(other, Decimal):
            other = float(other)
        elif isinstance(one, Decimal) and isinstance(other, float):
            one = float(one)
        return compare(one, other)

    return compared


_equal_scalars: Final = _alike(TreeInterpreter.COMPARATOR_FUNC["eq"])


def _equal(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return bool(_equal_scalars(one, other))


class _Functions(Functions):
    """JMESPath's functions, for exact decimals too."""

    def _get_allowed_pytypes(self, types: Any) -> Any:  # noqa: ANN401  # as the library has it
        allowed, of_elements = super()._get_allowed_pytypes(types)
        return _with_decimals(allowed), [_with_decimals(names) for names in of_elements]

    def _convert_to_jmespath_type(self, name: str) -> Any:  # noqa: ANN401  # as above
        return "number" if name == "Decimal" else super()._convert_to_jmespath_type(name)

    @signature({"types": ["number"]})
    def _func_abs(self, value: Any) -> Any:  # noqa: ANN401  # a number
        # Python's own rounds decimals.
        return value.copy_abs() if isinstance(value, Decimal) else abs(value)

    @signature({"types": ["number"]})
    def _func_ceil(self, value: Any) -> Any:  # noqa: ANN401  # a number
        return math.ceil(_in_range(value))

    @signature({"types": ["number"]})
    def _func_floor(self, value: Any) -> Any:  # noqa: ANN401  # a number
        return math.floor(_in_range(value))

    @signature({"types": ["array-number"]})
    def _func_sum(self, numbers: list[Any]) -> Any:  # noqa: ANN401  # a number
        if any(isinstance(number, float) for number in numbers):
            return sum(map(float, numbers))
        if any(isinstance(number, Decimal) for number in numbers):
            return reduce(_EXACT.add, numbers, Decimal(0))
        return sum(numbers)

    @signature({"types": ["array-number"]})
    def _func_avg(self, numbers: list[Any]) -> Any:  # noqa: ANN401  # a number
        if not numbers:
            return None
        total = self._func_sum(numbers)
        if not isinstance(total, float):
            try:
                return _EXACT.divide(total, len(numbers))
            except Inexact:  # a third: it can be compared, and is no member
                pass
        return float(total) / len(numbers)

    @signature({"types": []})
    def _func_to_string(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        return value if isinstance(value, str) else _json(value)

    @signature({"types": []})
    def _func_type(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        return "number" if isinstance(value, Decimal) else super()._func_type(value)

    @signature({"types": []})
    def _func_to_number(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        if isinstance(value, str):
            # Python's own take blanks, underscores and the digits of every script.
            return loads(value.encode(), exact=True) if _NUMBER.fullmatch(value) else None
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return value if is_number else None

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: object) -> bool:  # noqa: ANN401  # a list or text
        if super()._func_contains(subject, search):
            return True
        for element in subject:
            check_form(element)
        return isinstance(subject, list) and any(_equal(element, search) for element in subject)

    def _subtype_check(self, current: Any, *more: Any) -> None:  # noqa: ANN401  # a list, and what may stand in it
        for element in current:
            check_form(element)
        super()._subtype_check(current, *more)


class _Interpreter(TreeInterpreter):
    """JMESPath's own, but a part of an expression that gives what has no form is a fault, whatever is made of it then."""

    COMPARATOR_FUNC: Final = {
        name: _alike(compare) for name, compare in TreeInterpreter.COMPARATOR_FUNC.items()
    } | {"eq": _equal, "ne": lambda one, other: not _equal(one, other)}

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # whatever stands there
        found = super().visit(node, *args, **kwargs)
        check_form(found)
        return found


def _with_decimals(names: Any) -> Any:  # noqa: ANN401  # a list or a tuple
    return (*names, "Decimal") if "float" in names else names


def _in_range(value: object) -> Any:  # noqa: ANN401  # a number
    """Return a number that becomes a whole one; `1e99999999` would have as many digits."""
    if isinstance(value, Decimal) and value.adjusted() > MAX_DIGITS:
        message = "a number out of range"
        raise Unconvertible(message)
    return value


def _json(value: object) -> str:
    """Return compact JSON in which numbers stand as a member would have them."""
    if value is None or isinstance(value, bool | str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, Mapping):
        return (
            f"{{{','.join(f'{json.dumps(name)}:{_json(inner)}' for name, inner in value.items())}}}"
        )
    return str(as_member(value))


SIGNATURES: Final = {name: spec["signature"] for name, spec in _Functions.FUNCTION_TABLE.items()}
"""Of the functions that there are."""
INTERPRETER: Final = _Interpreter(jmespath.Options(custom_functions=_Functions()))
