"""The cache that the rehearsal's Kafka starts from: made once, used, and never in the way."""

import pytest

from streams.sandbox import java_cache
from streams.sandbox.broker import Broker
from streams.sandbox.java import LOG_FILE, cache_file, java
from streams.sandbox.java_cache import make_cache
from streams.sandbox.kafka_jars import cache_directory, jar_directory
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.kafka


@pytest.fixture
def jars(tmp_path, monkeypatch):
    """The jars in a cache directory that holds nothing else, on a path with a blank."""
    real = jar_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    cache_directory().mkdir(parents=True)
    (cache_directory() / real.name).symlink_to(real, target_is_directory=True)
    return jar_directory()


def _classes(jars, home):
    """Return how many classes came from the cache, how many from jars, and the warnings of Java."""
    home.mkdir()
    (home / "tmp").mkdir()
    (home / "lib").symlink_to(jars, target_is_directory=True)
    command = ["kafka.tools.StorageTool", "random-uuid"]
    flags = ["-Xlog:class+load"]
    with java(home, command, heap="256m", flags=flags, log_levels={}) as run:
        assert run.wait(TIMEOUT_SECONDS) == 0
    lines = (home / LOG_FILE).read_text().splitlines()
    return (
        sum("source: shared objects file" in line for line in lines),
        sum("source: file:" in line for line in lines),
        [line for line in lines if "[warning]" in line or "[error" in line],
    )


def _kept():
    """Return what stands in the cache directory, but for locks and the storage of new nodes."""
    return {
        path
        for path in cache_directory().iterdir()
        if not path.name.endswith((".lock", "-storage"))
    }


def test_a_cache_is_made_once_and_classes_come_from_it(jars, tmp_path):
    """Without a cache every class of Kafka comes from its jars; with one nearly all come from it, and Java says nothing."""
    before = _classes(jars, tmp_path / "before")
    assert (before[0], before[2]) == (0, [])
    assert before[1] > 0
    assert make_cache()
    made = cache_file(jars)
    assert _kept() == {jars, made}
    after = _classes(jars, tmp_path / "after")
    assert after[1] < before[1] / 10
    assert after[2] == []
    stamp = made.stat().st_mtime_ns
    assert not make_cache()
    assert made.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("content", [b"", b"no cache" * 10_000])
def test_a_damaged_cache_is_not_used(jars, tmp_path, content):
    """A file that is empty or no cache changes nothing: Kafka starts, and Java says nothing."""
    cache_file(jars).write_bytes(content)
    cached, from_jars, warnings = _classes(jars, tmp_path / "home")
    assert (cached, warnings) == (0, [])
    assert from_jars > 0


def test_a_cache_that_cannot_be_made_is_said(jars, monkeypatch):
    """Where Java writes nothing, the error ends with the broker's last lines, and no directory stays."""
    monkeypatch.setattr(java_cache._Recorded, "launch", Broker.launch)
    with pytest.raises(OSError, match="Java wrote no cache"):
        make_cache()
    assert _kept() == {jars}
