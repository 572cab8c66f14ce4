"""What streams.kafka and streams.webhook replace in libraries, and how its source looked when that was last looked at.

`python -m tests.support.library_sources` writes it down anew, for whoever has looked.
"""

import ast
import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import streams
from streams.kafka import patches

LIBRARIES = {
    "aiokafka": "aiokafka",
    "faust": "faust-streaming",
    "mode": "mode-streaming",
    "aiohttp": "aiohttp",
    "httpx": "httpx",
}
"""Packages whose classes we patch or derive from, and the distributions that bring them."""

RECORDED = Path(__file__).with_name("library_sources.txt")

_MACHINERY = {"_abc_impl", "_is_protocol", "logger"}
"""What Python and mode put into every class of such a kind."""


def patch_modules():
    """Return every module of `streams.kafka.patches`."""
    names = [module.name for module in pkgutil.iter_modules(patches.__path__)]
    return [importlib.import_module(f"{patches.__name__}.{name}") for name in names]


def patched() -> list[str]:
    """Return what patches replace, of the process and of single objects."""
    return sorted({name for module in patch_modules() for name in module.REPLACES})


def overridden() -> dict[str, list[str]]:
    """Return by class of ours which members of a library's class it overrides, each as the library has it."""
    found: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        for ours in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(ours) and ours.__module__ == module.name:
                members = list(_overridden_by(ours))
                if members:
                    found[f"{ours.__module__}.{ours.__qualname__}"] = members
    return found


def _overridden_by(ours: type) -> Iterator[str]:
    theirs = [base for base in ours.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
    for name in vars(ours):
        if not name.startswith("__") and name not in _MACHINERY:
            for base in theirs:
                if name in vars(base):
                    yield f"{_home_of(base, vars(base)[name])}.{base.__qualname__}.{name}"
                    break


def _home_of(base: type, member: object) -> str:
    """Return the module that defines a class; some packages rename what they export."""
    renamed = "." not in base.__module__
    return str(getattr(member, "__module__", base.__module__)) if renamed else base.__module__


@cache
def _tree(module: str) -> tuple[str, ast.Module] | None:
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None  # compiled: only its version tells
    text = Path(spec.origin).read_text(encoding="utf-8")
    return text, ast.parse(text)


def source_of(name: str) -> str | None:
    """Return the source of what a dotted name stands for, from the library's file; None where that is compiled."""
    module = name
    while module and not _is_module(module):
        module = module.rpartition(".")[0]
    parsed = _tree(module)
    if parsed is None:
        return None
    text, tree = parsed
    node: ast.AST = tree
    for part in name.removeprefix(module).lstrip(".").split("."):
        inner = _defined(node, part)
        if isinstance(inner, ast.ImportFrom):
            return source_of(f"{inner.module}.{part}")
        if inner is None:
            break  # made in some other way: all around it counts
        node = inner
    return ast.get_source_segment(text, node) if not isinstance(node, ast.Module) else text


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _defined(node: ast.AST, name: str) -> ast.AST | None:
    for inner in ast.iter_child_nodes(node):
        match inner:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if inner.name == name:
                return inner
            case ast.Assign() if any(
                isinstance(to, ast.Name) and to.id == name for to in inner.targets
            ):
                return inner
            case ast.AnnAssign(target=ast.Name(id=target)) if target == name:
                return inner
            case ast.ImportFrom() if any(alias.name == name for alias in inner.names):
                return inner
    return None


def lines() -> list[str]:
    """Return the libraries' versions, and a hash of the source of everything that we replace."""
    names = {*patched(), *(name for members in overridden().values() for name in members)}
    found = [f"{package} {version(package)}" for package in LIBRARIES.values()]
    for name in sorted(names):
        source = source_of(name)
        digest = "compiled" if source is None else hashlib.sha256(source.encode()).hexdigest()[:16]
        found.append(f"{name} {digest}")
    return found


if __name__ == "__main__":
    RECORDED.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    sys.exit(0)
