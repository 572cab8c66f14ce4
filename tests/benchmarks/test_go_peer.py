"""The peer in Go is built where that can be done, and left out with one line where not."""

import pytest

from benchmarks.go_peer import BUILT, PeerUnavailableError, go_peer, go_versions
from benchmarks.scenarios import startable
from benchmarks.systems import GO, System
from tests.benchmarks.conftest import needs_go


@pytest.fixture(autouse=True)
def asked_anew():
    """Nothing is remembered from other tests, or for them."""
    for question in (go_peer, go_versions):
        question.cache_clear()
    yield
    for question in (go_peer, go_versions):
        question.cache_clear()


def go_that(tmp_path, monkeypatch, does):
    """Put a `go` of our own on the PATH, alone."""
    program = tmp_path / "go"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_go_it_is_left_out_with_a_word(tmp_path, monkeypatch):
    """The other systems are measured all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    found = startable([System("notifier", 2), System(GO)], said.append)
    assert [str(system) for system in found] == ["notifier-2"]
    (line,) = said
    assert line.startswith("go-franz is left out: there is no `go` on the PATH")
    assert go_versions() == {}


def test_where_modules_can_not_be_fetched_it_is_left_out_with_a_word(tmp_path, monkeypatch):
    """In one line, with the last that Go said."""
    go_that(tmp_path, monkeypatch, "echo first >&2; echo 'dial tcp: no route' >&2; exit 1")
    with pytest.raises(PeerUnavailableError, match=r"failed: dial tcp: no route$"):
        go_peer()


def test_a_build_that_hangs_is_given_up(tmp_path, monkeypatch):
    """A proxy that never answers does not hold the benchmark up for ever."""
    go_that(tmp_path, monkeypatch, "exec /bin/sleep 60")
    monkeypatch.setattr("benchmarks.go_peer._BUILD_SECONDS", 0.2)
    with pytest.raises(PeerUnavailableError, match=r"did not end within 0\.2 s"):
        go_peer()


@needs_go
def test_tables_name_the_versions_it_was_built_with():
    """Of Go and of its client for Kafka, from the program itself."""
    assert BUILT.exists()
    assert set(go_versions()) == {"Go", "franz-go"}
    assert all(number[0].isdigit() for number in go_versions().values())
