"""The pages, taken apart: prose, code and headings."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[a-z]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Page:
    """One Markdown file, its path relative to the top folder."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return FENCE.sub("", self.text)

    def blocks(self, kind: str) -> list[str]:
        """Return the fenced blocks of a kind, their indentation taken off."""
        return [
            re.sub(rf"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
            for block in FENCE.finditer(self.text)
            if block["kind"] == kind
        ]

    @property
    def code(self) -> list[str]:
        """Everything set as code: each line of a block, each span of a line."""
        lines = [line for block in FENCE.finditer(self.text) for line in block["text"].splitlines()]
        return lines + re.findall(r"`([^`\n]+)`", self.prose)

    @property
    def anchors(self) -> set[str]:
        """The anchors that a code host makes of the headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, flags=re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def _read(path: Path) -> Page:
    return Page(path.relative_to(ROOT), path.read_text(encoding="utf-8"))


PAGES = [_read(path) for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")))]


@pytest.fixture(params=PAGES, ids=lambda page: page.path.as_posix())
def page(request: pytest.FixtureRequest) -> Page:
    """Each page of the documentation, one after the other."""
    chosen: Page = request.param
    return chosen


@pytest.fixture
def pages() -> dict[Path, Page]:
    """All pages by their path from the top folder."""
    return {page.path: page for page in PAGES}


@pytest.fixture
def make_page() -> type[Page]:
    """What makes a page of a path and a text."""
    return Page


@pytest.fixture
def root() -> Path:
    """The top folder of the repository."""
    return ROOT
