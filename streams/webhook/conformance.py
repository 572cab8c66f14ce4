"""The situations of a receiver's life, played against it: what is sent in each, and what has to come back."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from schemas.acknowledgement import UnreadableAcknowledgement, read_acknowledgement
from schemas.notify_url import NotifyUrl
from streams.notification.outcome import Answered, NoResult, Outcome, Status
from streams.partners import Partner, SigningKey, public_tls
from streams.webhook.answer import Expected, judge
from streams.webhook.client import fixed_headers
from streams.webhook.connector import Sources
from streams.webhook.diagnosis import Finding
from streams.webhook.played_call import PlayedCall, Way, find_way, play
from streams.webhook.recording import RecordedAnswer, RecordedRequest
from streams.webhook.resolver import CheckedResolver
from streams.webhook.response_time import is_stale
from streams.webhook.signing import request_time, sign, signed_headers, string_to_sign
from streams.webhook.verdict import Side, answer_findings

USER_AGENT: Final = "payment-notifier-conformance"
_SLOW_PAUSE_SECONDS: Final = 1.0

Told = Literal["success", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Situation:
    """One thing that happens to every receiver.

    Attributes:
        name: for programs and for the report.
        what: is sent, for people.
        told: which notification.
        expected: `acknowledged` with S, or `refused`: anything else than an S.
        rewrite: makes other bytes of the body, for the same JSON.
        tamper: changes the body after it was signed.
        signer: whose key signs.
        query: is added to the URL.
        small_letters: write the headers' names so.
        in_pieces: send head and body with pauses.
        hang_up_first: a first call, whose answer is not waited for, comes before it.
        twice: two calls at once.
    """

    name: str
    what: str
    told: Told
    expected: Literal["acknowledged", "refused"] = "acknowledged"
    rewrite: Callable[[bytes], bytes] = bytes
    tamper: Callable[[bytes], bytes] = bytes
    signer: Literal["ours", "stranger", "none"] = "ours"
    query: str = ""
    small_letters: bool = False
    in_pieces: bool = False
    hang_up_first: bool = False
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """A situation, played.

    Attributes:
        name: of the situation.
        what: was sent.
        passed: whether the receiver did what it has to.
        answer: what it answered, in a few words.
        took_ms: until its answer.
        findings: each rule that its answer breaks.
    """

    name: str
    what: str
    passed: bool
    answer: str
    took_ms: int
    findings: tuple[Finding, ...]


def _odd_bytes(body: bytes) -> bytes:
    """Return the same JSON, with a member that nobody knows, in bytes that few serialisers would choose."""
    document = {**json.loads(body), "extendInfo": "支付 é 😀 / <&>"}
    text = json.dumps(dict(reversed(document.items())), ensure_ascii=False, indent=1)
    return text.replace("/", "\\/").replace("支", "\\u652f").encode() + b"\r\n"


def _other_amount(body: bytes) -> bytes:
    return body.replace(b'"TEST-', b'"TEST_', 1)


SITUATIONS: Final = (
    Situation("first-call", "a payment that succeeded", "success"),
    Situation("repeat", "the same bytes again, with a new Request-Time, as after an answer that was lost", "success"),
    Situation("failed", "a payment that failed (F)", "failed"),
    Situation("cancelled", "a payment that was cancelled (F ORDER_IS_CLOSED)", "cancelled"),
    Situation("odd-bytes", "legal JSON with blanks, line breaks, escapes, another order and a member that nobody knows", "success", rewrite=_odd_bytes),
    Situation("query", "a query behind the path, which is signed with it", "success", query="conformance=a%2Fb&empty="),
    Situation("small-letters", "headers whose names are in small letters", "success", small_letters=True),
    Situation("hang-up", "a call whose connection we closed before the answer, then the same bytes again", "success", hang_up_first=True),
    Situation("twice-at-once", "the same notification on two connections at once", "success", twice=True),
    Situation("slow", "head and body with pauses of a second between them", "success", in_pieces=True),
    Situation("stranger", "a signature by a key that is not ours", "failed", "refused", signer="stranger"),
    Situation("changed-body", "a body that was changed after it was signed", "failed", "refused", tamper=_other_amount),
    Situation("unsigned", "no Signature header", "failed", "refused", signer="none"),
)  # fmt: skip


def called_url(url: str, situation: Situation) -> str:
    """Return the URL that is called in a situation.

    Args:
        url: the receiver's.
        situation: may add a query to it.
    """
    if not situation.query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{situation.query}"


@dataclass(frozen=True, slots=True)
class Conformance:
    """Plays situations against one receiver.

    Attributes:
        url: the receiver's.
        partner: whose entry says how to sign and whom to trust.
        side: what answers are held against.
        resolver: looks the receiver up, once.
        sources: our fixed addresses.
        bodies: of the notifications by what they tell.
        now_ms: tells the time.
    """

    url: str
    partner: Partner
    side: Side
    resolver: CheckedResolver
    sources: Sources
    bodies: dict[Told, bytes]
    now_ms: Callable[[], int]

    async def run(self) -> AsyncGenerator[Played, None]:
        """Play every situation, one after the other."""
        stranger = SigningKey("1", generate_private_key(65537, 2048), float("-inf"))
        way = await find_way(
            NotifyUrl.of(self.url),
            self.resolver,
            self.sources,
            self.partner.attempt_timeout_seconds,
        )
        for situation in SITUATIONS:
            yield await self._play(situation, way, stranger)

    async def _play(self, situation: Situation, way: Way, stranger: SigningKey) -> Played:
        target = NotifyUrl.of(called_url(self.url, situation))
        if situation.hang_up_first:
            await self._call(
                way, target, self._request(situation, target, stranger), situation, hang_up=True
            )
        requests = [self._request(situation, target, stranger) for _ in range(1 + situation.twice)]
        calls = await asyncio.gather(
            *(self._call(way, target, request, situation) for request in requests)
        )
        judged = [
            self._judge(situation, target, request, call)
            for request, call in zip(requests, calls, strict=True)
        ]
        return next((played for played in judged if not played.passed), judged[0])

    def _request(
        self, situation: Situation, target: NotifyUrl, stranger: SigningKey
    ) -> RecordedRequest:
        body = situation.rewrite(self.bodies[situation.told])
        now_ms = self.now_ms()
        now = request_time(now_ms, self.partner.request_time_format)
        key = (
            stranger if situation.signer == "stranger" else self.partner.signing_key(now_ms / 1000)
        )
        signature = sign(key, string_to_sign(target.path, self.partner.client_id, now, body))
        headers = {
            "Host": target.origin.partition("://")[2],
            **dict(fixed_headers(USER_AGENT)),
            **signed_headers(self.partner, now, signature),
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        if situation.signer == "none":
            del headers["Signature"]
        if situation.small_letters:
            headers = {name.lower(): value for name, value in headers.items()}
        return RecordedRequest("POST", target.path, headers, situation.tamper(body))

    async def _call(
        self,
        way: Way,
        target: NotifyUrl,
        request: RecordedRequest,
        situation: Situation,
        *,
        hang_up: bool = False,
    ) -> PlayedCall:
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        head = f"POST {target.path} HTTP/1.1\r\n{lines}\r\n".encode()
        body = request.body or b""
        half = len(body) // 2
        pieces = [head, body[:half], body[half:]] if situation.in_pieces else [head + body]
        is_https = target.origin.startswith("https:")
        return await play(
            target,
            pieces,
            way=way,
            tls=(self.partner.tls or public_tls()) if is_https else None,
            timeout_seconds=self.partner.attempt_timeout_seconds,
            pause_seconds=_SLOW_PAUSE_SECONDS if situation.in_pieces else 0.0,
            hang_up=hang_up,
        )

    def _judge(
        self, situation: Situation, target: NotifyUrl, request: RecordedRequest, call: PlayedCall
    ) -> Played:
        def played(answer: str, findings: tuple[Finding, ...], *, passed: bool) -> Played:
            return Played(situation.name, situation.what, passed, answer, call.took_ms, findings)

        if call.answer is None:
            finding = Finding(
                "no-answer",
                f"{call.trouble}; expected an answer within {self.partner.attempt_timeout_seconds:g} s to every call",
            )
            return played(call.trouble, (finding,), passed=False)
        sent = RecordedRequest(
            request.method,
            request.path,
            {name.lower(): value for name, value in request.headers.items()},
            request.body,
        )
        findings = answer_findings(call.answer, target.path, sent, self.side)
        status, said = _said(call.answer.http_status, call.answer.body)
        if situation.expected == "refused":
            if status == "S":
                forged = Finding(
                    "forgery-taken",
                    "a forged notification was acknowledged with S; expected F INVALID_SIGNATURE: verify before anything is done",
                )
                return played(said, (forged, *findings), passed=False)
            return played(said, _odd(findings), passed=True)
        if status not in {"S", None}:
            wrong = Finding(
                "not-acknowledged",
                f"seen {said}, expected S: whatever became of the payment, S says that the notification was taken",
            )
            findings = (wrong, *findings)
        outcome, of_its_time = self._worth(call.answer, target.path)
        findings += of_its_time
        if isinstance(outcome, Answered) and outcome.status is Status.SUCCESS:
            return played(said, _odd(findings), passed=True)
        if isinstance(outcome, NoResult) and not any(finding.broken for finding in findings):
            unnamed = f"a worker takes this answer for no result ({outcome.failure.value}), for none of the reasons that are known here"
            findings += (Finding("no-result", unnamed),)
        return played(said, findings, passed=False)

    def _worth(self, answer: RecordedAnswer, path: str) -> tuple[Outcome, tuple[Finding, ...]]:
        """Return what a worker would make of an answer, and what is wrong with its time."""
        moment, refused = answer.headers.get("response-time"), self.partner.refuse_stale_responses
        stale = is_stale(moment, self.now_ms())
        expected = Expected(
            path,
            self.partner.client_id,
            self.partner.peer_keys,
            self.side.signed_answer,
            stale=stale and refused,
        )
        outcome = judge(answer.http_status, answer.headers, answer.body, expected)
        off = f"Response-Time: seen {moment}, more than 15 minutes from our clock; expected the present"
        return outcome, (Finding("stale-answer", off, broken=refused),) if stale else ()


def _odd(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return findings that cost the answer nothing."""
    return tuple(replace(finding, broken=False) for finding in findings)


def _said(http_status: int, body: bytes) -> tuple[str | None, str]:
    """Return the answer's status, where it can be read, and all of it in a few words."""
    try:
        result = read_acknowledgement(body).result
    except UnreadableAcknowledgement:
        return None, f"HTTP {http_status}"
    return result.result_status, f"HTTP {http_status}, {result.result_status} {result.result_code}"
