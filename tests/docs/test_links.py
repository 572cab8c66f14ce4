"""Every link within the documentation leads somewhere."""

import re
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def broken(page, pages, root):
    """Return the relative links of a page that lead nowhere."""
    found = []
    for link in LINK.finditer(page.prose):
        target, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = page.path if not target else Path(page.path.parent, target)
        file = (root / path).resolve()
        inside = file.is_relative_to(root) and file.exists()
        if not inside or (anchor and anchor not in pages[file.relative_to(root)].anchors):
            found.append(link["target"])
    return found


def test_links_and_anchors_resolve(page, pages, root):
    """Each relative link names a file of the repository, and each anchor a heading of it."""
    assert broken(page, pages, root) == []


def test_a_broken_link_is_found(make_page, pages, root):
    """A link to no file, to no heading and out of the repository are each reported; good ones are not."""
    text = (
        "# Some Title\n[a](no.md) [b](README.md#no-such-heading) [c](../elsewhere.md)"
        " [d](#some-title) [e](https://example.com/x.md) [f](README.md#run-it) [g](LICENSE)"
    )
    page = make_page(Path("CHANGELOG.md"), text)
    found = broken(page, pages | {page.path: page}, root)
    assert found == ["no.md", "README.md#no-such-heading", "../elsewhere.md"]


def test_every_page_can_be_reached(pages, root):
    """Links lead from README.md to every page."""
    reached, todo = set(), [Path("README.md")]
    while todo:
        path = todo.pop()
        if path in reached or path not in pages:
            continue
        reached.add(path)
        for link in LINK.finditer(pages[path].prose):
            target = link["target"].partition("#")[0]
            if target and ":" not in target:
                todo.append((root / path.parent / target).resolve().relative_to(root))
    assert set(pages) - reached == set()
