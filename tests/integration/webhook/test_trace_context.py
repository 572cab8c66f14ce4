"""The event's trace context reaches the partner, and nothing else does in its place."""

import pytest

BODY = b'{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"S"}}'
CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (CONTEXT, CONTEXT),
        ("cc" + CONTEXT[2:] + "-more", "cc" + CONTEXT[2:] + "-more"),  # a later version may go on
        (None, None),
        ("", None),
        (CONTEXT.upper(), None),
        (f"{CONTEXT}\r\nX-Other: 1", None),
        (f"{CONTEXT}\n", None),
        (f"{CONTEXT}-\u00fc", None),
        ("a note that somebody put there", None),
    ],
)
async def test_only_a_trace_context_is_handed_on(raw_server, caller, partner, given, sent):
    """What came with the event may be anything; a header of the partner's request may not."""
    async with raw_server() as server:
        await caller.call(partner, server.url(), BODY, signed_answer=True, traceparent=given)
    (request,) = server.requests
    assert request.headers.get("traceparent") == sent
    assert b"X-Other" not in request.head
