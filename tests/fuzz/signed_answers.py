"""Answers of partners, signed with the vendor's throw-away keys: what is judged to be an answer was signed."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.notification.outcome import Answered
from streams.partners import SigningKey
from streams.webhook.answer import Expected, judge
from streams.webhook.response_time import is_stale
from streams.webhook.retry_after import retry_after_seconds
from streams.webhook.signing import sign, string_to_sign
from tests.fuzz.targets import Bytes
from tests.unit.kit import NOW_MS

VECTORS = Path(__file__).parents[1] / "vectors"
PATH = "/notify?x=1"
CLIENT = "CLIENT"
MOMENT = "2026-11-22T10:15:30Z"


class Answers(Bytes):
    """Answers as the verifier gets them: only the very bytes that the partner signed count."""

    def __init__(self) -> None:
        self._key, self._public = vector_keys("receiver")
        self._body = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"ok"}}'
        self._expected = Expected(PATH, CLIENT, {"1": self._public}, signed=True)

    async def seeds(self) -> list[bytes]:
        """Return rightly signed answers, S, F and U."""
        return [
            self._answer(self._body.replace(b'"S"', b'"%b"' % status))
            for status in (b"S", b"F", b"U")
        ]

    async def try_one(self, case: bytes) -> None:
        """Judge it."""
        head, _, body = case.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        digits = first[9:12]
        status = int(digits) if digits.isascii() and digits.isdigit() else 0
        check_answered(judge(status, headers, body, self._expected), case)
        for value in headers.values():
            is_stale(value, NOW_MS)
            seconds = retry_after_seconds(value, NOW_MS / 1000)
            assert seconds is None or 0 <= seconds <= 3600

    async def close(self) -> None:
        """Hold nothing."""

    def _answer(self, body: bytes) -> bytes:
        return signed_answer(self._key, body)


def check_answered(outcome: object, case: bytes) -> None:
    """Check that whoever was believed had said just that, signed: its body and time stand in the bytes unchanged."""
    if isinstance(outcome, Answered):
        signed = b'{"result":{"resultStatus":"%b"' % outcome.status.encode()
        assert signed in case.replace(b"\r\n", b"") or b"chunked" in case.lower()
        assert MOMENT.encode() in case
        assert b'"resultCode":"SUCCESS"' in case or b"chunked" in case.lower()
        assert outcome.code == "SUCCESS"


def vector_keys(who: str) -> tuple[SigningKey, RSAPublicKey]:
    """Return the vendor's throw-away keys."""
    private = load_pem_private_key((VECTORS / f"{who}_private_pkcs8.pem").read_bytes(), None)
    public = load_pem_public_key((VECTORS / f"{who}_public_spki.pem").read_bytes())
    assert isinstance(private, RSAPrivateKey)
    assert isinstance(public, RSAPublicKey)
    return SigningKey("1", private, float("-inf")), public


def signed_answer(key: SigningKey, body: bytes) -> bytes:
    """Return an HTTP answer with this body, rightly signed."""
    signature = sign(key, string_to_sign(PATH, CLIENT, MOMENT, body))
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json; charset=UTF-8",
        f"Content-Length: {len(body)}",
        f"client-id: {CLIENT}",
        f"response-time: {MOMENT}",
        f"signature: {signature}",
        "Retry-After: 5",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
