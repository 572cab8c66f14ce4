"""YAML as the partners file is written: safe types, and no key twice."""

from collections.abc import Hashable
from typing import Any

import yaml


class InvalidYaml(ValueError):  # noqa: N818  # named after what it says about the text
    """The text is no YAML, or names a key twice. `faults` has a sentence each, with the line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class _Loader(yaml.SafeLoader):
    """Notes keys that are given twice, of which YAML would silently keep the last."""

    twins: list[tuple[int, str]]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  # PyYAML's
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # the base class says so, with its line
            if key in seen:
                line = key_node.start_mark.line + 1
                self.twins.append((line, f"the key {str(key)[:64]!r} is given twice"))
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: bytes) -> Any:  # noqa: ANN401  # whatever YAML holds; the caller narrows it
    """Read one YAML document.

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
        faults.append((line, f"no YAML: {exc.problem}"))
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        reason = getattr(exc, "reason", None) or "a value can't be read"
        faults.append((0, f"no YAML: {reason}"))
    if faults:
        raise InvalidYaml(
            [f"line {line}: {what}" if line else what for line, what in sorted(faults)]
        )
    return value
