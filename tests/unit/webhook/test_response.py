"""The reader of responses beside another one, and cut into pieces at every place."""

from itertools import chain, pairwise, repeat

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.webhook.fields import MAX_LINES, UnreadableResponse
from streams.webhook.response import (
    MAX_BODY_BYTES,
    MAX_CHUNKS,
    MAX_HEAD_BYTES,
    MAX_INTERIM,
    MAX_PIECES,
    MAX_WIRE_BYTES,
    OversizedBody,
    ResponseReader,
)

BODY = b'{"result":{"resultStatus":"S"}}'
TOKENS = st.text("!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=20)  # fmt: skip
FRAMING = {"content-length", "transfer-encoding", "connection"}
HEADERS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=6)  # fmt: skip
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 400, 404, 429, 500, 503, 599])


@st.composite
def responses(draw):
    """Draw bytes of a response, well-formed or with a byte changed, and whether the connection closes behind it."""
    body = draw(st.binary(max_size=60))
    how = draw(st.sampled_from(["length", "chunks", "end"]))
    lines = [f"{name}: {value}".encode("latin-1") for name, value in draw(HEADERS)]
    if how == "length":
        lines.append(b"Content-Length: %d" % len(body))
    if how == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.integers(1, 20), max_size=5))
        parts, at = [], 0
        for size in [*sizes, len(body)]:
            part = body[at : at + size]
            at += size
            if part:
                parts.append(b"%x\r\n%b\r\n" % (len(part), part))
        body = b"".join(parts) + b"0\r\n\r\n"
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    start = b"HTTP/1.%d %d %b" % (draw(st.integers(0, 1)), draw(STATUSES), draw(st.sampled_from([b"", b"OK", b"Not \xfc"])))  # fmt: skip
    wire = interim + b"\r\n".join([start, *draw(st.permutations(lines)), b"", b""]) + body
    if draw(st.booleans()) and draw(st.booleans()):
        at = draw(st.integers(0, len(wire) - 1))
        wire = wire[:at] + draw(st.binary(max_size=2)) + wire[at + 1 :]
    return wire, how == "end"


def ours(pieces, *, closes):
    """Read with our reader; return status, headers and body, None where more is needed, or what it refuses with."""
    reader = ResponseReader()
    try:
        whole = any(reader.feed(piece) for piece in pieces)
    except (UnreadableResponse, OversizedBody) as exc:
        return type(exc)
    whole = whole or (closes and reader.end())
    return (reader.status, reader.headers, reader.body) if whole else None


def of_h11(wire, *, closes):
    """Read with h11, the reader under httpx and uvicorn, as a client that has sent a POST."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))  # fmt: skip
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    if closes:
        connection.receive_data(b"")
    status, body = None, b""
    headers: dict[str, str] = {}
    try:
        while True:
            event = connection.next_event()
            match event:
                case h11.Response():
                    status = event.status_code
                    for name, value in event.headers:
                        key, text = name.decode(), value.decode("latin-1")
                        headers[key] = f"{headers[key]}, {text}" if key in headers else text
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    return status, headers, body
                case h11.InformationalResponse():
                    pass
                case _:
                    return None
    except h11.RemoteProtocolError:
        return UnreadableResponse


@given(responses())
def test_what_is_read_is_what_another_reader_reads(response):
    """Wherever both say that a response is whole, status, headers and body are the same; and of the two we are the stricter."""
    wire, closes = response
    told, others = ours([wire], closes=closes), of_h11(wire, closes=closes)
    if isinstance(told, tuple):
        if not isinstance(others, tuple):
            assert tolerated(wire)
            return
        assert told == others
    elif isinstance(others, tuple):
        assert told is UnreadableResponse


def tolerated(wire):
    """Tell whether this is one of the forms that we take and h11 refuses: see `test_answers_on_the_wire.py`."""
    controls = any((byte < 32 and byte not in b"\r\n\t") or byte == 127 for byte in wire)
    return controls or wire.startswith(b"\r\n") or b"\r\n\r\n\r\nHTTP" in wire


@given(responses(), st.lists(st.integers(0, 300), max_size=8))
def test_how_the_bytes_are_cut_changes_nothing(response, cuts):
    """The same bytes, in any pieces, are the same response or are refused; what is behind a whole one is not looked at."""
    wire, closes = response
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[start:end] for start, end in pairwise(places)]
    assert ours(pieces, closes=closes) == ours([wire], closes=closes)
    single = [wire[at : at + 1] for at in range(len(wire))]
    assert ours(single, closes=closes) == ours([wire], closes=closes)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise_anything_else(data):
    """Whatever comes: a response, more needed, or one of its two refusals."""
    head = b"HTTP/1.1 200 OK\r\n"
    for start in (b"", head, head + b"Transfer-Encoding: chunked\r\n\r\n"):
        told = ours([start + data], closes=True)
        assert isinstance(told, tuple) or told in {None, UnreadableResponse, OversizedBody}


@pytest.mark.parametrize(
    "flood",
    [
        b"\r\n" * 64,
        b"HTTP/1.1 200 OK\r\nX: y",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
    ],
)
def test_all_that_is_no_body_is_bounded_together(flood):
    """Empty lines, interim responses, headers, trailers: none of them goes on for ever."""
    reader, fed = ResponseReader(), 0
    more = flood if flood.endswith(b"\r\n") else b"\r\nX: y" * 100

    def feed():
        nonlocal fed
        for piece in chain([flood], repeat(more)):
            fed += len(piece)
            assert not reader.feed(piece)

    with pytest.raises(UnreadableResponse, match="headers of more than 131,072 bytes together"):
        feed()
    assert fed < 2 * MAX_HEAD_BYTES


def test_a_body_may_be_as_long_as_its_bound():
    """64 KiB, however its length is said."""
    body = b" " * MAX_BODY_BYTES
    head = b"HTTP/1.1 200 OK\r\n"
    for wire in (
        b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body),
        b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body),
        b"%b\r\n%b" % (head, body),
    ):
        assert ours([wire], closes=True) == (200, ours([wire], closes=True)[1], body)
    assert ours([head + b"\r\n" + body + b" "], closes=True) is OversizedBody


def test_what_comes_at_once_is_bounded_in_parts():
    """A read brings 64 KiB and more, which is looked at in one turn of the event loop."""
    head = b"HTTP/1.1 200 OK\r\n"
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * MAX_CHUNKS
    assert ours([chunks[:-6] + b"0\r\n\r\n"], closes=False)[2] == b" " * (MAX_CHUNKS - 1)
    assert ours([chunks + b"1\r\n \r\n"], closes=False) is OversizedBody
    lines = head + b"X: y\r\n" + b" z\r\n" * (MAX_LINES - 2)
    end = b"Content-Length: 0\r\n\r\n"
    assert ours([lines + end], closes=False)[0] == 200
    with pytest.raises(UnreadableResponse, match="1,201 header lines, at most 1,200"):
        ResponseReader().feed(lines + b" z\r\n" + end)


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_eight_interim_responses_may_come():
    """The ninth ends it, in one piece or in many."""
    assert ours([INTERIM * MAX_INTERIM + FINAL], closes=False)[0] == 200
    assert ours([*[INTERIM] * MAX_INTERIM, FINAL], closes=False)[0] == 200
    for pieces in ([INTERIM * (MAX_INTERIM + 1) + FINAL], [INTERIM] * (MAX_INTERIM + 1)):
        reader = ResponseReader()
        for piece in pieces[:-1]:
            assert not reader.feed(piece)
        with pytest.raises(UnreadableResponse, match=r"more than 8 interim responses \(1xx\)"):
            reader.feed(pieces[-1])
        assert reader.status is None


def test_a_response_is_bounded_on_the_wire():
    """Head, body and what is between chunks together, and in how many pieces it comes."""
    head = b"HTTP/1.1 200 OK\r\nX: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % (b"x" * 65_000)
    reader, fed = ResponseReader(), 0

    def feed(pieces):
        nonlocal fed
        for piece in pieces:
            fed += len(piece)
            assert not reader.feed(piece)

    with pytest.raises(UnreadableResponse, match="more than 131,072 bytes"):
        feed(chain([head], repeat(b"20;%b\r\n%b\r\n" % (b"e" * 32, b" " * 32))))
    assert fed <= MAX_WIRE_BYTES + 128
    reader, fed = ResponseReader(), 0
    with pytest.raises(UnreadableResponse, match="4,096 pieces"):
        feed(chain([b"HTTP/1.1 200 OK\r\nX: "], repeat(b"x")))
    assert fed < 2 * MAX_PIECES
    whole = b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"x" * 3000)
    assert ours([whole[at : at + 1] for at in range(len(whole))], closes=True)[0] == 200
