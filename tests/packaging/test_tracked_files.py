"""What no tracked file may hold: an address or a path that only one machine knows."""

import re
from pathlib import Path

import pytest

FORBIDDEN = {
    "the host of a package index": re.compile(
        rb"pypi[.]org|pythonhosted[.]org|npmjs[.]org|crates[.]io|proxy[.]golang[.]org"
        rb"|repo1?[.]maven[.]|deb[.]debian[.]org",
    ),
    "an option that names a package index": re.compile(
        rb"\b(extra-)?index[-]url\b|\bfind[-]links\b"
    ),
    "a path of a package index": re.compile(rb'[a-z0-9]/(simple/?(["\s]|$)|maven2/)'),
    "a path of one machine": re.compile(rb"(?<![\w.])/(work|farm|root|tmp|home/\w+|Users/\w+)/"),
}


def faults_in(text: bytes) -> list[str]:
    """Return what is forbidden in a text, with its line."""
    return [
        f"line {line}: {what}"
        for line, content in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(content)
    ]


def test_no_tracked_file_names_an_index_or_a_machine(root: Path, tracked: list[str]):
    """A clone is free of package index hosts and of the paths of the machine that wrote it."""
    faults = {name: faults_in((root / name).read_bytes()) for name in tracked}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://pypi.{}org/project/rich",
        "pip install --extra-index{}-url x",
        'index = "mirror/simple{}"',
        "see mirror/maven2{}/org",
        "cd /{}work/main",
        'path="/{}tmp/x"',
        "/home/{}someone/.m2",
    ],
)
def test_what_is_forbidden_is_found(text: str):
    """Each pattern recognises an example of what it forbids."""
    assert len(faults_in(text.format("").encode())) == 1
