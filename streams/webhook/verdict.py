"""What a recorded request or answer is worth, and every rule that it breaks: signature, headers, body. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.iso8601 import typed_ms
from schemas.strict_json import MalformedJson, loads
from streams.notification.outcome import NoResult
from streams.webhook.answer import Expected, judge
from streams.webhook.diagnosis import Finding, KnownKey, diagnose
from streams.webhook.recording import RecordedAnswer, RecordedRequest
from streams.webhook.signing_mistakes import Parts

_EPOCH: Final = re.compile(r"[0-9]{10}|[0-9]{13}")
_OK: Final = 200
_ISO_EXAMPLE: Final = "2026-11-22T10:15:30+00:00"


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of whom a message comes from and goes to.

    Attributes:
        client_id: the id that both sides sign with; None where it is not known, then the message's own counts.
        keys: public keys that may have signed, the right ones among them.
        other_client_ids: of others, by whose they are.
        other_paths: the same for paths.
        origin: of the notify URL.
        signed_answer: whether an answer counts only with a signature.
    """

    client_id: str | None
    keys: Sequence[KnownKey]
    other_client_ids: Mapping[str, str] = field(default_factory=dict)
    other_paths: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    signed_answer: bool = True


def request_findings(request: RecordedRequest, side: Side) -> tuple[Finding, ...]:
    """Return what is wrong with a request; nothing when its receiver has to take it."""
    return tuple(_request_findings(request, side))


def answer_findings(
    answer: RecordedAnswer, path: str, request: RecordedRequest | None, side: Side
) -> tuple[Finding, ...]:
    """Return what is wrong with an answer; nothing when it counts.

    Args:
        answer: the answer.
        path: path and query of the request.
        request: where it was recorded, for what may have been taken from it by mistake.
        side: who answers.
    """
    return tuple(_answer_findings(answer, path, request, side))


def _request_findings(request: RecordedRequest, side: Side) -> Iterator[Finding]:
    headers = request.headers
    if request.method != "POST":
        yield Finding("method", f"seen the method {request.method}, expected POST")
    client_id = headers.get("client-id")
    if client_id is None:
        yield Finding(
            "missing-client-id",
            "there is no Client-Id header; expected the id that both sides agreed on",
        )
    elif side.client_id is not None and client_id != side.client_id:
        yield Finding("client-id", f"Client-Id: seen {client_id}, expected {side.client_id}")
    moment = headers.get("request-time")
    yield from _time_findings("Request-Time", moment)
    if request.body is None:
        yield Finding(
            "no-body",
            "the recording does not show the body, as curl -v never does; expected its file with --body",
        )
        return
    length = headers.get("content-length")
    if length is not None and length != str(len(request.body)):
        yield _length(length, request.body)
    parts = Parts(
        request.path,
        side.client_id or client_id or "",
        moment or "",
        request.body,
        side.origin,
        _others(side, client_id, "the request's own Client-Id"),
        {},
        {},
        side.other_paths,
    )
    found = diagnose(headers.get("signature"), parts, side.keys)
    yield from (finding for finding in found if moment is not None or finding.rule != "time")
    media = headers.get("content-type", "").lower().replace(" ", "")
    if not media.startswith("application/json"):
        yield Finding(
            "content-type",
            f"Content-Type: seen {media or 'none'}, expected application/json; charset=UTF-8",
        )
    try:
        whole = isinstance(loads(request.body), dict)
    except MalformedJson as error:
        yield Finding("body-form", f"the body: {error}; expected one JSON object")
    else:
        if not whole:
            yield Finding("body-form", "the body is no JSON object")


def _answer_findings(
    answer: RecordedAnswer, path: str, request: RecordedRequest | None, side: Side
) -> Iterator[Finding]:
    headers = answer.headers
    if answer.http_status != _OK:
        yield Finding(
            "http-status",
            f"seen HTTP {answer.http_status}, expected 200: an answer with another status is not read, whatever it says",
        )
    yield from _body_findings(answer)
    length = headers.get("content-length")
    if length is not None and length != str(len(answer.body)):
        yield _length(length, answer.body)
    signature, moment = headers.get("signature"), headers.get("response-time")
    if signature is None and not side.signed_answer:
        return
    if not side.signed_answer and not any(key.right for key in side.keys):
        yield Finding(
            "not-verified",
            "the answer is signed, and not verified: no key of its signer is known; it counts all the same, since no signature is required",
            broken=False,
        )
        return
    if moment is None and signature is not None:
        yield Finding(
            "missing-response-time",
            f"there is no Response-Time header; expected the time that was signed, as {_ISO_EXAMPLE}: without it nobody can verify",
        )
    elif moment is not None:
        yield from _time_findings("Response-Time", moment)
    sent = request.headers if request is not None else {}
    client_id = headers.get("client-id")
    right = side.client_id or sent.get("client-id") or client_id or ""
    if client_id is not None and client_id != right:
        yield Finding(
            "client-id",
            f"Client-Id: seen {client_id}, expected {right}, the request's; an answer is verified with that",
            broken=False,
        )
    parts = Parts(
        path,
        right,
        moment or "",
        answer.body,
        side.origin,
        _others(side, client_id, "the answer's own Client-Id"),
        {
            name: text
            for name, text in {"the request's Request-Time": sent.get("request-time"), "the Date header": headers.get("date")}.items()
            if text is not None
        },
        {} if request is None or request.body is None else {"the request's body": request.body},
        side.other_paths,
    )  # fmt: skip
    found = diagnose(signature, parts, side.keys)
    yield from (finding for finding in found if moment is not None or finding.rule != "time")


def _body_findings(answer: RecordedAnswer) -> Iterator[Finding]:
    """Yield what makes the body unreadable to a worker, by its own judge; status and signature are judged apart."""
    read = judge(_OK, answer.headers, answer.body, Expected("", "", {}, signed=False))
    if not isinstance(read, NoResult):
        return
    if read.detail.startswith("content coding"):
        yield Finding(
            "content-coding",
            f"Content-Encoding: seen {read.detail}; expected none: the signature is over the bytes as they come, and nothing is unpacked",
        )
    else:
        yield Finding(
            "answer-form",
            f'the {read.detail}; expected {{"result":{{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}}}',
        )


def _others(side: Side, own: str | None, what: str) -> dict[str, str]:
    return {**({what: own} if own is not None else {}), **side.other_client_ids}


def _time_findings(name: str, text: str | None) -> Iterator[Finding]:
    if text is None:
        yield Finding(
            f"missing-{name.lower()}",
            f"there is no {name} header; expected a time like {_ISO_EXAMPLE}",
        )
    elif _EPOCH.fullmatch(text):
        yield Finding(
            "epoch-time",
            f"{name}: seen {text}, a time since the epoch; expected ISO 8601 with an offset like {_ISO_EXAMPLE}",
            broken=False,
        )
    else:
        try:
            typed_ms(text.upper())
        except ValueError:
            yield Finding(
                "time-form",
                f"{name}: seen {text}, expected ISO 8601 with an offset like {_ISO_EXAMPLE}",
                broken=False,
            )


def _length(length: str, body: bytes) -> Finding:
    return Finding(
        "content-length",
        f"Content-Length says {length}, the recording has {len(body)} bytes of body: it was changed when it was saved, or cut; record it with curl -o",
        broken=False,
    )
