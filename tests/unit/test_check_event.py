"""`notifier check-event`: every fault of one event at once, or the exact request that it becomes."""

import json

import pytest
from typer.testing import CliRunner

from streams import cli
from streams.notification.profiles import PROFILES
from streams.sandbox.signatures import is_signed, load_public_key
from tests.support.command_settings import VECTORS, copy_key, without_settings
from tests.support.events import EVENTS


@pytest.fixture(autouse=True)
def partners_file(tmp_path, monkeypatch):
    """An entry for each sample event, as the only setting."""
    without_settings(monkeypatch)
    copy_key("sender_private_pkcs8", tmp_path / "key.pem")
    entries = "".join(
        f"""
  {event["partnerId"]}:
    profiles: [{name}]
    client_id: SANDBOX_1
    private_key_file: key.pem
    peer_public_key_files: {{1: {VECTORS / "receiver_public_spki.pem"}}}
    allowed_hosts: [{event["partnerId"]}.example.com]
"""
        for name, event in EVENTS.items()
    )
    file = tmp_path / "partners.yaml"
    file.write_text(f"partners:{entries}")
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(file))
    return file


@pytest.fixture
def check(tmp_path):
    """Check an event: a mapping, or bytes."""

    def run(event, *options):
        file = tmp_path / "event.json"
        file.write_bytes(event if isinstance(event, bytes) else json.dumps(event).encode())
        return CliRunner().invoke(cli.app, ["check-event", str(file), *options])

    return run


@pytest.mark.parametrize("profile", PROFILES)
def test_a_good_event_becomes_the_exact_request(check, profile):
    """For each profile: the URL, every header, a body whose signature a strict receiver takes."""
    said = json.loads(check(EVENTS[profile], "--json").stdout)
    assert (said["ok"], said["faults"]) == (True, [])
    request, headers = said["request"], said["request"]["headers"]
    assert request["url"] == EVENTS[profile]["notifyUrl"]
    assert headers["Content-Length"] == str(len(request["body"].encode()))
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    key = load_public_key(VECTORS / "sender_public_spki.pem")
    path = "/notify?shop=7"
    when, body = headers["Request-Time"], request["body"].encode()
    assert is_signed(key, headers["Signature"], path, "SANDBOX_1", when, body)
    assert request["string_to_sign"].startswith(f"POST {path}\nSANDBOX_1.{when}.{{")


def test_a_person_reads_the_request_line_by_line(check):
    """Head, empty line, body; where it goes is said beside it."""
    result = check(EVENTS["mpp-to-ant"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "POST /notify?shop=7 HTTP/1.1"
    assert lines[-2] == ""
    assert json.loads(lines[-1])["paymentResult"]["resultStatus"] == "S"
    assert "nothing was sent" in result.stderr


def test_all_faults_are_said_at_once(check):
    """Of the event, of its payment and of the partner that it names, with the nearest partner and member."""
    event = EVENTS["mpp-to-ant"]
    payment = {**event["payment"], "paymentTime": "yesterday", "paymentAmount": {"currency": "JPY"}}
    bad = {
        **event,
        "outcome": "PENDING",
        "partnerId": "partner-l",
        "occurredAt": "x",
        "payment": payment,
    }
    del bad["eventId"]
    result = check({**bad, "evntId": "e"})
    assert result.exit_code == 1
    for fault in (
        "fault: eventId: missing",
        "fault: outcome: ",
        "fault: occurredAt: ",
        "fault: payment.paymentTime: ",
        "fault: payment.paymentAmount.value: ",
        "fault: evntId: not known, did you mean eventId",
        "fault: partnerId: the partners file has no entry partner-l; did you mean partner-",
    ):
        assert fault in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"notifyUrl": "https://other.example.com/"}, "notifyUrl: the host"),
        ({"notifyUrl": None}, "notifyUrl: missing or empty, and the partner has no notify_url"),
        ({"partnerId": "partner-0"}, "profile: the partner does not list mpp-to-ant"),
        ({"partnerId": "nobody"}, "expected one of partner-0"),
    ],
)
def test_what_the_partners_entry_forbids_is_a_fault(check, change, fault):
    """An event that keeps its own rules and still would not be sent."""
    result = check(EVENTS["mpp-to-ant"] | change)
    assert result.exit_code == 1
    assert fault in result.stderr


def test_what_is_sent_otherwise_than_meant_is_a_warning(partners_file, check):
    """A member that nobody knows, a reason that nothing maps, a code of no source, a paused partner."""
    event = EVENTS["mpp-to-ant"]
    failed = event | {"outcome": "FAILED", "payment": event["payment"] | {"colour": "red"}}
    result = check(failed | {"reason": "E99"})
    assert result.exit_code == 0
    assert "payment.colour: the profile has no such member" in result.stderr
    assert "nothing maps it, so PROCESS_FAIL is sent" in result.stderr
    assert "NEW_CODE is none of the codes" in check(failed | {"resultCode": "NEW_CODE"}).stderr
    text = partners_file.read_text().replace("    client_id", "    paused: true\n    client_id")
    partners_file.write_text(text)
    assert "the partner is paused" in check(event).stderr


def test_without_a_partners_file_the_event_alone_is_checked(check, monkeypatch):
    """Payment core's engineer has no keys: the rules and the body are shown all the same."""
    monkeypatch.delenv("NOTIFIER_PARTNERS_FILE")
    monkeypatch.setenv("NOTIFIER_CONSOLE_TOKENS_FILE", "/nowhere")  # not this command's
    result = check(EVENTS["mpp-to-ant"])
    assert result.exit_code == 0
    assert "NOTIFIER_PARTNERS_FILE is not set" in result.stderr
    assert json.loads(result.stdout)["paymentResult"]["resultCode"] == "SUCCESS"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff{}"])
def test_what_is_no_json_object_is_said(check, raw):
    """One fault, and no traceback."""
    result = check(raw, "--json")
    assert result.exit_code == 1
    (fault,) = json.loads(result.stdout)["faults"]
    assert fault.startswith("event: ")


def test_a_file_that_is_not_there_is_said():
    """With its name and what the system says."""
    result = CliRunner().invoke(cli.app, ["check-event", "no-such.json"])
    assert result.exit_code == 1
    assert (
        result.stderr
        == "fault: no-such.json: seen No such file or directory, expected a file that can be read\n"
    )
