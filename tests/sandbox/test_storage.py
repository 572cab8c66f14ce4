"""A new node's storage is what Kafka's tool writes, with ids of its own, whether the tool wrote it or it was kept."""

import pytest

from streams.sandbox.storage import keep, lay_out, new_id

WRITTEN = "#\n#Sun Nov 29 14:17:31 UTC 2026\ncluster.id=OLD\ndirectory.id=8zKz6hr7hhSli9Qs8Dk0XQ\nnode.id=1\nversion=1\n"


@pytest.fixture
def jars(tmp_path):
    """A directory of jars, and beside it what the tool wrote for the first node."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "meta.properties").write_text(WRITTEN)
    (tmp_path / "first" / "bootstrap.checkpoint").write_bytes(b"\0records")
    (tmp_path / "kafka-4").mkdir()
    return tmp_path / "kafka-4"


def test_without_a_kept_one_the_tool_is_needed(jars, tmp_path):
    """The first node of a version is formatted by the tool itself."""
    (tmp_path / "data").mkdir()
    assert not lay_out(jars, tmp_path / "data", "NEW", 2)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_kept_one_gets_ids_of_its_own(jars, tmp_path):
    """Two nodes with one directory id would be one to a controller; the rest is as the tool wrote it."""
    keep(jars, tmp_path / "first")
    seen = set()
    for number in (2, 3):
        data = tmp_path / f"data-{number}"
        data.mkdir()
        assert lay_out(jars, data, "NEW", number)
        lines = dict(
            line.split("=") for line in (data / "meta.properties").read_text().splitlines()[2:]
        )
        seen.add(lines.pop("directory.id"))
        assert lines == {"cluster.id": "NEW", "node.id": str(number), "version": "1"}
        assert (data / "bootstrap.checkpoint").read_bytes() == b"\0records"
    assert len(seen | {"8zKz6hr7hhSli9Qs8Dk0XQ"}) == 3


def test_a_second_one_changes_nothing(jars, tmp_path):
    """Processes that start together may both have run the tool."""
    keep(jars, tmp_path / "first")
    (tmp_path / "first" / "bootstrap.checkpoint").write_bytes(b"other")
    keep(jars, tmp_path / "first")
    (tmp_path / "data").mkdir()
    assert lay_out(jars, tmp_path / "data", "NEW", 1)
    assert (tmp_path / "data" / "bootstrap.checkpoint").read_bytes() == b"\0records"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "first", "kafka-4", "kafka-4-storage"]  # fmt: skip


def test_what_cannot_be_kept_is_formatted_each_time(tmp_path):
    """A cache in a directory that is not there, or can't be written, stops no broker."""
    keep(tmp_path / "missing" / "kafka-4", tmp_path)
    assert not lay_out(tmp_path / "missing" / "kafka-4", tmp_path / "data", "NEW", 1)


def test_ids_look_like_those_of_kafka():
    """22 characters; a leading dash would be taken for an option."""
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(one) for one in ids} == {22}
    assert not any(one.startswith("-") for one in ids)
