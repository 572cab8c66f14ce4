"""What can be told of a JMESPath expression without a document: which names it reads, and whether its functions exist."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Signatures = Mapping[str, Sequence[Mapping[str, Any]]]
"""Of functions, by name: an entry for each argument."""

_OF_EACH: Final = frozenset({"projection", "value_projection", "filter_projection"})
"""Whose parts but the first are applied to each element of what that gives."""
_ONE_OF: Final = frozenset({"and_expression", "or_expression"})
_IN_TURN: Final = frozenset({"subexpression", "index_expression", "pipe"})


class Names:
    """What an expression reads of its document.

    Args:
        tree: the expression, as the parser gives it.
        signatures: the functions that there are.

    Attributes:
        roots: the document's members that it reads by name.
        reads_whole: whether it reads the document as one object: `@`, or `*`.

    Raises:
        ValueError: it calls a function that does not exist, or with another number of arguments; a slice of it has the step 0.
    """

    def __init__(self, tree: Mapping[str, Any], signatures: Signatures) -> None:
        self._signatures = signatures
        self._roots: set[str] = set()
        self.reads_whole = False
        self._walk(tree, at_root=True)
        self.roots = frozenset(self._roots)

    def _walk(self, node: Mapping[str, Any], *, at_root: bool) -> bool:
        """Go through an expression that is applied to the document, or to something in it; tell whether it may give the document."""
        kind, children = node["type"], node["children"]
        if kind in {"current", "identity"}:
            self.reads_whole |= at_root
            return at_root
        if kind == "field":
            if at_root:
                self._roots.add(node["value"])
            return False
        if kind in _IN_TURN:
            for child in children:
                at_root = self._walk(child, at_root=at_root)
            return at_root
        if kind == "function_expression":
            self._check_call(node["value"], len(children))
        if kind == "slice":  # has numbers for children
            if children[-1] == 0:
                message = "a slice with the step 0; expected another one, or none"
                raise ValueError(message)
            return False
        given = [
            self._walk(child, at_root=at_root and not _of_each(kind, position))
            for position, child in enumerate(children)
        ]
        return kind in _ONE_OF and any(given)

    def _check_call(self, name: str, given: int) -> None:
        signature = self._signatures.get(name)
        if signature is None:
            message = f"there is no function {name}; expected one of {', '.join(sorted(self._signatures))}"
            raise ValueError(message)
        variadic = bool(signature) and bool(signature[-1].get("variadic"))
        if given < len(signature) or (given > len(signature) and not variadic):
            more = " or more" if variadic else ""
            message = f"{name} takes {len(signature)}{more} arguments, and {given} stand there"
            raise ValueError(message)


def _of_each(kind: str, position: int) -> bool:
    return kind == "expref" or (kind in _OF_EACH and position > 0)
