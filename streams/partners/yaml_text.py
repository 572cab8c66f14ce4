"""YAML as the partners file is written: every plain value as it stands there, and no key twice.

YAML 1.1 reads `010` as 8, `1:30` as 90, `NO` as false and `2027-01-01` as a date, and YAML 1.2 reads each otherwise. So
nothing is read here but text; each key of an entry says what it takes (`streams.partners.values`).
"""

from collections.abc import Hashable
from typing import Any, Final, Self

import yaml

_TAGS: Final = "tag:yaml.org,2002:"
_PLAIN: Final = ("null", "bool", "int", "float", "timestamp", "value", "str")
_TABLES: Final = (None, "!", f"{_TAGS}map", f"{_TAGS}seq", f"{_TAGS}str")
_STANDARD: Final = frozenset(
    _TAGS + kind for kind in (*_PLAIN, "binary", "map", "omap", "pairs", "seq", "set")
)
_QUOTING: Final = ("found undefined alias", "found undefined tag handle", "found duplicate anchor")
_SENTENCES: Final = {
    "found character '\\t' that cannot start any token": "a tab; expected spaces",
    "but found another document": "a second document; expected one alone",
    "mapping values are not allowed here": "a second colon in one line, or a wrong indentation; expected the value in quotes, or the key under its entry",
    "could not find expected ':'": "a key without a colon behind it; expected key: value",
    "found unexpected end of stream": "a quote that is not closed; expected it before the end of the file",
    "found unhashable key": "a key that is a list or a mapping; expected text",
}
"""What PyYAML says of common slips, and what we say."""
_OTHER_PROBLEM: Final = (
    "the text can't be taken apart here; look for a quote or a bracket that is not closed, a colon without a blank behind"
    " it, or an indentation that differs from the lines around it (docs/partners-file.md has whole examples)"
)


class InvalidYaml(ValueError):  # noqa: N818  # named after what it says about the text
    """The text is no YAML, or names a key twice. `faults` has a sentence each, with the line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class TypedText(str):
    """A value as it was written.

    Attributes:
        line: where, from 1.
        kind: what YAML 1.1 takes it for: `str` for all that is quoted, `int` for `010`, `null` for nothing at all.
        plain: whether it stands there without quotes.
    """

    __slots__ = ("kind", "line", "plain")
    line: int
    kind: str
    plain: bool

    def __new__(cls, text: str, *, line: int, kind: str, plain: bool) -> Self:
        """Return the text with where it stands and what YAML takes it for."""
        written = super().__new__(cls, text)
        written.line, written.kind, written.plain = line, kind, plain
        return written


class WrittenMapping(dict[Hashable, Any]):
    """A mapping, and the line on which it begins."""

    line: int


class WrittenList(list[Any]):
    """A list, and the line on which it begins."""

    line: int


class _Loader(yaml.SafeLoader):
    """Makes text of every scalar, and notes keys that are given twice, of which YAML would silently keep the last.

    An alias within what it stands for is refused: whoever reads that would never come to its end.
    """

    twins: list[tuple[int, str]]
    open_anchors: tuple[str, ...] = ()
    """Of what is being read."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's
        tag = getattr(event, "tag", None)
        is_alias = isinstance(event, yaml.AliasEvent)
        if tag not in _TABLES and not is_alias:
            # `!!int 010` asks for just the reading that is not done here
            # any other tag may be a password that begins with an exclamation mark
            shown = f"the tag '!!{tag.removeprefix(_TAGS)}'" if tag in _STANDARD else "a tag"
            problem = f"{shown}; expected the value without it, or in quotes"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        anchor = getattr(event, "anchor", None)
        if is_alias and anchor in self.open_anchors:
            problem = (
                "an alias that stands within what it stands for; expected a whole value of its own"
            )
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        before = self.open_anchors
        self.open_anchors = before if anchor is None else (*before, anchor)
        node = super().compose_node(parent, index)
        self.open_anchors = before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401  # PyYAML's
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.twins.append((line, f"the key {key.value[:64]!r} is given twice"))
                seen.add(key.value)
        return node


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _written(_: _Loader, node: yaml.ScalarNode) -> TypedText:
    kind = node.tag.removeprefix(_TAGS)
    return TypedText(node.value, line=_line(node), kind=kind, plain=node.style is None)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Any:  # noqa: ANN401  # PyYAML's two steps, for aliases
    mapping = WrittenMapping()
    mapping.line = _line(node)
    yield mapping
    mapping.update(loader.construct_mapping(node))


def _list(loader: _Loader, node: yaml.SequenceNode) -> Any:  # noqa: ANN401  # as above
    items = WrittenList()
    items.line = _line(node)
    yield items
    items.extend(loader.construct_sequence(node))


for _kind in _PLAIN:
    _Loader.add_constructor(_TAGS + _kind, _written)
_Loader.add_constructor(f"{_TAGS}map", _mapping)
_Loader.add_constructor(f"{_TAGS}seq", _list)


def read_yaml(text: bytes) -> Any:  # noqa: ANN401  # whatever YAML holds; the caller narrows it
    """Read one YAML document: mappings, lists, and `Written` for all else. None when it is empty.

    Merge keys (`<<`) and aliases are followed.

    Raises:
        InvalidYaml: with every fault.
    """
    faults: list[tuple[int, str]] = []
    value = None
    try:
        loader = _Loader(text)
        loader.twins = faults
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as exc:
        line = 0 if exc.problem_mark is None else exc.problem_mark.line + 1
        problem = str(exc.problem)
        faults.append((line, f"no YAML: {_sentence(problem)}"))
    except yaml.reader.ReaderError as exc:
        faults.append(_unreadable(text, exc))
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        reason = getattr(exc, "reason", None) or "a value can't be read"
        faults.append((0, f"no YAML: {reason}"))
    if faults:
        raise InvalidYaml(
            [f"line {line}: {fault}" if line else fault for line, fault in sorted(faults)]
        )
    return value


def _sentence(problem: str) -> str:
    """Return a problem of PyYAML's in our words."""
    if problem.startswith(_QUOTING):
        return "a value that begins with * or ! and is no alias and no tag; expected it in quotes"
    return problem if "; expected" in problem else _SENTENCES.get(problem, _OTHER_PROBLEM)


def _unreadable(text: bytes, error: yaml.reader.ReaderError) -> tuple[int, str]:
    """Say where the text is none."""
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        line = text.count(b"\n", 0, exc.start) + 1
        return line, f"no YAML: seen the byte 0x{text[exc.start]:02x}, expected UTF-8"
    return 0, f"no YAML: {error.reason}"
