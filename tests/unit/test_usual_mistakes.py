"""The usual mistakes of a new user: the first line of each message names the cause and the remedy, without a traceback."""

import json
import socket

import pytest
from typer.testing import CliRunner

from streams import cli
from streams.clock import Clock
from streams.notification.profiles import PROFILES
from streams.partners import load_partners
from streams.partners.judgement import own_key_faults, shared_key_warnings
from streams.sandbox.keys import write_partners_file
from tests.support.command_settings import copy_key, without_settings
from tests.support.events import EVENTS

ENTRY = """
  acme:
    profiles: [mpp-to-ant, mpp-to-alipay-plus]
    client_id: SANDBOX_1
    private_key_file: key.pem
    peer_public_key_files: {1: theirs.pem}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder with good keys, a good partners file and settings, but no broker."""
    without_settings(monkeypatch)
    for name, source in (
        ("key", "sender_private_pkcs8"),
        ("ours", "sender_public_spki"),
        ("theirs", "receiver_public_spki"),
    ):
        copy_key(source, tmp_path / f"{name}.pem")
    (tmp_path / "partners.yaml").write_text(f"partners:{ENTRY}")
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    monkeypatch.setenv("NOTIFIER_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("NOTIFIER_WEB_PORT", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told():
    """Run a command that must fail, and return what it says, its warnings aside."""

    def run(*arguments):
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code in {1, 2}, result.output
        assert "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit), result.exception
        return [line for line in result.stderr.splitlines() if not line.startswith("warning")]

    return run


def edited(home, old, new):
    file = home / "partners.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_the_partners_file_is_not_named(told, monkeypatch):
    """The setting and what it holds."""
    monkeypatch.delenv("NOTIFIER_PARTNERS_FILE")
    assert (
        told("check")[0]
        == "fault: NOTIFIER_PARTNERS_FILE: not set, expected the partners file, YAML"
    )


@pytest.mark.parametrize("folder", ["/", ".", ".."])
def test_the_partners_file_is_a_folder(told, monkeypatch, folder):
    """A fault, whichever it is, and whether the other settings are good or not."""
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", folder)
    expected = "expected a file that can be read (Is a directory)"
    assert told("check")[0].startswith("fault: NOTIFIER_PARTNERS_FILE: seen ")
    assert expected in told("check")[0]
    monkeypatch.setenv("NOTIFIER_MAX_IN_FLIGHT", "none")
    assert expected in told("check")[1]


def test_a_setting_is_misspelt(told, monkeypatch):
    """The right one is named."""
    monkeypatch.setenv("NOTIFIER_BROKRES", "x")
    assert (
        told("check")[0]
        == "fault: NOTIFIER_BROKRES: there is no such setting; did you mean NOTIFIER_BROKERS?"
    )


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("client_id", "client_ids", "partners.acme.client_ids: there is no such key; did you mean client_id? (line 4)"),
        ("client_id", "colour", "partners.acme.colour: there is no such key; docs/partners-file.md lists those that there are (line 4)"),
        ("    client_id", "\tclient_id", "line 4: no YAML: a tab; expected spaces"),
        ("SANDBOX_1", "a: b", "line 4: no YAML: a second colon in one line"),
        ("SANDBOX_1", '"a', "no YAML: a quote that is not closed"),
        ("SANDBOX_1", "a b", "expected 1 to 128 visible ASCII characters without blanks"),
        ("theirs.pem", "gone.pem", "gone.pem"),
        ("mpp-to-ant", "mpp-to-aunt", "expected one of mpp-to-"),
    ],
)  # fmt: skip
def test_the_partners_file_has_a_slip(told, home, old, new, first):
    """Line, cause and remedy, in no parser's words."""
    edited(home, old, new)
    faults = [line for line in told("check") if "NOTIFIER_BROKERS" not in line]
    assert first in faults[0]
    assert (
        ("expected" in faults[0]) or ("did you mean" in faults[0]) or ("lists those" in faults[0])
    )


def test_our_own_public_key_is_given_as_theirs(told, home):
    """Whose it is, and whom to ask."""
    edited(home, "theirs.pem", "ours.pem")
    first = told("check")[0]
    assert "partners.acme.peer_public_key_files.1: seen our own public key" in first
    assert "expected the partner's: ask it" in first


def test_two_entries_have_one_key(home):
    """A warning, since both may be one company; not where the client id is the same."""
    file = home / "partners.yaml"
    file.write_text(
        f"partners:{ENTRY}{ENTRY.replace('acme', 'other').replace('SANDBOX_1', 'OTHER_1')}"
    )
    said = CliRunner().invoke(cli.app, ["check"]).stderr
    assert (
        "warning: partners acme, other: seen one signing key for all of them, expected a key for each client id"
        in said
    )
    assert "seen one peer_public_key_files for all of them" in said
    file.write_text(f"partners:{ENTRY}{ENTRY.replace('acme', 'other')}")
    assert "for all of them" not in CliRunner().invoke(cli.app, ["check"]).stderr


def test_a_port_is_in_use(told, monkeypatch):
    """The worker names the setting and ends; check warns."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104  # as the worker binds it
        taken.listen()
        monkeypatch.setenv("NOTIFIER_WEB_PORT", str(taken.getsockname()[1]))
        expected = f"NOTIFIER_WEB_PORT: seen {taken.getsockname()[1]}, where another program listens already"
        assert told("worker")[0].startswith(f"fault: {expected}")
        assert f"warning: {expected}" in CliRunner().invoke(cli.app, ["check"]).stderr


def test_kafka_is_not_there(told):
    """The setting that names the brokers."""
    first = told("check")[0]
    assert "NOTIFIER_BROKERS" in first
    assert "expected" in first


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (("send-test", "acne"), "fault: the partners file has no entry acne; did you mean acme?"),
        (("tail", "--partner", "acne"), "fault: --partner: seen acne, and the partners file has no such entry; did you mean acme?"),
        (("send-test", "acme"), "fault: partners.acme has no notify_url, expected --url with the address that its events name"),
        (("send-test", "acme", "--url", "https://x.example/"), "fault: --profile: seen none, expected one that the partner lists: mpp-to-alipay-plus, mpp-to-ant"),
        (("verify", "partners.yaml"), "fault: partners.yaml: seen 'partners:' first, expected a request (POST /path HTTP/1.1"),
        (("check-event", "gone.json"), "fault: gone.json: seen No such file or directory, expected a file that can be read"),
    ],
)  # fmt: skip
def test_a_command_is_told_the_wrong_thing(told, arguments, first):
    """A mistyped partner, no URL, several profiles, a file that is something else or is not there."""
    assert told(*arguments)[0].startswith(first)


SM2 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEqB971KBrAgmoZ1HZ3WbvqwxcwAGD
LNWqqfcXitmWd9UM24i2tAEBCvL+CZCwp5OSlgDaI2X5WUTroUJFEw00rQ==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("text", [SM2, "", "no key"])
def test_another_key_than_one_of_rsa_is_given_to_verify(told, home, text):
    """Also one of a kind that the library does not know at all, as China's SM2."""
    (home / "other.pem").write_text(text)
    (home / "answer.txt").write_text("HTTP/1.1 200 OK\n\n{}")
    assert told("verify", "answer.txt", "--key", "other.pem", "--path", "/n") == [
        "fault: other.pem: seen no RSA public key, expected one in PEM (-----BEGIN PUBLIC KEY-----)"
    ]


def test_an_event_names_a_mistyped_partner(told, home):
    """The nearest entry is named."""
    (home / "event.json").write_text(json.dumps(EVENTS["mpp-to-ant"] | {"partnerId": "acm"}))
    assert told("check-event", "event.json") == [
        "fault: partnerId: the partners file has no entry acm; did you mean acme?"
    ]


def test_an_answer_has_no_response_time(home):
    """The first line of `verify` names the header."""
    (home / "answer.txt").write_text(
        'HTTP/1.1 200 OK\nSignature: algorithm=RSA256,keyVersion=1,signature=AAAA\n\n{"result":{"resultStatus":"S"}}'
    )
    result = CliRunner().invoke(
        cli.app, ["verify", "answer.txt", "--partner", "acme", "--path", "/n"]
    )
    assert result.stdout.startswith(
        "answer: broken: missing-response-time: there is no Response-Time header; expected the time"
    )


def test_the_sandbox_entries_have_no_faults(keys, home):
    """What the rehearsal writes is judged good, whatever it shares among its partners."""
    file = write_partners_file(home, dict.fromkeys(PROFILES, "https://127.0.0.1/"), keys)
    partners = load_partners(file, Clock().now_seconds())
    assert [*own_key_faults(partners), *shared_key_warnings(partners)] == []
