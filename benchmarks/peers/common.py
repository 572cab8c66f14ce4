"""What the peers share: their configuration, the building of a request, the reading of an answer.

They trust the event: no validation, no limits for each partner, no attempts log, no delays. What did not bring S or a
refusal goes to one retry topic. The peer in Go (`go_franz`) does the same, and sends the same bytes.
One of them may be given duties of the notifier besides (`duties`).
"""

import base64
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from schemas.acknowledgement import Acknowledgement
from streams.clock import Clock
from streams.sandbox.keys import CLIENT_ID, keys_in
from streams.sandbox.signatures import load_private_key, load_public_key

TIMEOUT_SECONDS = 5.0
VALIDATE, VERIFY, RECORD, COUNT = DUTIES = ("validate", "verify", "record", "count")
"""What the notifier does besides, and a peer may be told to do by `BENCH_DUTIES`."""
_RESULTS = {"SUCCESS": ("S", "SUCCESS"), "CANCELLED": ("F", "ORDER_IS_CLOSED")}
_FAILED = ("F", "PROCESS_FAIL")
_PADDING, _HASH = PKCS1v15(), SHA256()
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Request:
    """One POST.

    Attributes:
        path: as it was signed.
        order: the order id, key of what is written about it.
        result: of the payment, as the body says it.
    """

    url: str
    path: str
    order: str
    headers: dict[str, str]
    body: bytes
    result: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    Attributes:
        http_status: None where no answer came.
        result: S, F or U; None where nothing came that counts.
        code: that came with it.
    """

    http_status: int | None = None
    result: str | None = None
    code: str = ""

    @property
    def settles(self) -> bool:
        """Whether the notification needs no other attempt: S, or F for good."""
        return self.result in {"S", "F"}


class Desk:
    """Builds requests and reads answers; configured by the environment.

    Attributes:
        verifies: whether answers count only with a right signature.
        duties: what it does besides.
    """

    def __init__(self) -> None:
        keys = keys_in(Path(os.environ["BENCH_KEYS"]))
        self.brokers = os.environ["BENCH_BROKERS"]
        self.topic = os.environ["BENCH_TOPIC"]
        self.retry_topic = os.environ["BENCH_RETRY_TOPIC"]
        self.group = os.environ["BENCH_GROUP"]
        self.in_flight = int(os.environ["BENCH_IN_FLIGHT"])
        self.duties = frozenset(os.environ["BENCH_DUTIES"].split())
        self.attempts_topic = os.environ["BENCH_ATTEMPTS_TOPIC"]
        self.verifies = bool(int(os.environ["BENCH_VERIFIES"])) or VERIFY in self.duties
        self._is_strict = VERIFY in self.duties
        self._ca = keys.ca
        self._private: RSAPrivateKey = load_private_key(keys.sender.private)
        self._peer: RSAPublicKey = load_public_key(keys.receiver.public)
        self._clock = Clock()
        self.now_ms = self._clock.now_ms

    def tls(self) -> ssl.SSLContext:
        """Return the context that trusts the receiver."""
        return ssl.create_default_context(cafile=self._ca)

    def request(self, event: Mapping[str, Any]) -> Request:
        """Build an event's body and sign it."""
        payment = event["payment"]
        url = event["notifyUrl"]
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        content = document(event)
        body = _ENCODER.encode(content).encode()
        now = datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC).isoformat()
        headers = {
            "Client-Id": CLIENT_ID,
            "Request-Time": now,
            "Signature": self._sign(path, now, body),
            "Content-Type": "application/json; charset=UTF-8",
        }
        order = payment["paymentId" if path.endswith("PushPayment") else "paymentRequestId"]
        result = content["result" if "result" in content else "paymentResult"]
        return Request(url, path, order, headers, body, result)

    def _sign(self, path: str, when: str, body: bytes) -> str:
        raw = self._private.sign(_content(path, when, body), _PADDING, _HASH)
        # as the notifier does it: urllib's quote takes a twentieth of a signature
        text = base64.b64encode(raw).replace(b"+", b"%2B").replace(b"/", b"%2F")
        return f"algorithm=RSA256,keyVersion=1,signature={text.replace(b'=', b'%3D').decode()}"

    def is_told(self, request: Request, status: int, headers: Any, body: bytes) -> bool:  # noqa: ANN401  # a client's own
        """Tell whether an answer settles a notification: S, or F for good."""
        return self.answer(request, status, headers, body).settles

    def answer(self, request: Request, status: int, headers: Any, body: bytes) -> Answer:  # noqa: ANN401  # a client's own
        """Read an answer."""
        if status != 200:  # noqa: PLR2004  # HTTP
            return Answer(status)
        if self.verifies and not self._is_signed(request, headers, body):
            return Answer(status)
        if not self._is_strict:
            return Answer(status, json.loads(body)["result"]["resultStatus"])
        try:
            result = Acknowledgement.model_validate_json(body).result
        except ValueError:
            return Answer(status)
        return Answer(status, result.result_status, result.result_code)

    def _is_signed(self, request: Request, headers: Any, body: bytes) -> bool:  # noqa: ANN401  # a client's own
        """Tell whether an answer's signature is right; on the event loop, since a thread would take longer."""
        _, _, text = headers.get("signature", "").partition("signature=")
        # urllib's unquote takes half as long as the verification
        text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
        when = headers.get("response-time", "")
        content = _content(request.path, when, body)
        try:
            self._peer.verify(base64.b64decode(text), content, _PADDING, _HASH)
        except (InvalidSignature, ValueError):  # the latter where it is no base64
            return False
        return True


def _content(path: str, when: str, body: bytes) -> bytes:
    """Return what is signed."""
    return f"POST {path}\n{CLIENT_ID}.{when}.".encode() + body


def document(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that an event makes."""
    status, code = _RESULTS.get(event["outcome"], _FAILED)
    result = {"resultStatus": status, "resultCode": code, "resultMessage": code.lower()}
    if event["profile"] == "alipay-to-merchant":
        return {"notifyType": "PAYMENT_RESULT", "result": result, **event["payment"]}
    return {"paymentResult": result, **event["payment"]}
