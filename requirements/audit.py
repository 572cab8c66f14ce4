"""Compare the locks with a local copy of advisories, without a network: `python requirements/audit.py FOLDER`.

The folder holds advisories in OSV's form, one a file (YAML or JSON), as a checkout of the Python Packaging Advisory
Database (github.com/pypa/advisory-database) or an unpacked export of osv.dev for PyPI does. Exit code 1: a locked version
is affected; 2: there are no advisories to compare with.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[1]
ACCEPTED: Final = {
    "PYSEC-2022-42969": "py, of the tool interrogate: a slow regular expression over Subversion's output, never run here",
}
"""Advisories that don't concern us, each with the reason."""

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, Version]:
    """Return the packages that a lock pins, under their normal names."""
    return {canonicalize_name(name): Version(version) for name, version in _PIN.findall(lock)}


def advisories(folder: Path, packages: Mapping[str, Version]) -> Iterator[Mapping[str, Any]]:
    """Yield the advisories of a folder that may be about these packages."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".yaml", ".json"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        # Reading YAML is slow, and the database has thousands; a name stands in it as it is or not at all.
        if not any(name in canonicalize_name(text) for name in packages):
            continue
        advisory = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)  # noqa: S506  # a safe one
        if isinstance(advisory, dict) and not packages.keys().isdisjoint(_about(advisory)):
            yield advisory


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]  # one of two
    """Safe YAML, by the C library where it is there."""


def _about(advisory: Mapping[str, Any]) -> set[str]:
    return {
        canonicalize_name(affected["package"]["name"])
        for affected in advisory.get("affected", ())
        if affected["package"]["ecosystem"] == "PyPI"
    }


def affects(advisory: Mapping[str, Any], name: str, version: Version) -> bool:
    """Tell whether an advisory is about this version of a package."""
    if advisory.get("withdrawn"):
        return False
    return any(
        version in _readable(affected.get("versions", ()))
        or any(_holds(kind, version) for kind in affected.get("ranges", ()))
        for affected in advisory["affected"]
        if canonicalize_name(affected["package"]["name"]) == name
    )


def _readable(versions: Iterable[object]) -> Iterator[Version]:
    for version in versions:
        with suppress(ValueError):  # of before PEP 440
            yield Version(str(version))


def _holds(kind: Mapping[str, Any], version: Version) -> bool:
    """Tell whether a range holds a version: events stand in its order, as OSV's schema has it."""
    if kind["type"] != "ECOSYSTEM":
        return False
    inside = False
    for event in sorted(kind["events"], key=lambda event: Version(_bound(event))):
        ((what, bound),) = event.items()
        if what == "introduced" and version >= Version(str(bound)):
            inside = True
        elif (what == "fixed" and version >= Version(str(bound))) or (
            what == "last_affected" and version > Version(str(bound))
        ):
            inside = False
    return inside


def _bound(event: Mapping[str, Any]) -> str:
    ((_, bound),) = event.items()
    return str(bound)


def main(arguments: list[str]) -> int:
    """Compare; print what is affected."""
    folder = Path(arguments[0]) if len(arguments) == 1 else None
    if folder is None or not folder.is_dir():
        print(
            f"seen {arguments}, expected one folder with advisories in OSV's form, such as a checkout of"
            " github.com/pypa/advisory-database",
            file=sys.stderr,
        )
        return 2
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    held = {lock.name: pins(lock.read_text(encoding="utf-8")) for lock in locks}
    everything = {name: version for found in held.values() for name, version in found.items()}
    read = affected = 0
    newest = ""
    for advisory in advisories(folder, everything):
        read += 1
        newest = max(newest, _day(advisory.get("modified")))
        for name, version in everything.items():
            if affects(advisory, name, version):
                accepted = ACCEPTED.get(advisory["id"])
                affected += accepted is None
                where = ", ".join(lock for lock, found in held.items() if name in found)
                known_as = ", ".join([advisory["id"], *advisory.get("aliases", ())])
                print(
                    f"{name} {version} ({where}): {known_as}"
                    + (f"; accepted: {accepted}" if accepted else "")
                )
    if not read:
        print(
            f"{folder}: no advisory is about a locked package; is it the whole database?",
            file=sys.stderr,
        )
        return 2
    print(
        f"{len(everything)} packages, {read} advisories about them, the newest of {newest}: {affected} affected"
    )
    return 1 if affected else 0


def _day(moment: object) -> str:
    return moment.date().isoformat() if isinstance(moment, datetime) else str(moment)[:10]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
