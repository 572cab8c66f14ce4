import json

import pytest

from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.webhook.answer import Expected, judge
from streams.webhook.signing import sign, string_to_sign

PATH, CLIENT, MOMENT = "/notify?x=1", "CLIENT", "2026-11-22T10:15:30+00:00"


def ack(status="S", code="SUCCESS"):
    return json.dumps({"result": {"resultStatus": status, "resultCode": code}}).encode()


@pytest.fixture
def keys(public_keys):
    return {"1": public_keys["receiver"]}


@pytest.fixture
def signature(signing_keys):
    """Sign an answer as the partner would, or a little differently."""

    def headers(body, path=PATH, client=CLIENT, moment=MOMENT):
        signed = string_to_sign(path, client, moment, body)
        return {"signature": sign(signing_keys["receiver"], signed), "response-time": moment}

    return headers


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("status", ["S", "F", "U"])
def test_a_rightly_signed_answer_counts(keys, signature, status, required):
    """S, F and U count with a valid signature, whether it was required or not."""
    body = ack(status, "SOME_CODE")
    outcome = judge(200, signature(body), body, Expected(PATH, CLIENT, keys, required))
    assert outcome == Answered(Status(status), "SOME_CODE")


@pytest.mark.parametrize("status", ["S", "F", "U"])
def test_an_unsigned_answer_counts_only_where_none_is_required(keys, status):
    """The status it claims is kept for the decision."""
    body = ack(status, "C")
    for headers in ({}, {"response-time": MOMENT}):
        assert judge(200, headers, body, Expected(PATH, CLIENT, keys, signed=False)) == Answered(
            Status(status), "C"
        )
        assert judge(200, headers, body, Expected(PATH, CLIENT, keys, signed=True)) == NoResult(
            Failure.UNSIGNED_ANSWER, Status(status), "C"
        )


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("status", ["S", "F", "U"])
def test_a_wrong_signature_never_counts(keys, signature, status, required):
    """Over another body, path, client id or time, or without a time: not required makes no difference."""
    body = ack(status, "C")
    expected = Expected(PATH, CLIENT, keys, required)
    good = signature(body)
    for headers in (
        signature(body + b" "),
        signature(body, path="/notify"),
        signature(body, client="OTHER"),
        good | {"response-time": MOMENT.replace("30", "31")},
        {"signature": good["signature"]},
        {"signature": "", "response-time": MOMENT},
        {"signature": f"{good['signature']}, {good['signature']}", "response-time": MOMENT},
    ):
        assert judge(200, headers, body, expected) == NoResult(
            Failure.WRONG_SIGNATURE, Status(status), "C"
        )


def test_without_peer_keys_a_signature_is_taken_for_none(signature):
    """A merchant whose key we don't have may sign: nobody asked, and nothing can tell."""
    body = ack()
    headers = signature(body)
    assert judge(200, headers, body, Expected(PATH, CLIENT, {}, signed=False)) == Answered(
        Status.SUCCESS, "SUCCESS"
    )
    assert judge(200, headers, body, Expected(PATH, CLIENT, {}, signed=True)) == NoResult(
        Failure.WRONG_SIGNATURE, Status.SUCCESS, "SUCCESS"
    )


@pytest.mark.parametrize("http_status", [201, 202, 204, 302, 400, 401, 404, 429, 500, 503])
def test_another_http_status_is_no_result(keys, signature, http_status):
    """A valid S under another status than 200 is not looked at."""
    body = ack()
    outcome = judge(http_status, signature(body), body, Expected(PATH, CLIENT, keys, signed=True))
    assert outcome == NoResult(Failure.HTTP_STATUS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"SUCCESS",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"result": null}',
        b'{"result": "S"}',
        b'{"result": {}}',
        b'{"result": {"resultStatus": "s"}}',
        b'{"result": {"resultStatus": "OK"}}',
        b'{"result": {"resultStatus": 1}}',
        b'{"result": {"resultStatus": ["S"]}}',
        b'{"result": {"resultStatus": "S"}}\xff',
        b"[" * 60_000,
    ],
)
def test_an_answer_without_a_result_is_unreadable(keys, signature, body):
    """No JSON, no result, another status than S, F and U: also when it is rightly signed."""
    expected = Expected(PATH, CLIENT, keys, signed=True)
    assert judge(200, signature(body), body, expected) == NoResult(Failure.UNREADABLE_ANSWER)


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "X-GZIP", "utf-8,zstd"])
def test_a_content_coding_that_we_never_asked_for_is_unreadable(keys, coding):
    """We say Accept-Encoding: identity; nothing is unpacked."""
    expected = Expected(PATH, CLIENT, keys, signed=False)
    headers = {"content-encoding": coding}
    assert judge(200, headers, ack(), expected) == NoResult(Failure.UNREADABLE_ANSWER)


@pytest.mark.parametrize("coding", ["identity", " Identity ", "", "UTF-8", "none", "x", ","])
def test_what_is_no_coding_changes_nothing(keys, coding):
    """A charset, or a word for nothing: the body's bytes are what they are."""
    expected = Expected(PATH, CLIENT, keys, signed=False)
    assert judge(200, {"content-encoding": coding}, ack(), expected) == Answered(
        Status.SUCCESS, "SUCCESS"
    )


def test_a_body_that_could_not_be_read_keeps_its_reason(keys):
    """Why reading ended early is the outcome; a status other than 200 says it all by itself."""
    expected = Expected(PATH, CLIENT, keys, signed=True)
    cut = NoResult(Failure.OVERSIZED_ANSWER, detail="body of 70,112 bytes")
    assert judge(200, {}, cut, expected) is cut
    assert judge(500, {}, cut, expected) == NoResult(Failure.HTTP_STATUS)
