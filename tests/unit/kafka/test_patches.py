"""What we replace in libraries: each patch says why, the page lists all, and a new version of a library is looked at."""

import difflib
import re
from pathlib import Path

import mode.services  # noqa: F401  # here: a library that it needs starts a process when it is imported
import pytest

from streams.kafka.patches import require_patches, sasl_sessions
from tests.support.library_sources import RECORDED, lines, overridden, patch_modules, patched

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "library-patches.md"
OVERRIDDEN = (
    overridden()
)  # here, since an import of Faust starts a process, which a unit test must not


@pytest.mark.parametrize("module", patch_modules(), ids=lambda module: module.__name__)
def test_a_patch_says_what_it_is_for(module):
    """Its docstring names the upstream issue, the reason and when it goes; it changes nothing before it is applied."""
    paragraphs = [paragraph.split(" ")[0] for paragraph in module.__doc__.split("\n\n")]
    assert "Upstream:" in paragraphs
    assert "Why:" in paragraphs
    assert re.search(r"^Remove when: \S", module.__doc__, re.MULTILINE)
    assert module.REPLACES


def test_the_page_lists_every_overridden_member():
    """With a reason, by class; and none that is not overridden any more."""
    listed = {
        (ours, member)
        for ours, members, reason in re.findall(
            r"^\| `(\S+)` \| (.+?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE
        )
        for member in re.findall(r"`([^`]+)`", members)
        if reason.strip() and ours.startswith("streams.")
    }
    ours = {
        (name, member.rpartition(".")[2])
        for name, members in OVERRIDDEN.items()
        for member in members
    }
    assert listed == ours


def test_what_is_replaced_was_looked_at_in_this_version():
    """A library's version, or the source of what we patch or override, is another one than when somebody looked last."""
    recorded, found = RECORDED.read_text().splitlines(), lines()
    changed = [line for line in difflib.ndiff(recorded, found) if line[0] in "+-"]
    assert not changed, (
        "\n".join(changed)
        + "\n\nRead in the library's changelog and source what changed there, see whether each patch and override named"
        " above still does what it is for (docs/library-patches.md), run `make test test-faults`, then write the new state"
        " down: .venv/bin/python -m tests.support.library_sources"
    )


def test_every_patch_is_watched():
    """What a patch replaces exists in the library, by that name."""
    watched = {line.split(" ")[0] for line in RECORDED.read_text().splitlines()}
    assert set(patched()) <= watched


def test_a_program_that_forgot_to_patch_is_told(monkeypatch):
    """Before its first client is made, and how to mend it."""
    monkeypatch.setattr(sasl_sessions, "is_applied", lambda: False)
    with pytest.raises(RuntimeError, match="is not patched, expected a call"):
        require_patches()
