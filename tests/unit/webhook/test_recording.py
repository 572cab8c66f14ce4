"""Recordings are read whatever wrote them: the wire, an editor, curl."""

import time

import pytest

from streams.webhook.recording import UnreadableRecording, read_recording

BODY = b'{"result":{"resultStatus":"S"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-A: 1\r\nx-a: 2\r\n\r\n" + BODY
CURL_V = b"""* Connected to partner.example.com (192.0.2.7) port 443
> POST /notify?shop=7 HTTP/1.1
> Host: partner.example.com
> Request-Time: 2026-11-22T10:15:30+08:00
>\x20
} [312 bytes data]
* upload completely sent off: 312 bytes
< HTTP/1.1 100 Continue
<\x20
< HTTP/1.1 200 OK
< Signature: algorithm=RSA256,keyVersion=1,signature=x
<\x20
{ [31 bytes data]
* Connection #0 to host partner.example.com left intact
"""


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        ANSWER.replace(b"\r\n", b"\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER,
        b"HTTP/1.1 200 Connection established\r\n\r\n" + ANSWER,
        ANSWER.replace(b"HTTP/1.1 200 OK", b"HTTP/2 200 "),
        b"\xef\xbb\xbf\n" + ANSWER,
        ANSWER.replace(b"X-A", b"Content-Length: 31\r\nX-A") + b"\r\n",
        ANSWER.replace(b"X-A", b"Transfer-Encoding: chunked\r\nX-A"),
        ANSWER.replace(b"X-A", b"Transfer-Encoding: chunked\r\nX-A").replace(
            BODY, b"10\r\n" + BODY[:16] + b"\r\nf\r\n" + BODY[16:] + b"\r\n0\r\n\r\n"
        ),
    ],
)
def test_an_answer_is_read(text):
    """CR LF or LF, after 100 Continue or a proxy's word, in chunks or as curl prints them, with a line feed of an editor."""
    recording = read_recording(text)
    assert recording.request is None
    assert recording.answer is not None
    assert (recording.answer.http_status, recording.answer.body) == (200, BODY)
    assert recording.answer.headers["x-a"] == "1, 2"


def test_a_request_with_its_answer_is_read():
    """Both in one file, with the exact bytes of the body."""
    body = b'{"a":"\xc3\xa9\\/"}'
    head = b"POST /n?x=%2F HTTP/1.1\r\nClient-Id: C\r\nContent-Length: 12\r\n\r\n"
    recording = read_recording(head + body + b"\r\n" + ANSWER)
    assert recording.request is not None
    assert recording.answer is not None
    assert (recording.request.method, recording.request.path) == ("POST", "/n?x=%2F")
    assert (recording.request.body, recording.answer.body) == (body, BODY)


@pytest.mark.parametrize("between", [b"", b"\r\n", b"\n", b"\n\n"])
@pytest.mark.parametrize("body", [b"{}", b'{"a":\n"HTTP/1.1 200 OK"}', b"1\nHTTP/1.1 200 OK", b""])
def test_an_answer_directly_behind_its_request_is_read(body, between):
    """As both are on the wire, without a line between them; and where the body holds the first line of an answer."""
    head = b"POST /n HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    recording = read_recording(head + body + between + ANSWER)
    assert recording.request is not None
    assert recording.answer is not None
    assert (recording.request.body, recording.answer.body) == (body, BODY)


@pytest.mark.parametrize(
    "text",
    [
        ANSWER.replace(b"X-A: 1", b"X-A: 1\r\n  of\r\n\t2 \r\nX-B: 3"),
        CURL_V.replace(b"< Signature", b"< X-A: 1\n<   of\n< \t2 \n< Signature") + BODY,
    ],
)
def test_a_header_that_goes_on_in_the_next_line_is_read(text):
    """As the worker's reader does: the lines of the field, with one blank between them."""
    answer = read_recording(text).answer
    assert answer is not None
    assert answer.headers["x-a"].startswith("1 of 2")


def test_a_request_whose_header_goes_on_in_the_next_line_is_read():
    """The same as for an answer."""
    request = read_recording(b"POST /n HTTP/1.1\r\nA:\r\n b\r\nC: d\r\n\r\n{}").request
    assert request is not None
    assert request.headers == {"a": "b", "c": "d"}


def test_a_length_that_nothing_has_is_passed_over():
    """Python makes no number of more than 4,300 digits."""
    text = ANSWER.replace(b"X-A", b"Content-Length: " + b"9" * 5000 + b"\r\nX-A")
    answer = read_recording(text).answer
    assert answer is not None
    assert answer.body == BODY


def test_any_number_of_interim_answers_is_passed_over():
    """More of them than Python calls a function within itself."""
    answer = read_recording(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000 + ANSWER).answer
    assert answer is not None
    assert answer.body == BODY


@pytest.mark.parametrize(
    "text",
    [
        CURL_V.replace(b"{ [31 bytes data]\n", BODY),
        CURL_V.replace(b"{ [31 bytes data]\n", b"{ [31 bytes data]\n" + BODY),
        CURL_V.replace(b"{ [31 bytes data]\n", BODY + b"\n"),
        CURL_V.replace(b"{ [31 bytes data]\n", ANSWER),
        CURL_V.replace(b"\n", b"\r\n").replace(b"{ [31 bytes data]\r\n", BODY),
    ],
)
def test_curls_dialogue_is_read(text):
    """The request's line and headers, the final answer's head, and the body wherever it stands between curl's own words."""
    recording = read_recording(text)
    assert recording.request is not None
    assert recording.answer is not None
    assert (recording.request.path, recording.request.body) == ("/notify?shop=7", None)
    assert recording.request.headers["request-time"] == "2026-11-22T10:15:30+08:00"
    assert recording.answer.headers["signature"].endswith("signature=x")
    assert recording.answer.body.rstrip(b"\r\n") == BODY


@pytest.mark.parametrize("text", [b"", b"hello", b"{}", b"* nothing\n* else\n", b"\xff\xfe"])
def test_what_is_neither_is_refused(text):
    """With what was expected."""
    with pytest.raises(UnreadableRecording, match="expected"):
        read_recording(text)


METER = (
    b"  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    b"                                 Dload  Upload   Total   Spent    Left  Speed\n"
    b"\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
)
METERS_END = b"\r100   392  100    80  100   312   4200  16400 --:--:-- --:--:-- --:--:-- 20631\n"


@pytest.mark.parametrize(
    "text",
    [
        METER + METERS_END + ANSWER,
        METER + ANSWER + METERS_END,
        METER + ANSWER.replace(BODY, METERS_END + BODY),
        (METER + METERS_END + ANSWER).replace(b"\r1", b"\n1").replace(b"\r ", b"\n "),
        METER + CURL_V.replace(b"* Connection", METERS_END + b"* Connection") + BODY,
        METER + CURL_V.replace(b"* Connection", BODY + METERS_END + b"* Connection"),
        METER + CURL_V.replace(b"* Connection", METERS_END + b"* Connection") + ANSWER,
    ],
)
def test_curls_progress_is_no_part_of_the_body(text):
    """Without -s its meter stands between the lines, and its last line has an end of its own; the body has none before it."""
    recording = read_recording(text)
    assert recording.answer is not None
    assert recording.answer.body == BODY


@pytest.mark.parametrize("letter", [b" ", b"1", b"1 ", b"\r", b"\r "])
def test_a_long_line_that_might_be_curls_progress(letter):
    """Is read in no time: each of its letters could begin the meter."""
    body = letter * 40_000 + b"x"
    before = time.process_time()
    recording = read_recording(ANSWER.replace(BODY, body))
    assert time.process_time() - before < 1
    assert recording.answer is not None
    assert recording.answer.body == body
