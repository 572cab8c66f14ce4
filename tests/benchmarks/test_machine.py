"""On what something was measured."""

import json
import subprocess

import pytest

from benchmarks import quiet
from benchmarks.machine import commit, of_several_commits


def git(directory, *arguments):
    """Run git in a folder."""
    subprocess.run(  # noqa: S603  # constants
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],  # noqa: S607
        cwd=directory,
        check=True,
        capture_output=True,
    )


@pytest.fixture(autouse=True)
def no_other_repository(monkeypatch):
    """Git sets these where it runs the tests as a hook."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_figures_name_their_commit_and_whether_it_was_changed(tmp_path):
    """Two changes are told apart, and the docs, which `make bench` writes itself, are no change."""
    for folder in ("streams", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "1")
    clean = commit(tmp_path)
    assert len(clean) >= 10
    (tmp_path / "docs/file").write_text("2")
    assert commit(tmp_path) == clean
    changed = []
    for text in "23":
        (tmp_path / "streams/file").write_text(text)
        changed.append(commit(tmp_path))
    assert [name.startswith(f"{clean}-dirty-") for name in changed] == [True, True]
    assert changed[0] != changed[1]


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    """In an archive of the sources, and where there is no git; figures can be measured all the same."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path) == "unknown"


def test_commits_are_named_where_there_are_several():
    """The oldest first; figures that were kept before commits were noted are of an unknown one."""
    old, new = {"date": "2026-11-29"}, {"date": "2026-11-30", "commit": "abc"}
    assert of_several_commits([new, new]) == ""
    assert of_several_commits([new, old]).endswith(
        "2026-11-29, commit unknown; 2026-11-30, commit abc."
    )


def test_a_start_that_fails_leaves_no_figures_of_an_earlier_one(tmp_path, monkeypatch):
    """Else those would be published."""
    (tmp_path / "start.json").write_text(json.dumps({}))
    monkeypatch.setattr(quiet, "DIRECTORY", tmp_path)

    def fails():
        message = "the worker was not ready"
        raise RuntimeError(message)

    monkeypatch.setattr(quiet, "_quiet", fails)
    with pytest.raises(RuntimeError, match="not ready"):
        quiet.measure_quiet(quiet.START, 1, 1.0, [], print)
    assert not list(tmp_path.iterdir())
