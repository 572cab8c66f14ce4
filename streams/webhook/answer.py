"""What an answer means (contract, section 2): pure, over the status, the headers and the exact bytes.

Judged by what is needed: status, signature, `result`. No header is looked at but the signature's, and a Content-Encoding
that names a real coding: some servers write a charset there, or `none`, and the bytes are signed as they are.
"""

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from schemas.acknowledgement import UnreadableAcknowledgement, read_acknowledgement
from schemas.valueclass import valueclass
from streams.notification.outcome import Answered, Failure, NoResult, Outcome, Status
from streams.webhook.signing import string_to_sign, verify

_OK: Final = 200
_CODINGS: Final = frozenset(
    {
        # IANA's registry of HTTP content codings
        *("aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "pack200-gzip", "x-compress", "x-gzip", "zstd"),
        # and what is used without being registered
        *("brotli", "bzip2", "lz4", "lzma", "snappy", "x-bzip2", "x-lzma", "x-snappy", "xz"),
    }
)  # fmt: skip
"""What changes a body. Anything else in Content-Encoding is a mistake that changes nothing."""


@valueclass(frozen=True, slots=True)
class Expected:
    """What an answer is checked against.

    Attributes:
        path: path and query of the request.
        client_id: ours; an answer that names another is verified with ours all the same.
        peer_keys: the partner's public keys by version; may be empty.
        signed: whether an answer without a signature counts for nothing.
        stale: the answer's time is too far from ours for its S to count.
    """

    path: str
    client_id: str
    peer_keys: Mapping[str, RSAPublicKey]
    signed: bool
    stale: bool = False


def judge(
    http_status: int, headers: Mapping[str, str], body: bytes | NoResult, expected: Expected
) -> Outcome:
    """Return what an answer brought.

    Args:
        http_status: of the answer.
        headers: of the answer, under lower-case names; those given twice joined with a comma.
        body: its bytes, or what came of reading them.
        expected: what to hold it against.
    """
    if http_status != _OK:
        return NoResult(Failure.HTTP_STATUS)
    if isinstance(body, NoResult):
        return body
    if (named := headers.get("content-encoding")) and (coding := _coding(named)) is not None:
        return _unreadable(f"content coding {coding}, which was not asked for")
    try:
        result = read_acknowledgement(body).result
    except UnreadableAcknowledgement as exc:
        return _unreadable(f"body: {exc}")
    status, code = Status(result.result_status), result.result_code
    failure = _signature_failure(headers, body, expected)
    if failure is None and expected.stale and status is Status.SUCCESS:
        failure = Failure.STALE_ANSWER
    return (
        Answered(status, code) if failure is None else NoResult(failure, claimed=status, code=code)
    )


def _unreadable(detail: str) -> NoResult:
    return NoResult(Failure.UNREADABLE_ANSWER, detail=detail)


def _coding(named: str) -> str | None:
    """Return the first real coding that a Content-Encoding names."""
    codings = (coding.strip().lower() for coding in named.split(","))
    return next((coding for coding in codings if coding in _CODINGS), None)


def _signature_failure(
    headers: Mapping[str, str], body: bytes, expected: Expected
) -> Failure | None:
    signature, time = headers.get("signature"), headers.get("response-time")
    if signature is None or not (expected.peer_keys or expected.signed):
        return Failure.UNSIGNED_ANSWER if expected.signed else None
    if time is None:
        return Failure.WRONG_SIGNATURE
    signed = string_to_sign(expected.path, expected.client_id, time, body)
    return None if verify(signature, signed, expected.peer_keys) else Failure.WRONG_SIGNATURE
