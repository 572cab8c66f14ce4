"""The page of the packages that the image holds: who asks for each, when it was released, and what we use of it.

`python docs/dependencies.py` asks the package index, through uv, when the locked versions were released, and writes
`requirements/packages.csv`; `make lock` calls it. The page is made from that file without a network.
"""

import csv
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements" / "image.txt"
TABLE: Final = ROOT / "requirements" / "packages.csv"
COLUMNS: Final = ("package", "version", "released", "use")
_PIN: Final = re.compile(r"([a-z0-9.-]+)==([^ ;]+)(?: ; .*?)? \\")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the image.

    Attributes:
        name: as the lock has it.
        version: that is locked.
        asked_by: packages, or this project, that need it.
    """

    name: str
    version: str
    asked_by: tuple[str, ...]


def locked() -> list[Package]:
    """Return what the image's lock holds."""
    found: list[Package] = []
    name = version = ""
    askers: list[str] = []
    for line in [*LOCK.read_text(encoding="utf-8").splitlines(), "end==0 \\"]:
        if pin := _PIN.fullmatch(line):
            if name:
                found.append(Package(name, version, tuple(askers)))
            name, version, askers = pin[1], pin[2], []
        elif (
            asker := re.fullmatch(r"    # (?:via)? +([\w.()-]+)(?: \(.*\))?", line)
        ) and not line.endswith("via"):
            askers.append(asker[1])
    return found


def rows() -> dict[str, dict[str, str]]:
    """Return what is written down of each package, by name."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["package"]: row for row in csv.DictReader(file)}


def dependencies_page() -> str:
    """Return the page."""
    known = rows()
    lines = [
        "# Dependencies",
        "",
        (
            "Every package that the image holds, from its lock `requirements/image.txt`: all versions are pinned and all"
            " files hashed."
        ),
        "A worker without the extras holds those of `requirements/runtime.txt`.",
        "Why each of those that we ask for ourselves was chosen stands in [decision 0005](decisions/0005-packages.md).",
        "",
        "| Package | Version | Released | Asked for by | What is used of it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for package in locked():
        row = known.get(package.name, dict.fromkeys(COLUMNS, "?"))
        asked_by = ", ".join(f"`{name}`" for name in package.asked_by)
        lines.append(
            f"| `{package.name}` | {package.version} | {row['released']} | {asked_by} | {row['use']} |"
        )
    return "\n".join([*lines, "", *_MORE, ""])


_MORE: Final = (
    "`make lock` writes the versions and their dates; a package without a line for its use fails `make check`.",
    "",
    "## Known weaknesses",
    "",
    (
        "`make audit ADVISORIES=folder` compares the locks with advisories in OSV's form, such as a checkout of"
        " `github.com/pypa/advisory-database`; no network is used."
    ),
    "`.ci/run` does so where `ADVISORIES` names a folder.",
    "What is accepted, and why, stands in `requirements/audit.py`.",
    "",
    "## The image's base",
    "",
    (
        "The base is Docker's official `python` image, named by digest in the `Dockerfile`; it is Debian with CPython"
        " built from python.org's sources, whose signatures the image's own Dockerfile checks."
    ),
    (
        "Its digest was read from public Dockerfiles, since no image registry could be asked; compare it with the"
        " registry's before the first build (`docker buildx imagetools inspect`)."
    ),
)


def release_dates(names: Iterable[str]) -> dict[str, str]:
    """Ask the package index when the locked versions were released, as `YYYY-MM-DD`."""
    pins = {package.name: package.version for package in locked()}
    asked = ", ".join(f'"{name}=={pins[name]}"' for name in names)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyproject.toml"
        project.write_text(
            f'[project]\nname = "dates"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{asked}]\n',
            encoding="utf-8",
        )
        subprocess.run(  # noqa: S603  # our own environment's uv
            [sys.executable, "-m", "uv", "lock", "--quiet", "--directory", folder], check=True
        )
        lock = tomllib.loads((Path(folder) / "uv.lock").read_text(encoding="utf-8"))
    return {
        package["name"]: min(
            str(file["upload-time"])[:10]
            for file in [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        )
        for package in lock["package"]
        if package["name"] in pins
    }


def main() -> int:
    """Write the table anew; return 1 where a package has no line for its use yet."""
    known, dates = rows() if TABLE.exists() else {}, release_dates(p.name for p in locked())
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for package in locked():
            use = known.get(package.name, {}).get("use", "")
            writer.writerow(
                {
                    "package": package.name,
                    "version": package.version,
                    "released": dates[package.name],
                    "use": use,
                }
            )
    missing = [package.name for package in locked() if not known.get(package.name, {}).get("use")]
    for name in missing:
        print(f"requirements/packages.csv: {name} has no use, expected what we use of it")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
