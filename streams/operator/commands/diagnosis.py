"""What a test call showed, and what to mend when it failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.notify_url import NotifyUrl
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, Status, describe
from streams.notification.profile import SET_UP_FAULTS, Profile
from streams.partners import Partner
from streams.partners.inventory import fingerprint
from streams.webhook.diagnosis import Finding
from streams.webhook.https import AttemptResult
from streams.webhook.signing import request_time


@dataclass(frozen=True, slots=True)
class TestReport:
    """What was sent, what came back, and what to mend.

    Attributes:
        partner_id: whom.
        profile: how.
        order_id: of the test.
        request: the request's line.
        headers: what was sent beside the body; of the signature its form only.
        body: the body: no customer data, it is a test.
        request_left: whether the partner may have seen it.
        http_status: of the answer.
        answer: what it says: `S SUCCESS`, or what happened instead.
        answer_signature: `verified`, `not asked for`, `missing`, `wrong`, or empty without an answer.
        took_ms: from signing to the judgement.
        acknowledged: S, and signed where that is asked for.
        mend: what to do; empty when it is acknowledged.
        findings: each rule that the answer breaks.
    """

    partner_id: str
    profile: str
    order_id: str
    request: str
    headers: dict[str, str]
    body: str
    request_left: str
    http_status: int | None
    answer: str
    answer_signature: str
    took_ms: int
    acknowledged: bool
    mend: str
    findings: tuple[Finding, ...]


def report_of(  # what was sent, what came back
    entry: Partner,
    profile: Profile,
    url: str,
    notification: Notification,
    call: AttemptResult,
    findings: tuple[Finding, ...],
) -> TestReport:
    """Return what a test call showed."""
    target = NotifyUrl.of(url)
    path, has_query, _ = target.path.partition("?")
    query = "?…" if has_query else ""  # may hold a token
    key = entry.signing_key(call.started_at_ms / 1000)
    bits = key.private_key.key_size
    headers = {
        "Client-Id": entry.client_id,
        "Request-Time": request_time(call.started_at_ms, entry.request_time_format),
        "Signature": f"algorithm=RSA256,keyVersion={key.version},signature=… (RSA, {bits} bits)",
        "Content-Type": "application/json; charset=UTF-8",
    }
    outcome = call.outcome
    return TestReport(
        partner_id=entry.partner_id,
        profile=profile.name,
        order_id=notification.order_id,
        request=f"POST {target.origin}{path}{query}",
        headers=headers,
        body=notification.body.decode(),
        request_left=call.request_left.value,
        http_status=call.http_status,
        answer=_answer(call),
        answer_signature=_signature(call, asked=entry.signed_answer(profile)),
        took_ms=call.ended_at_ms - call.started_at_ms,
        acknowledged=isinstance(outcome, Answered) and outcome.status is Status.SUCCESS,
        mend=_mend(call, findings, fingerprint(key.private_key.public_key())),
        findings=findings,
    )


def _answer(call: AttemptResult) -> str:
    match call.outcome:
        case Answered(status, code):
            return f"{status.value} {code}".rstrip()
        case NoResult(detail=detail) if detail:
            return f"{describe(call.outcome)}: {detail}"
        case NoResult(claimed=Status() as claimed, code=code):
            return f"{describe(call.outcome)} ({claimed.value} {code})"
        case NoResult():
            return describe(call.outcome)
        case Blocked(why):
            return f"blocked: {why}"


def _signature(call: AttemptResult, *, asked: bool) -> str:
    match call.outcome:
        case Answered():
            return "verified" if asked else "not asked for"
        case NoResult(Failure.UNSIGNED_ANSWER):
            return "missing"
        case NoResult(Failure.WRONG_SIGNATURE):
            return "wrong"
        case _:
            return ""


_MEND: dict[str, str] = {
    Failure.DNS_ERROR: "the host name is not known here: check notify_url, then DNS and egress of this network",
    Failure.CONNECT_ERROR: "nothing listens there, or a firewall refuses us: check port and the partner's allow-list",
    Failure.CONNECT_TIMEOUT: "no connection comes about: a firewall drops it; ask the partner to allow our addresses",
    Failure.TLS_ERROR: "TLS fails: check the partner's certificate, tls.ca_file, and our client certificate if it asks for one",
    Failure.TLS_INCOMPLETE_CHAIN: "the partner leaves out an intermediate certificate, or its CA is not in tls.ca_file: docs/partner-tls.md says how to see which",
    Failure.READ_TIMEOUT: "the partner takes too long: ask why, or raise attempt_timeout_seconds (10 at most)",
    Failure.BROKEN_CONNECTION: "the partner closes the connection without an answer: ask for its log at this time",
    Failure.HTTP_STATUS: "not HTTP 200: check the path of notify_url, and the partner's gateway",
    Failure.OVERSIZED_ANSWER: "the answer is too long for an acknowledgement: is this the right address?",
    Failure.UNREADABLE_ANSWER: "the answer can't be read: is this the right address? docs/answers.md says what it means, and whom to ask",
    Failure.UNSIGNED_ANSWER: "the answer is not signed: ask the partner to sign, or set require_signed_response: false",
    Failure.STALE_ANSWER: "the answer's Response-Time is more than 15 minutes from our clock: ask the partner to set its clock, or take refuse_stale_responses away",
    Failure.WRONG_SIGNATURE: "the answer's signature is wrong: compare peer_public_key_files with the partner's public key",
}
_OUR_KEYS = "the partner does not accept our signature: compare client_id, key_version and our public key as it has it"
_MEND_CODES = {
    "INVALID_SIGNATURE": _OUR_KEYS,
    "SIGNATURE_INVALID": _OUR_KEYS,
    "KEY_NOT_FOUND": "the partner has no key of ours of this version: compare client_id and key_version",
    "INVALID_CLIENT": "the partner does not know our client_id",
}


def _mend(call: AttemptResult, findings: Sequence[Finding], our_fingerprint: str) -> str:
    match call.outcome:
        case Answered(Status.SUCCESS):
            return ""
        case Answered(Status.FAILED, code) if code in SET_UP_FAULTS:
            advice = _MEND_CODES.get(
                code, f"the partner blames our set-up ({code}): ask what it expects"
            )
            return f"{advice} (our public key has SHA-256 {our_fingerprint}; --show-request prints what was signed)"
        case NoResult(Failure.WRONG_SIGNATURE):
            broken = "; ".join(finding.text for finding in findings if finding.broken)
            return broken or _MEND[Failure.WRONG_SIGNATURE]
        case Answered(status):
            return f"address, network and keys are good; {_REFUSALS[status]}"
        case NoResult(failure):
            return _MEND[failure]
        case Blocked(why):
            return f"we may not call it: {why}"


_REFUSALS = {
    Status.FAILED: "the partner refuses an order that it does not know, as it may",
    Status.UNKNOWN: "the partner could not take it now",
}
