"""`notifier verify` on what curl printed of a real call, and `send-test` without sending: the one reads what the other makes."""

import asyncio
import json
import re
import shlex
import shutil
import subprocess

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.keys import PARTNERS, KeyPair, make_key_pair, write_partners_file
from tests.support.notifier import notifier
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.e2e

PROFILE = "alipay-plus-to-acquirer"
ENTRY = PARTNERS[PROFILE]
MERCHANT = "alipay-to-merchant"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


@pytest.fixture
def settings(partner, keys, tmp_path):
    """Settings with a partners file whose URLs have a script; no broker is there."""

    def write(script="", **options):
        urls = {name: partner.notify_url(name, script) for name in PROFILES}
        file = write_partners_file(tmp_path, urls, keys, options={ENTRY: options})
        return {
            "NOTIFIER_PARTNERS_FILE": str(file),
            "NOTIFIER_EGRESS_ALLOW": "127.0.0.0/8",
            "NOTIFIER_BROKERS": "127.0.0.1:1",
        }

    return write


async def run(settings, *arguments, code=0):
    done = await notifier(*arguments, settings=settings)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


async def curled(settings, keys, *options):
    """Make the call that `send-test --curl` prints, and return all that curl prints."""
    line = (await run(settings, "send-test", ENTRY, "--curl")).stdout
    command = [*shlex.split(line.replace("\\\n", "")), "--cacert", str(keys.ca), *options]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout


@needs_curl
@pytest.mark.parametrize("options", [("-s",), ("-s", "-v"), ("-v",), ("-v", "--no-include")])
async def test_curls_own_words_are_read(settings, partner, keys, tmp_path, options):
    """`--curl` makes a call that a strict partner takes; what curl prints of the answer is verified."""
    told = settings()
    before = len(partner.requests)
    file = tmp_path / "answer.txt"
    file.write_bytes(await curled(told, keys, *options))
    await asyncio.to_thread(partner.wait_for, lambda requests: len(requests) > before)
    (request,) = partner.requests[before:]
    assert request.faults == ()
    done = await run(told, "verify", str(file), "--partner", ENTRY)
    assert done.stdout == "answer: good: signature, headers and body keep every rule\n"
    by_key = (
        "--key",
        str(keys.receiver.public),
        "--path",
        request.path,
        "--client-id",
        request.headers["client-id"],
    )
    await run({}, "verify", str(file), *by_key)


@needs_curl
async def test_curl_makes_one_call_whatever_the_url_holds(settings, partner, keys):
    """Brackets and braces in it are no pattern of several URLs."""
    told = settings(notify_url=partner.notify_url(PROFILE) + "?x=[1-3]&y={a,b}")
    before = len(partner.requests)
    await curled(told, keys, "-s")
    (request,) = partner.requests[before:]
    assert (request.faults, request.path.endswith("?x=[1-3]&y={a,b}")) == ((), True)


@needs_curl
@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("wrong-signature", "answer: broken: "),
        ("unsigned", "answer: broken: missing-signature: "),
        ("http:404", "answer: broken: http-status: seen HTTP 404"),
        ("garbage", "answer: broken: answer-form: "),
    ],
)
async def test_a_broken_answer_is_named_in_the_first_line(settings, keys, tmp_path, script, first):
    """And the exit code is 1."""
    told = settings(script)
    file = tmp_path / "answer.txt"
    file.write_bytes(await curled(told, keys, "-s"))
    done = await run(told, "verify", str(file), "--partner", ENTRY, code=1)
    assert done.stdout.splitlines()[0].startswith(first)
    said = json.loads(
        (await run(told, "verify", str(file), "--partner", ENTRY, "--json", code=1)).stdout
    )
    assert (said["schema"], said["good"]) == (1, False)


async def test_a_request_that_is_shown_is_one_that_verify_takes(settings, keys, tmp_path):
    """`--show-request` sends nothing; the partner's engineer verifies it with our public key alone, and sees what breaks it."""
    told = settings()
    shown = (await run(told, "send-test", ENTRY, "--show-request")).stdout
    file = tmp_path / "request.txt"
    file.write_text(shown)
    by_key = ("verify", str(file), "--key", str(keys.sender.public))
    assert (await run({}, *by_key)).stdout.startswith("request: good: ")
    assert (await run(told, "verify", str(file), "--partner", ENTRY)).returncode == 0
    file.write_text(re.sub("signature=(.*)", r'signature="\1"', shown))
    odd = (await run({}, *by_key)).stdout.splitlines()
    assert odd[0] == "request: good: odd, but it counts"
    assert odd[1].startswith("request: odd: ")
    file.write_text(shown.replace('"paymentRequestId":', '"paymentRequestId": '))
    broken = (await run({}, *by_key, code=1)).stdout.splitlines()[0]
    assert "re-serialised-body" in broken
    file.write_text(shown.replace("POST /", "POST /proxy/"))
    assert "broken: path: " in (await run({}, *by_key, code=1)).stdout
    other = await run({}, *by_key, "--client-id", "OTHER", code=1)
    assert other.stdout.startswith("request: broken: client-id: Client-Id: seen SANDBOX")


async def test_send_test_has_a_url_an_outcome_and_a_reason(settings, partner):
    """An entry without notify_url is called where --url says; the result is what --outcome and --reason make of it."""
    told = settings(notify_url=None)
    missing = await run(told, "send-test", ENTRY, code=1)
    assert (
        missing.stderr
        == f"fault: partners.{ENTRY} has no notify_url, expected --url with the address that its events name\n"
    )
    url = partner.notify_url(PROFILE) + "?shop=7"
    for options, expected in (
        (("--outcome", "SUCCESS"), ("S", "SUCCESS")),
        (("--outcome", "CANCELLED"), ("F", "ORDER_IS_CLOSED")),
        (("--reason", "RISK_REJECT"), ("F", "RISK_REJECT")),
        ((), ("F", "PROCESS_FAIL")),
    ):
        said = json.loads(
            (await run(told, "send-test", ENTRY, "--url", url, *options, "--json")).stdout
        )
        result = json.loads(said["body"])["paymentResult"]
        assert (result["resultStatus"], result["resultCode"]) == expected
        (request,) = partner.of_order(said["order_id"])
        assert (request.faults, request.path.endswith("?shop=7")) == ((), True)
    unmapped = await run(told, "send-test", ENTRY, "--url", url, "--reason", "E99")
    assert "nothing maps E99, so PROCESS_FAIL is sent" in unmapped.stderr
    wrong = await run(
        told, "send-test", ENTRY, "--url", url, "--outcome", "SUCCESS", "--reason", "E1", code=2
    )
    assert "--reason goes with --outcome FAILED" in wrong.stderr
    mistyped = await run(told, "send-test", ENTRY[:-1], code=1)
    assert f"did you mean {ENTRY}?" in mistyped.stderr


async def test_send_test_says_which_rule_the_answer_breaks(settings, tmp_path):
    """The same doctor: with our own key in place of the partner's, and with the partner's answer signed over other bytes."""
    pair = KeyPair(tmp_path / "other.pem", tmp_path / "other-public.pem")
    make_key_pair(pair)
    for script, options, rule in (
        ("", {"peer_public_key_files": {1: str(pair.public)}}, "wrong-key"),
        ("wrong-signature", {}, "body"),
        ("unsigned", {}, "missing-signature"),
    ):
        said = json.loads(
            (await run(settings(script, **options), "send-test", ENTRY, "--json", code=1)).stdout
        )
        assert [finding["rule"] for finding in said["findings"]] == [rule]
