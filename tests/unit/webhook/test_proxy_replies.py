"""What a forward proxy answers to CONNECT, read from bytes as they come."""

import pytest

from streams.webhook import connector
from streams.webhook.response import MAX_HEAD_BYTES, MAX_INTERIM

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
OPEN = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (OPEN, "200"),
        (b"HTTP/1.0 200\r\n\r\n", "200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        (CONTINUE + EARLY + OPEN, "200"),
        (CONTINUE * MAX_INTERIM + OPEN, "200"),
        (CONTINUE * (MAX_INTERIM + 1) + OPEN, "with more than 8 interim answers"),
        (CONTINUE + b"HTTP/1.1 502 Bad Gateway\r\n\r\n" + OPEN, "502"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP"),
        (b"HTTP/2 200 OK\r\n\r\n", "no HTTP"),
        (CONTINUE + b"SSH-2.0-x\r\n\r\n", "no HTTP"),
        (CONTINUE + b"x" * (MAX_HEAD_BYTES + 1), "a head without end"),
    ],
)
@pytest.mark.parametrize("pieces", ["whole", "in small ones"])
async def test_the_first_answer_that_is_not_interim_counts(sent, status, pieces):
    """However the network cuts it."""
    reply = connector._Reply()
    size = len(sent) if pieces == "whole" else 997 if len(sent) > 10_000 else 1
    for start in range(0, len(sent), size):
        reply.data_received(sent[start : start + size])
    assert await reply.status == status


async def test_an_interim_answer_alone_is_none():
    """The connection that ends behind it is a broken one."""
    reply = connector._Reply()
    reply.data_received(CONTINUE)
    assert not reply.status.done()
    reply.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await reply.status
