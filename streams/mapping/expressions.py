"""Where a member of our event comes from: a JMESPath expression over the record, a constant, and what is done to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jmespath.exceptions import JMESPathError

from schemas.strict_json import MalformedJson
from streams.mapping.conversions import Unconvertible, as_member, key_of, minor_units, moment
from streams.mapping.exact_jmespath import INTERPRETER, SIGNATURES, tree_of
from streams.mapping.syntax import Names

Document = Mapping[str, Any]
"""What expressions see: `data`, `key`, `headers`, `attributes` of a CloudEvent, and what is unpacked."""


class Expression:
    """A JMESPath expression.

    Args:
        text: as the file has it.

    Attributes:
        roots: the document's members that it reads by name.

    Raises:
        ValueError: it is none, or calls a function that does not exist or takes other arguments.
    """

    __slots__ = ("_reads_whole", "_tree", "roots", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = tree_of(text)
            names = Names(self._tree, SIGNATURES)
        except JMESPathError as error:
            message = f"no JMESPath expression: {str(error).splitlines()[0]}"
            raise ValueError(message) from None
        except MalformedJson as error:
            message = f"no JMESPath expression: a literal in it: {error}"
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
            return INTERPRETER.visit(self._tree, seen)
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
        is_kept = self.keeps_others and isinstance(value, dict | list)
        if self.table is not None and not is_kept:
            found = self.table.get(key_of(value) or "")
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
            Unconvertible: its expression can't be applied, or gives what nobody could list: nothing that is not ours is told
                because of it, and nothing that is ours is left untold.
        """
        key = key_of(self.expression.value(document))
        return key is not None and key in self.values
