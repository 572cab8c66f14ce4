"""`notifier console token`, and what the command says when it can't run."""

import re
import signal
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.interruptible import run_until_interrupted
from streams.operator.commands.console import _run
from streams.operator.console.tokens import AccessTokens


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The settings that must be, and a tokens file to be."""
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    return monkeypatch


@pytest.mark.parametrize(("options", "may_replay"), [([], False), (["--right", "replay"], True)])
def test_a_token_opens_the_console(tmp_path, options, may_replay):
    """What is printed on standard output is a tokens file for what is printed on standard error."""
    done = CliRunner().invoke(app, ["console", "token", "alice", *options])
    assert done.exit_code == 0
    path = tmp_path / "tokens.yaml"
    path.write_text(done.stdout)
    token = re.search(r"(notifier_\S+)", done.stderr)
    assert token is not None
    assert token[1] not in done.stdout
    person = AccessTokens(path).person_of(token[1])
    assert person is not None
    assert (person.name, person.may_replay) == ("alice", may_replay)


@pytest.mark.parametrize("name", ["", "a b", "a: {}", "a\nb", "x" * 65, "\u652f"])
def test_a_name_that_the_tokens_file_takes_not_is_wrong_use(name):
    """Its line would be a fault of the file that it is appended to."""
    done = CliRunner().invoke(app, ["console", "token", name])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "NAME: expected 1 to 64 of" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_what_ends_the_console_says_how(number, code):
    """Ctrl-C is 130, as of a worker; SIGTERM is 0."""

    class Running:
        settings = SimpleNamespace(console_bind="127.0.0.1")
        port = 1
        stopped = False

        async def start(self):
            signal.raise_signal(number)

        async def stop(self):
            self.stopped = True

    running: Any = Running()
    assert run_until_interrupted(_run(running)) == code
    assert running.stopped


def test_a_broken_tokens_file_stops_the_start(environment, tmp_path):
    """With the setting's name and what is expected."""
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: {alice: {}}")
    environment.setenv("NOTIFIER_CONSOLE_TOKENS_FILE", str(path))
    done = CliRunner().invoke(app, ["console"])
    assert done.exit_code == 1
    assert "NOTIFIER_CONSOLE_TOKENS_FILE" in done.stderr
    assert "notifier console token NAME" in done.stderr


def test_what_of_the_settings_should_be_better_is_said(environment, tmp_path):
    """As by a worker: the way into Kafka is in the clear."""
    (tmp_path / "password").touch(0o600)
    for name, value in (
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_USER", "me"),
        ("KAFKA_PASSWORD_FILE", str(tmp_path / "password")),
    ):
        environment.setenv(f"NOTIFIER_{name}", value)
    done = CliRunner().invoke(app, ["console"])
    assert done.exit_code == 1
    assert "NOTIFIER_KAFKA_SECURITY_PROTOCOL: seen SASL_PLAINTEXT" in done.output


def test_an_address_that_is_taken_stops_the_start(environment, tmp_path):
    """Another process listens there already."""
    path = tmp_path / "tokens.yaml"
    path.write_text(CliRunner().invoke(app, ["console", "token", "alice"]).stdout)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment.setenv("NOTIFIER_CONSOLE_TOKENS_FILE", str(path))
        environment.setenv("NOTIFIER_CONSOLE_PORT", str(taken.getsockname()[1]))
        done = CliRunner().invoke(app, ["console"])
    assert done.exit_code == 1
    assert "NOTIFIER_CONSOLE_PORT: can't listen on 127.0.0.1" in done.stderr


def test_tokens_may_be_appended(tmp_path):
    """The lines of a second `notifier console token NAME >> tokens.yaml` leave the first token as it is."""
    path, tokens = tmp_path / "tokens.yaml", {}
    for name in ("alice", "bob"):
        done = CliRunner().invoke(app, ["console", "token", name])
        tokens[name] = done.stderr.split("once: ")[1].split()[0]
        with path.open("a") as file:
            file.write(done.stdout)
    held = AccessTokens(path)
    assert held.fault is None
    for name, token in tokens.items():
        person = held.person_of(token)
        assert person is not None
        assert person.name == name
