"""The partner's answer."""

import json

import pytest

from schemas import strict_json
from schemas.acknowledgement import UnreadableAcknowledgement, read_acknowledgement


@pytest.mark.parametrize("status", ["S", "F", "U"])
def test_an_answer_has_a_status_and_a_code(status):
    """Unknown members and the message are ignored."""
    answer = {
        "result": {"resultStatus": status, "resultCode": "X", "resultMessage": 7, "extra": []},
        "acquirerId": 1,
    }
    result = read_acknowledgement(json.dumps(answer).encode()).result
    assert (result.result_status, result.result_code) == (status, "X")


@pytest.mark.parametrize(
    ("code", "kept"),
    [(None, ""), (7, ""), (["X"], ""), ("", ""), ("X" * 64, "X" * 64), ("X" * 65, "X" * 64)],
)
def test_a_careless_code_does_not_spoil_the_status(code, kept):
    """What is text of it is kept, to 64 characters."""
    answer = {"result": {"resultStatus": "S", "resultCode": code}}
    assert read_acknowledgement(json.dumps(answer).encode()).result.result_code == kept


@pytest.mark.parametrize("code", [None, 7, True, ["X"], {"code": "X"}])
@pytest.mark.parametrize("odd", ["", '"x":1,"x":2,'])
def test_a_code_that_is_no_text_spoils_an_f(code, odd):
    """It may be one of those that are not final; whoever reads it as none would end the notification."""
    raw = f'{{{odd}"result":{{"resultStatus":"F","resultCode":{json.dumps(code)}}}}}'
    with pytest.raises(UnreadableAcknowledgement) as caught:
        read_acknowledgement(raw.encode())
    assert str(caught.value) == "result.resultCode of an F is no text"


@pytest.mark.parametrize("status", ["S", "U"])
@pytest.mark.parametrize("code", [None, 7, {}])
def test_the_code_of_an_s_or_u_decides_nothing(status, code):
    """The status counts."""
    raw = json.dumps({"result": {"resultStatus": status, "resultCode": code}}).encode()
    assert read_acknowledgement(raw).result.result_status == status


@pytest.mark.parametrize("odd", [b"", b'"x":1,"x":2,'])
def test_an_f_may_have_no_code(odd):
    """It is one like any that is not listed."""
    result = read_acknowledgement(b'{%b"result":{"resultStatus":"F"}}' % odd).result
    assert (result.result_status, result.result_code) == ("F", "")


def test_a_code_may_be_absent():
    """The status alone is an answer."""
    assert read_acknowledgement(b'{"result":{"resultStatus":"S"}}').result.result_code == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"success",
        b"[]",
        b"null",
        b"{}",
        b'{"result":"S"}',
        b'{"result":null}',
        b'{"result":{}}',
        b'{"result":{"resultStatus":"s"}}',
        b'{"result":{"resultStatus":"SUCCESS"}}',
        b'{"result":{"resultStatus":true}}',
        b'{"resultStatus":"S"}',
        b'{"result":{"resultStatus":"S"},"result":{"resultStatus":"F"}}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"result":{"resultStatus":"S"}}',
        b'{"result":{"resultStatus":"S"}',
    ],
)
def test_any_other_answer_is_unreadable(raw):
    """One error for all, which doesn't quote the answer."""
    with pytest.raises(UnreadableAcknowledgement) as caught:
        read_acknowledgement(raw)
    assert "SUCCESS" not in str(caught.value)


def test_an_answer_full_of_objects_is_refused_before_it_is_understood(monkeypatch):
    """One object is needed; a flood of answers with thousands would take the event loop from all other partners."""
    for decoder in (strict_json._DECODER, strict_json._MARKING_DECODER):
        monkeypatch.setattr(decoder, "decode", None)
    full = b'{"result":{"resultStatus":"S"},"x":[%b{}]}' % (b"{}," * 300)
    with pytest.raises(UnreadableAcknowledgement, match="expected at most 256"):
        read_acknowledgement(full)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b" \r\n", "empty"),
        (b" <html><body>502 Bad Gateway</body></html>", "HTML or XML, no JSON"),
        (b'{"result":{"resultStatus":"S"},"result":{}}', "two members result"),
        (
            b'{"result":{"resultStatus":"S","resultStatus":"F"}}',
            "two members result.resultStatus",
        ),
        (b'{"x":1,"x":2}', "JSON without an object result"),
        (
            b'{"result":{"resultStatus":"S","resultCode":"A","resultCode":"B"}}',
            "result.resultCode is named twice or is no text",
        ),
        (
            b'{"result":{"resultStatus":"S","resultCode":"\\ud800"}}',
            "result.resultCode is named twice or is no text",
        ),
        (b'{"x":1,"x":2,"result":{}}', "result.resultStatus is none of S, F and U"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(raw, said):
    """Whoever reads the log knows what the partner has to change."""
    with pytest.raises(UnreadableAcknowledgement) as caught:
        read_acknowledgement(raw)
    assert str(caught.value) == said


@pytest.mark.parametrize("code", ["PAID", 7])
def test_what_is_odd_beside_the_result_does_not_matter(code):
    """The status counts, and the code where it is text: a member named twice elsewhere leaves both without doubt."""
    odd = b'{"x":1,"x":2,"result":{"resultStatus":"S","resultCode":%b}}' % json.dumps(code).encode()
    result = read_acknowledgement(odd).result
    assert (result.result_status, result.result_code) == ("S", code if code == "PAID" else "")
