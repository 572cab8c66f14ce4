"""`notifier send-test`: one signed call to a real partner, without Kafka, and what to mend when it fails."""

import json
from typing import Any

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.keys import PARTNERS, KeyPair, make_key_pair, write_partners_file
from tests.support.notifier import notifier

pytestmark = pytest.mark.e2e

ACQUIRER = "alipay-plus-to-acquirer"


@pytest.fixture
def send(partner, keys, tmp_path):
    """Run `send-test` for a profile with some options of the partner's entry; no broker is there."""

    async def run(profile, *arguments, script="", code=0, **options):
        urls = {name: partner.notify_url(name, script) for name in PROFILES}
        file = write_partners_file(tmp_path, urls, keys, options={PARTNERS[profile]: options})
        done = await notifier(
            "send-test",
            PARTNERS[profile],
            *arguments,
            settings={
                "NOTIFIER_PARTNERS_FILE": str(file),
                "NOTIFIER_EGRESS_ALLOW": "127.0.0.0/8",
                "NOTIFIER_BROKERS": "127.0.0.1:1",
            },
        )
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_good_set_up_is_acknowledged(send, partner, profile):
    """Each profile: one request, signed, that nobody can take for a real payment."""
    done = await send(profile, "--json")
    said = json.loads(done.stdout)
    assert (said["schema"], said["acknowledged"], said["mend"]) == (1, True, "")
    (request,) = partner.of_order(said["order_id"])
    assert request.faults == ()
    assert said["order_id"].startswith("TEST-")
    body = json.loads(request.body)
    assert body == json.loads(said["body"])
    result = body[PROFILES[profile].result_member]
    assert (result["resultStatus"], result["resultCode"]) == ("F", "PROCESS_FAIL")
    assert result["resultMessage"].startswith("TEST NOTIFICATION")
    assert body.get("paymentAmount", {"currency": "XTS", "value": "1"}) == {
        "currency": "XTS",
        "value": "1",
    }
    assert request.headers["client-id"] == said["headers"]["Client-Id"]
    assert request.headers["request-time"] == said["headers"]["Request-Time"]
    assert "signature=…" in said["headers"]["Signature"]


async def test_it_says_what_to_mend(send, partner, tmp_path):
    """Our key, their key, no signature, the wrong path, nobody there, a slow partner, a refused order: each its own advice."""
    pair = KeyPair(tmp_path / "other.pem", tmp_path / "other-public.pem")
    make_key_pair(pair)
    cases: list[tuple[dict[str, Any], str, str, str]] = [
        (
            {"private_key_file": str(pair.private)},
            "",
            "F INVALID_SIGNATURE",
            "compare client_id, key",
        ),
        (
            {"peer_public_key_files": {1: str(pair.public)}},
            "",
            "wrong_signature",
            "expected one of key 1 of acquirer",
        ),
        ({}, "unsigned", "unsigned_answer", "require_signed_response"),
        ({}, "http:404", "http_status", "check the path"),
        ({}, "refuse", "broken_connection", "without an answer"),
        ({}, "garbage", "unreadable_answer", "is this the right address"),
        ({"attempt_timeout_seconds": 1}, "never", "read_timeout", "takes too long"),
        ({}, "F:ORDER_NOT_EXIST", "F ORDER_NOT_EXIST", "keys are good"),
        ({}, "U", "U UNKNOWN_EXCEPTION", "could not take it now"),
        ({"allowed_hosts": ["example.com"]}, "", "blocked", "allowed_hosts"),
        ({"tls": {}}, "", "tls_incomplete_chain", "ca_file"),
        ({"notify_url": "https://127.0.0.1:1/x"}, "", "connect_error", "nothing listens"),
    ]
    for options, script, answer, advice in cases:
        done = await send(ACQUIRER, "--json", script=script, code=1, **options)
        said = json.loads(done.stdout)
        assert said["answer"].startswith(answer), options
        assert advice in said["mend"], options
        assert said["acknowledged"] is False
        assert len(partner.of_order(said["order_id"])) <= 1


async def test_people_read_what_was_sent_and_wrong_use_is_told(send):
    """The request's line, headers without the signature, the body, the answer; an unknown partner or profile exits with 1."""
    done = await send(ACQUIRER)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("POST https://127.0.0.1:")
    assert done.stderr.strip() == "acknowledged"
    assert "its signature\tverified" in lines
    assert "signature=…" in done.stdout
    wrong = await send(ACQUIRER, "--profile", "mpp-to-ant", code=1)
    assert f"expected one that the partner lists: {ACQUIRER}" in wrong.stderr
