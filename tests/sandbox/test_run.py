"""`run_sandbox` brings broker, partner and payments up together or alone, and takes all down again."""

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from aiokafka import AIOKafkaConsumer

from streams.clock import Clock
from streams.notification.profiles import PROFILES
from streams.operator.commands.rehearse import print_received
from streams.partners.load import load_partners
from streams.sandbox.keys import PARTNERS, make_keys
from streams.sandbox.partner import ScriptedPartner
from streams.sandbox.run import _explain
from streams.sandbox.signatures import load_private_key, sign
from tests.support.waiting import TIMEOUT_SECONDS, eventually


@contextmanager
def _sandbox(arguments, temporary):
    code = f"import sys; from pathlib import Path; from streams.sandbox.run import run_sandbox; sys.exit(run_sandbox({arguments}))"
    process = subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if text in line:
            return lines
    pytest.fail(f"ended before it said {text!r}: {lines}")


def _exports(lines):
    words = [shlex.split(line) for line in lines if line.startswith("export ")]
    return dict(word[1].split("=", 1) for word in words)


@pytest.fixture
def temporary(tmp_path):
    """The place for temporary files, with a blank in its name."""
    place = tmp_path / "a place"
    place.mkdir()
    return place


@pytest.mark.kafka
async def test_runs_all_parts_until_ctrl_c(temporary):
    """Payments of all profiles are on the source topic; after Ctrl-C (130) no file is left."""
    with _sandbox("events=12, rate_per_second=None", temporary) as process:
        lines = _until(process, "12 payments became final")
        exports = _exports(lines)
        consumer = AIOKafkaConsumer(
            "payment-final-state",
            bootstrap_servers=exports["NOTIFIER_BROKERS"],
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            records = [await anext(consumer) for _ in range(12)]
        finally:
            await consumer.stop()
        assert {json.loads(record.value)["profile"] for record in records} == set(PROFILES)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 130
    assert list(temporary.iterdir()) == []


@pytest.mark.kafka
async def test_a_kill_leaves_no_keys(temporary):
    """The broker's guard deletes them with its data, since the program itself no longer can."""
    with _sandbox("", temporary) as process:
        _until(process, "Ctrl-C")
        assert len(list(temporary.iterdir())) == 2
        process.kill()

        async def is_empty():
            return not list(temporary.iterdir())

        await eventually(is_empty, what="the end of every file")


def test_runs_the_partner_alone(temporary):
    """The partners file has a partner for each profile, whose URL answers; SIGTERM ends it with 0 and leaves no file."""
    with _sandbox("broker=False, tls=False", temporary) as process:
        exports = _exports(_until(process, "Ctrl-C"))
        assert set(exports) == {
            "NOTIFIER_PARTNERS_FILE",
            "NOTIFIER_EGRESS_ALLOW",
            "NOTIFIER_ALLOW_HTTP",
        }
        with open(exports["NOTIFIER_PARTNERS_FILE"], encoding="utf-8") as file:  # noqa: PTH123  # as a user would
            partners = yaml.safe_load(file)["partners"]
        assert {name: entry["profiles"] for name, entry in partners.items()} == {
            name: [profile] for profile, name in PARTNERS.items()
        }
        loaded = load_partners(
            Path(exports["NOTIFIER_PARTNERS_FILE"]), Clock().now_seconds(), allow_http=True
        )
        assert set(loaded) == set(partners)
        for entry in partners.values():
            answer = httpx.post(entry["notify_url"], content=b"{}", trust_env=False)
            assert answer.json()["result"]["resultCode"] == "INVALID_SIGNATURE"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert list(temporary.iterdir()) == []


def test_keeps_keys_in_a_given_directory(tmp_path, temporary):
    """With a directory of the user's own, keys stay and are used again by the next run."""
    seen = []
    for _ in range(2):
        with _sandbox(
            f"Path({str(tmp_path)!r}), broker=False, record=Path({str(tmp_path / 'r.jsonl')!r})",
            temporary,
        ) as process:
            _until(process, "Ctrl-C")
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_SECONDS) == 130
        seen.append((tmp_path / "keys" / "sender-private.pem").read_bytes())
    assert seen[0] == seen[1]
    assert (tmp_path / "keys" / "sender-private.pem").stat().st_mode & 0o077 == 0
    assert (tmp_path / "partners.yaml").exists()


def test_what_to_type_works_in_another_shell(tmp_path, monkeypatch):
    """The command is named by its path, quoted, unless PATH leads to it."""
    ours = tmp_path / "a place" / "notifier"
    ours.parent.mkdir()
    ours.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["a place/notifier", "sandbox"])
    for path, command in ((os.defpath, f"'{ours}'"), (str(ours.parent), "notifier")):
        monkeypatch.setenv("PATH", path)
        said: list[str] = []
        _explain({"NOTIFIER_BROKERS": "a:1"}, said.append)
        assert f"then: {command} topics create && {command} worker" in "\n".join(said)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["broker"], "could not keep Kafka's jars in /dev/null/nowhere/"),
        (["events", "--brokers", "127.0.0.1:1"], "payment-final-state at 127.0.0.1:1 can't be"),
    ],
)
def test_a_set_up_that_fails_is_told_in_one_sentence(arguments, fault):
    """Jars that can't be kept, brokers that nobody is at: exit code 1, what and where, no traceback, nothing left open."""
    done = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", "streams", "sandbox", *arguments],
        env=os.environ | {"XDG_CACHE_HOME": "/dev/null/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 1
    assert f"fault: {fault}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Unclosed" not in done.stderr


def test_each_request_is_shown_with_its_verdict(tmp_path, capsys):
    """`sandbox partner --show`: the request as it was on the wire, and which rule it breaks."""
    keys = make_keys(tmp_path)
    with ScriptedPartner(
        keys, tls=False, show=lambda received: print_received(received, keys)
    ) as partner:
        body = b'{"paymentRequestId":"o-1"}'
        headers = {
            "Client-Id": "C",
            "Request-Time": "2026-11-22T10:15:30+08:00",
            "Content-Type": "application/json; charset=UTF-8",
        }
        private = load_private_key(keys.sender.private)
        for signed_path in ("/notify?shop=7", "/notify"):
            signature = sign(private, signed_path, "C", headers["Request-Time"], body)
            httpx.post(
                f"{partner.url}/notify?shop=7",
                content=body,
                headers=headers | {"Signature": signature},
            )
    first, second = capsys.readouterr().out.split(
        "request 1 is good; order o-1, attempt 1; answered S\n"
    )
    assert "POST /notify?shop=7 HTTP/1.1\n" in first
    assert "client-id: C\n" in first
    assert '{"paymentRequestId":"o-1"}' in first
    assert "broken: path-without-query: " in second
    assert "request 2 is not as it should be" in second
