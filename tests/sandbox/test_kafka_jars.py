"""The broker's jars: fetched once, checked, mended; from a repository on the loopback interface."""

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from streams.sandbox import kafka_jars
from streams.sandbox.kafka_jars import (
    KAFKA,
    VERSION,
    Jar,
    JarsError,
    cache_directory,
    jar_directory,
    listed,
    versions,
)
from tests.support.waiting import TIMEOUT_SECONDS

PATHS = [f"org/example/part{number}/1.0/part{number}-1.0.jar" for number in range(3)]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with three jars, named in jgo's own settings; counts what is asked for."""
    files = {f"/{path}": path.encode() * 100 for path in PATHS}
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # the library's name
            asked[self.path] += 1
            body = files.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    jars = tuple(
        Jar(hashlib.sha256(files[f"/{path}"]).hexdigest(), PurePosixPath(path)) for path in PATHS
    )
    monkeypatch.setattr(kafka_jars, "listed", lambda _: jars)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        settings = tmp_path / ".config" / "jgo.conf"
        settings.parent.mkdir()
        settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield files, asked
        server.shutdown()
        thread.join()


def test_fetches_what_is_listed_once(repository):
    """The directory holds the listed jars and nothing else; a second call asks for nothing."""
    files, asked = repository
    directory = jar_directory()
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == {
        Path(path).name: body for path, body in files.items()
    }
    before = asked.copy()
    assert jar_directory() == directory
    assert asked == before
    assert [path.name for path in cache_directory().iterdir() if path.is_dir()] == [directory.name]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("name", "value", "is_terminal"), [("FORCE_COLOR", "1", False), ("TERM", "dumb", True)]
)
def test_progress_is_told_in_lines_where_nothing_can_be_redrawn(
    monkeypatch, name, value, is_terminal
):
    """In a log also when colours are asked for, and on a terminal that is dumb."""
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
    monkeypatch.setattr(shown, "isatty", lambda: is_terminal)
    jar_directory()
    assert shown.getvalue().splitlines()[-1] == "fetched Apache Kafka"
    assert "\x1b[?" not in shown.getvalue()


def test_those_who_come_at_once_fetch_once(repository):
    """Callers at the same time get the same directory, and every jar is asked for once."""
    files, asked = repository
    with ThreadPoolExecutor(4) as pool:
        directories = set(pool.map(lambda _: jar_directory(), range(4)))
    assert len(directories) == 1
    assert {asked[path] for path in files} == {1}


def test_mends_a_damaged_jar(repository):
    """A jar that is cut off on disk is fetched again, the others are not."""
    _, asked = repository
    jar = jar_directory() / Path(PATHS[1]).name
    whole = jar.read_bytes()
    jar.write_bytes(whole[:10])
    jar_directory()
    assert jar.read_bytes() == whole
    assert [asked[f"/{path}"] for path in PATHS] == [1, 2, 1]


def test_refuses_other_bytes(repository):
    """A jar that is not the listed one never gets into the directory."""
    files, _ = repository
    files[f"/{PATHS[0]}"] = b"something else"
    with pytest.raises(
        JarsError, match=r"part0-1\.0\.jar is not the file that kafka-.*\.sha256 lists"
    ):
        jar_directory()
    assert not list(cache_directory().rglob("part0-1.0.jar"))


def test_says_what_could_not_be_fetched(repository):
    """A jar that the repository lacks is named, with what to look at."""
    files, asked = repository
    del files[f"/{PATHS[2]}"]
    with pytest.raises(JarsError, match=r"could not fetch org/example/part2/.*Check the network"):
        jar_directory()
    assert asked[f"/{PATHS[2]}"] == 3


@pytest.mark.usefixtures("repository")
def test_what_a_killed_process_left_is_removed():
    """Downloads that stopped half-way take no place once somebody fetches again."""
    directory = jar_directory()
    left = directory.with_name(f"{directory.name}-fetching-abc")
    (left / "org").mkdir(parents=True)
    (directory / Path(PATHS[0]).name).unlink()
    jar_directory()
    assert not left.exists()


def test_ctrl_c_waits_for_no_silent_server(tmp_path):
    """It ends a fetch while every request is still without an answer: none is made again, and nothing stays in the cache."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = tmp_path / ".config" / "jgo.conf"
        settings.parent.mkdir()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings.write_text(f"[repositories]\ncentral = {url}\n")
        cache = tmp_path / "cache"
        own = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache), "NO_PROXY": "127.0.0.1"}
        code = "from streams.sandbox.kafka_jars import jar_directory; jar_directory()"
        process = subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", code], env=os.environ | own, stderr=subprocess.PIPE, text=True
        )
        with process:
            try:
                calls.append(server.accept()[0])
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=TIMEOUT_SECONDS)
            finally:
                process.kill()
        server.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                calls.append(server.accept()[0])
    for call in calls:
        call.close()
    assert "KeyboardInterrupt" in said
    assert len(calls) <= 4
    assert not list(cache.rglob("*fetching-*"))


@pytest.mark.parametrize("broken", ["/dev/null/cache", "/proc/nope"])
def test_a_cache_that_can_t_be_written_is_told(monkeypatch, broken):
    """The directory and the variable that moves it stand in one sentence."""
    monkeypatch.setenv("XDG_CACHE_HOME", broken)
    with pytest.raises(JarsError, match=rf"could not keep .* in {broken}/.*: set XDG_CACHE_HOME"):
        jar_directory()


def test_a_user_without_a_home_is_told(monkeypatch):
    """An account that has none, as in some containers, is told which variable to set."""

    def homeless():
        message = "no home"
        raise RuntimeError(message)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(JarsError, match=r"\(no home\): set XDG_CACHE_HOME"):
        jar_directory()


@pytest.mark.parametrize("version", versions())
def test_the_committed_list_is_whole(version):
    """The list of each version names that Kafka, every jar once, each with a SHA-256."""
    jars = listed(version)
    _, artifact, _ = KAFKA.split(":")
    assert f"{artifact}-{version}.jar" in {jar.path.name for jar in jars}
    assert len({jar.path.name for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_a_version_without_a_list_is_refused():
    """The lists that there are stand in the message, the broker's usual version among them."""
    assert VERSION in versions()
    with pytest.raises(JarsError, match=rf"Kafka 0\.7: expected .*{VERSION}"):
        jar_directory("0.7")


def test_a_relative_cache_directory_is_ignored(monkeypatch, tmp_path):
    """As the XDG specification has it, a relative XDG_CACHE_HOME does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_directory() == tmp_path / ".cache" / "payment-notifier"
