"""`notifier conformance`: what ends it before a call, and a name server that says nothing."""

import json
import threading

import pytest
from typer.testing import CliRunner

from streams import cli
from streams.operator.commands import conformance
from streams.webhook.conformance import SITUATIONS
from tests.support.command_settings import set_one_partner
from tests.support.waiting import TIMEOUT_SECONDS


@pytest.fixture(autouse=True)
def partners_file(tmp_path, monkeypatch):
    """One partner, as the only setting."""
    set_one_partner(tmp_path, monkeypatch, "acme", "attempt_timeout_seconds: 1")


def play(url, *options):
    return CliRunner().invoke(cli.app, ["conformance", url, "--partner", "acme", *options])


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (2049, "fault: the receiver may not be called: the URL: 2049 characters; a notify URL has at most 2048"),
        (2040, "fault: the receiver may not be called with what the situation query adds to it: the URL: 20"),
    ],
)  # fmt: skip
def test_a_url_that_is_too_long_in_one_situation_is_said_before_the_first_call(length, said):
    """The report of the others is not lost in the middle."""
    host = "https://acme.example/"
    result = play(host + "n" * (length - len(host)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(said)


def test_a_name_server_that_hangs_holds_up_no_end(monkeypatch):
    """The report blames the name, and comes although the look-up goes on."""
    ended, looked_up = threading.Event(), []

    def lookup(host):
        ended.wait(TIMEOUT_SECONDS)
        looked_up.append(host)
        return []

    monkeypatch.setattr(conformance, "system_lookup", lookup)
    result = play("https://hangs.example/n", "--json")
    hung = not looked_up
    ended.set()
    said = json.loads(result.stdout)
    assert (hung, result.exit_code, said["passed"]) == (True, 1, False)
    answers = [each["answer"] for each in said["situations"]]
    assert answers == ["the host name was not found in time"] * len(SITUATIONS)
