"""What a recorded answer is worth: what a worker refuses is broken, what it takes is odd at most."""

import pytest

from streams.webhook.diagnosis import KnownKey
from streams.webhook.recording import RecordedAnswer
from streams.webhook.signing import sign, string_to_sign
from streams.webhook.verdict import Side, answer_findings

PATH, CLIENT, MOMENT = "/notify?shop=7", "CLIENT", "2026-11-22T10:15:31+00:00"
BODY = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}'


@pytest.fixture
def found(signing_keys):
    """Judge an answer that the receiver signed, with further headers; returns rule and broken of each finding."""

    def judge(side, body=BODY, **headers):
        signature = sign(signing_keys["receiver"], string_to_sign(PATH, CLIENT, MOMENT, body))
        signed = {"signature": signature, "response-time": MOMENT, "client-id": CLIENT}
        answer = RecordedAnswer(200, signed | headers, body)
        return [(each.rule, each.broken) for each in answer_findings(answer, PATH, None, side)]

    return judge


@pytest.fixture
def verified(public_keys):
    """A side that has to sign, and whose key is known."""
    return Side(CLIENT, [KnownKey("theirs", public_keys["receiver"])])


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        ("gzip", [("content-coding", True)]),
        ("utf-8, br", [("content-coding", True)]),
        ("identity", []),
        ("utf-8", []),
        ("", []),
    ],
)
def test_a_content_coding_is_broken_though_the_body_is_plain(found, verified, coding, expected):
    """A worker reads no such answer; what names no coding changes nothing."""
    assert found(verified, **{"content-encoding": coding}) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"result":{"resultStatus":"X"}}'])
def test_a_body_that_a_worker_cannot_read_is_broken(found, verified, body):
    """Whatever else is right."""
    assert found(verified, body) == [("answer-form", True)]


def test_a_signature_that_nobody_can_verify_is_odd_where_none_is_required(found, public_keys):
    """A merchant without a key in our file signs: a worker takes its answer. With a key, a wrong signature is broken."""
    others = [KnownKey("ours", public_keys["sender"], right=False)]
    optional = Side(CLIENT, others, signed_answer=False)
    assert found(optional) == [("not-verified", False)]
    assert found(Side(CLIENT, (), signed_answer=False)) == [("not-verified", False)]
    wrong = Side(CLIENT, [KnownKey("theirs", public_keys["sender"])], signed_answer=False)
    assert found(wrong) == [("wrong-key", True)]
