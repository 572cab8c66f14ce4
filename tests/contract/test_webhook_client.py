"""What an attempt's result looks like: the client over HTTPS against a partner, and the scripted one that unit tests use."""

import ipaddress
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest

from streams.clock import Clock
from streams.notification.outcome import (
    Answered,
    Blocked,
    Failure,
    NoResult,
    Outcome,
    RequestLeft,
    Status,
)
from streams.partners import SigningKey
from streams.sandbox.signatures import load_private_key, load_public_key
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import Guard
from streams.webhook.https import WebhookClient
from tests.unit.bench import ScriptedCaller, partner
from tests.unit.kit import ManualClock

PROFILE = "mpp-to-ant"


class Scripted:
    """The scripted client: it gives each outcome that it is told."""

    def __init__(self):
        self.entry = partner()
        self.clock = ManualClock()

    async def call(self, case):
        url = "https://shop.example.com/notify"
        caller = ScriptedCaller(self.clock, case.outcome)
        return url, await caller.call(self.entry, url, b"{}", signed_answer=True)


class OverHttps:
    """The real client and a partner that answers by script."""

    def __init__(self, server, keys):
        self.server, self.clock = server, Clock()
        self.entry = replace(
            partner(),
            signing_keys=(SigningKey("1", load_private_key(keys.sender.private), float("-inf")),),
            peer_keys=MappingProxyType({"1": load_public_key(keys.receiver.public)}),
            tls=ssl.create_default_context(cafile=str(keys.ca)),
            attempt_timeout_seconds=20.0,
        )

    async def call(self, case):
        url = case.url or self.server.notify_url(PROFILE, case.script)
        if "{port}" in url:
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                url = url.format(port=unused.getsockname()[1])
        entry = replace(self.entry, attempt_timeout_seconds=case.timeout_seconds)
        with ThreadPoolExecutor(1) as threads:
            client = WebhookClient(
                clock=self.clock,
                guard=Guard(EgressNetworks(allow=(ipaddress.ip_network("127.0.0.0/8"),))),
                signing_threads=threads,
                lookup_threads=threads,
                user_agent="contract",
            )
            try:
                return url, await client.call(entry, url, b"{}", signed_answer=True)
            finally:
                await client.aclose()


@dataclass(frozen=True)
class Case:
    """What a partner does, by script or at a URL, and what is to come of it."""

    outcome: Outcome
    status: int | None
    left: RequestLeft
    script: str = ""
    url: str = ""
    timeout_seconds: float = 20.0


CASES = {
    "acknowledged": Case(Answered(Status.SUCCESS, "SUCCESS"), 200, RequestLeft.YES, script="S"),
    "unknown": Case(
        Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION"), 200, RequestLeft.YES, script="U"
    ),
    "failed": Case(Answered(Status.FAILED, "PARAM_ILLEGAL"), 200, RequestLeft.YES, script="F:PARAM_ILLEGAL"),
    "another status": Case(NoResult(Failure.HTTP_STATUS), 502, RequestLeft.YES, script="http:502"),
    "unsigned": Case(
        NoResult(Failure.UNSIGNED_ANSWER, Status.SUCCESS, "SUCCESS"), 200, RequestLeft.YES, script="unsigned"
    ),
    "reset": Case(NoResult(Failure.BROKEN_CONNECTION), None, RequestLeft.PERHAPS, script="refuse"),
    "nobody listens": Case(
        NoResult(Failure.CONNECT_ERROR), None, RequestLeft.NO, url="https://127.0.0.1:{port}/x"
    ),
    "no answer": Case(
        NoResult(Failure.READ_TIMEOUT), None, RequestLeft.PERHAPS, script="never", timeout_seconds=6.0
    ),
    "blocked": Case(
        Blocked("the address 10.0.0.1 is private"), None, RequestLeft.NO, url="https://10.0.0.1/x"
    ),
}  # fmt: skip


@pytest.fixture(params=["scripted", "https"])
def client(request):
    """A client of each kind."""
    if request.param == "scripted":
        return Scripted()
    return OverHttps(request.getfixturevalue("partner"), request.getfixturevalue("keys"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_result_says_what_came_back_and_when(client, case):
    """Outcome, status and whether the request left agree; it ends after it began, on the worker's clock, signing included."""
    before = client.clock.now_ms()
    url, result = await client.call(case)
    if isinstance(case.outcome, Blocked):  # the reason is the egress rules'
        assert isinstance(result.outcome, Blocked)
    else:
        assert result.outcome == case.outcome
        assert result.url_origin == "/".join(url.split("/")[:3])
    assert (result.http_status, result.request_left) == (case.status, case.left)
    assert (result.retry_after_seconds, result.slow_down, result.stale) == (None, False, False)
    assert before <= result.started_at_ms <= result.ended_at_ms <= client.clock.now_ms()
    assert 0 <= result.signing_seconds <= (result.ended_at_ms - result.started_at_ms + 1) / 1000
