"""What `notifier dead-letters replay` says where something can't be read, or the brokers go away in the middle."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.kafka.format.facts import read_fact
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.reader import Span
from streams.operator.commands import replay
from streams.operator.dead_letters.plan import Options, plan
from streams.partners import PartnersFileError
from tests.unit.dead_letters.records import dead_letter_of
from tests.unit.kit import NOW_MS

DAMAGED = Span("pn-attempts", 2, 41, 44)


@pytest.fixture
def put_back(tmp_path, monkeypatch):
    """Run the command over three dead letters, and note what was put back."""
    partners = tmp_path / "partners.yaml"
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(partners))
    monkeypatch.setattr(replay, "partners_of", lambda _: {})
    letters = [read_fact("dead-letter", dead_letter_of(number)) for number in range(3)]
    planned = plan(letters, [], Options(), NOW_MS, known_since_ms=0)

    def call(*arguments, left_out=(), fails=None):
        async def planning(*_):
            return replace(planned, left_out=tuple(left_out))

        @asynccontextmanager
        async def clients(*_):
            yield None

        async def running(_planned, _clients, _audit, result, _on_progress):
            result.replayed = 1 if fails else result.of
            if fails:
                raise ReadFailed(fails)

        monkeypatch.setattr(replay, "_plan", planning)
        monkeypatch.setattr(replay, "open_replay_clients", clients)
        monkeypatch.setattr(replay, "run", running)
        given = ("dead-letters", "replay", "--partner", "partner-1", *arguments)
        return CliRunner().invoke(app, given)

    return call


DO = ("--execute", "--why", "acme is back", "--who", "alice", "--yes")


def test_what_was_done_since_must_be_readable(put_back):
    """Else nothing is sent unless that is asked for, and no JSON says that all was read."""
    refused = put_back(*DO, left_out=[DAMAGED])
    assert refused.exit_code == 1
    assert "fault: pn-attempts:2:41 can't be read" in refused.stderr
    assert "--unread does it all the same" in refused.stderr
    as_json = json.loads(put_back(*DO, "--json", left_out=[DAMAGED, DAMAGED]).stdout)
    assert "pn-attempts:2:41 and 1 more can't be read" in as_json["faults"][0]
    dry = put_back(left_out=[DAMAGED])
    assert dry.exit_code == 0
    assert "may say that one was put back or delivered since." in dry.stderr
    assert json.loads(put_back("--json", left_out=[DAMAGED]).stdout)["complete"] is False
    done = json.loads(put_back(*DO, "--unread", "--json", left_out=[DAMAGED]).stdout)
    assert (done["put_back"], done["complete"]) == (3, False)
    whole = json.loads(put_back(*DO, "--json").stdout)
    assert (whole["put_back"], whole["complete"]) == (3, True)


def test_a_dead_letter_that_cannot_be_read_holds_up_no_other(put_back):
    """It is put back by nobody; that it is missing is said."""
    letter = Span("pn-dead-letter", 0, 7, 8)
    done = json.loads(put_back(*DO, "--json", left_out=[letter]).stdout)
    assert (done["put_back"], done["complete"]) == (3, False)


def test_a_run_that_ends_early_says_how_far_it_came(put_back):
    """Its id, how many were put back and of how many, for whoever goes on with it; a program is told so too."""
    ended = put_back(*DO, "--run", "r-7", fails="the brokers are away")
    assert ended.exit_code == 1
    assert "Put back 1 of 3. To go on, the same again with --run r-7" in ended.stderr
    assert "fault: the brokers are away" in ended.stderr
    as_json = put_back(*DO, "--run", "r-7", "--json", fails="the brokers are away")
    assert json.loads(as_json.stdout) == {
        "ok": False,
        "faults": ["the brokers are away"],
        "run": "r-7",
        "of": 3,
        "put_back": 1,
    }


def test_a_replay_where_the_partners_keys_are_not(put_back, monkeypatch):
    """As in the console's pod: every fault is said, and how to do without; it is done only where that is asked for."""

    def no_keys(_):
        raise PartnersFileError(["partners.acme.private_key_file: seen 'ours.pem'"], {})

    monkeypatch.setattr(replay, "partners_of", no_keys)
    for arguments in ((), ("--refused", "--rebuild")):
        refused = put_back(*DO, *arguments)
        assert refused.exit_code == 1
        assert "fault: partners.acme.private_key_file: seen 'ours.pem'" in refused.stderr
        assert "--refused, without --rebuild, does without it" in refused.stderr
    done = json.loads(put_back(*DO, "--refused", "--json").stdout)
    assert done["put_back"] == 3
