"""Where a member of our event comes from: a JMESPath expression over the record, a constant, and what is done to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from streams.mapping.conversions import (
    Unconvertible,
    as_member,
    check_form,
    key_of,
    minor_units,
    moment,
)
from streams.mapping.syntax import Names

Document = Mapping[str, Any]
"""What expressions see: `data`, `key`, `headers`, `attributes` of a CloudEvent, and what is unpacked."""


class _Functions(Functions):
    """JMESPath's functions, for exact decimals too, which its own know nothing of: `to_number` would cut decimals off."""

    @signature({"types": []})
    def _func_to_string(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        return value if isinstance(value, str) else _json(value)

    @signature({"types": []})
    def _func_type(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        if isinstance(value, Decimal):
            return "number"
        return super()._func_type(value)  # type: ignore[misc]  # the stubs name no function

    @signature({"types": []})
    def _func_to_number(self, value: object) -> Any:  # noqa: ANN401  # as JSON has it
        if isinstance(value, Decimal):
            return value
        if not isinstance(value, str | int | float):
            return None
        return super()._func_to_number(value)  # type: ignore[misc]  # the stubs name no function

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: object) -> bool:  # noqa: ANN401  # a list or text
        found = super()._func_contains(subject, search)  # type: ignore[misc]  # as above
        if not found:
            for element in subject:
                check_form(element)
        return bool(found)

    def _subtype_check(self, current: Any, *more: Any) -> None:  # noqa: ANN401  # a list, and what may stand in it
        for element in current:
            check_form(element)
        super()._subtype_check(current, *more)  # type: ignore[misc]  # as above


class _Interpreter(TreeInterpreter):
    """JMESPath's own, but a part of an expression that gives what has no form is a fault, whatever is made of it then."""

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # whatever stands there
        found = super().visit(node, *args, **kwargs)
        check_form(found)
        return found


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


_SIGNATURES: Final = {name: spec["signature"] for name, spec in _Functions.FUNCTION_TABLE.items()}
_INTERPRETER: Final = _Interpreter(jmespath.Options(custom_functions=_Functions()))


class Expression:
    """A JMESPath expression.

    Args:
        text: as the file has it.

    Attributes:
        roots: the document's members that it reads by name.

    Raises:
        ValueError: it is none, or calls a function that does not exist or takes other arguments.
    """

    __slots__ = ("_compiled", "_reads_whole", "roots", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._compiled: ParsedResult = jmespath.compile(text)
            names = Names(self._compiled.parsed, _SIGNATURES)
        except JMESPathError as error:
            message = f"no JMESPath expression: {str(error).splitlines()[0]}"
            raise ValueError(message) from None
        except RecursionError:
            message = "no JMESPath expression: it is nested too deep"
            raise ValueError(message) from None
        self.roots = names.roots
        self._reads_whole = names.reads_whole

    def value(self, document: Document) -> Any:  # noqa: ANN401  # whatever stands there
        """Return what stands there; None where nothing does.

        Raises:
            Unconvertible: a function of it does not take what stands there, or a part of it gives what has no form.
        """
        try:
            # Only an expression that asks for all of it has all of it made: some may be unreadable.
            seen = dict(document) if self._reads_whole else document
            return _INTERPRETER.visit(self._compiled.parsed, seen)
        except JMESPathError as error:  # its message quotes the value
            message = (
                f"its expression can't be applied to what stands there ({type(error).__name__})"
            )
            raise Unconvertible(message) from None
        except Unconvertible:
            raise
        except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
            message = f"its expression fails with {type(error).__name__}"
            raise Unconvertible(message) from None


@dataclass(frozen=True, slots=True)
class Constant:
    """A member that is always the same."""

    text: str

    def member(self, _: Document) -> Any:  # noqa: ANN401  # as JSON has it
        """Return the text."""
        return self.text


@dataclass(frozen=True, slots=True)
class Source:
    """A member that comes from the record.

    Attributes:
        expression: where it stands.
        table: what its values mean, or None where it is taken as it is.
        keeps_others: whether a value that the table does not list is taken as it is; else it is a fault.
        time_unit: what it counts since 1970, or None where it is no such count.
        currency: of an amount with decimals that becomes minor units, or None where it is no such amount.
    """

    expression: Expression
    table: Mapping[str, str] | None = None
    keeps_others: bool = False
    time_unit: str | None = None
    currency: Expression | None = None

    def member(self, document: Document) -> Any:  # noqa: ANN401  # as JSON has it
        """Return the member; None where there is nothing.

        Raises:
            Unconvertible: what stands there can't become it.
        """
        value = self.expression.value(document)
        if value is None or value == "":
            return None
        if self.table is not None:
            key = key_of(value)
            found = self.table.get(key) if key is not None else None
            if found is not None:
                return found
            if not self.keeps_others:
                message = "a value that its table does not list (add it there, or a rule that passes such events over)"
                raise Unconvertible(message)
        if self.time_unit is not None:
            return moment(value, self.time_unit)
        if self.currency is not None:
            return minor_units(value, self.currency.value(document))
        return as_member(value)


@dataclass(frozen=True, slots=True)
class Members:
    """An object whose members each come from somewhere."""

    of: Mapping[str, "Constant | Source | Members"] = field(default_factory=dict)

    def read(self, document: Document, path: str, faults: dict[str, str]) -> dict[str, Any]:
        """Return the object without the members of which there is nothing; what can't be made is added to the faults."""
        made: dict[str, Any] = {}
        for name, origin in self.of.items():
            if isinstance(origin, Members):
                inner = origin.read(document, f"{path}{name}.", faults)
                if inner:
                    made[name] = inner
                continue
            try:
                value = origin.member(document)
            except Unconvertible as error:
                faults[path + name] = str(error)
                continue
            if value is not None:
                made[name] = value
        return made


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that holds where a value is one of a list; it lists what it means, so that a slip in it holds for nothing.

    Attributes:
        expression: where the value stands.
        values: all that it may be.
    """

    expression: Expression
    values: frozenset[str]

    def holds(self, document: Document) -> bool:
        """Tell whether it holds.

        Raises:
            Unconvertible: its expression can't be applied.
        """
        key = key_of(self.expression.value(document))
        return key is not None and key in self.values
