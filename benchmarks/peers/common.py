"""What the peers share: their configuration, the building of a request, the reading of an answer.

They trust the event: no validation, no limits for each partner, no attempts log, no delays. What did not bring S or a
refusal goes to one retry topic. The peer in Go (`go_franz`) does the same, and sends the same bytes.
"""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from streams.clock import Clock
from streams.sandbox.keys import CLIENT_ID, keys_in
from streams.sandbox.signatures import is_signed, load_private_key, load_public_key, sign

TIMEOUT_SECONDS = 5.0
_RESULTS = {"SUCCESS": ("S", "SUCCESS"), "CANCELLED": ("F", "ORDER_IS_CLOSED")}
_FAILED = ("F", "PROCESS_FAIL")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Request:
    """One POST.

    Attributes:
        path: as it was signed.
        order: the order id, key of what is written about it.
    """

    url: str
    path: str
    order: str
    headers: dict[str, str]
    body: bytes


class Desk:
    """Builds requests and reads answers; configured by the environment.

    Attributes:
        verifies: whether answers count only with a right signature.
    """

    def __init__(self) -> None:
        keys = keys_in(Path(os.environ["BENCH_KEYS"]))
        self.brokers = os.environ["BENCH_BROKERS"]
        self.topic = os.environ["BENCH_TOPIC"]
        self.retry_topic = os.environ["BENCH_RETRY_TOPIC"]
        self.group = os.environ["BENCH_GROUP"]
        self.in_flight = int(os.environ["BENCH_IN_FLIGHT"])
        self.verifies = bool(int(os.environ["BENCH_VERIFIES"]))
        self._ca = keys.ca
        self._private: RSAPrivateKey = load_private_key(keys.sender.private)
        self._peer: RSAPublicKey = load_public_key(keys.receiver.public)
        self._clock = Clock()

    def tls(self) -> ssl.SSLContext:
        """Return the context that trusts the receiver."""
        return ssl.create_default_context(cafile=self._ca)

    def request(self, event: Mapping[str, Any]) -> Request:
        """Build an event's body and sign it."""
        payment = event["payment"]
        url = event["notifyUrl"]
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = _ENCODER.encode(_document(event)).encode()
        now = datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC).isoformat()
        headers = {
            "Client-Id": CLIENT_ID,
            "Request-Time": now,
            "Signature": sign(self._private, path, CLIENT_ID, now, body),
            "Content-Type": "application/json; charset=UTF-8",
        }
        order = payment["paymentId" if path.endswith("PushPayment") else "paymentRequestId"]
        return Request(url, path, order, headers, body)

    def is_told(self, request: Request, status: int, headers: Any, body: bytes) -> bool:  # noqa: ANN401  # a client's own
        """Tell whether an answer settles a notification: S, or F for good."""
        if status != 200:  # noqa: PLR2004  # HTTP
            return False
        if self.verifies and not is_signed(
            self._peer,
            headers.get("signature", ""),
            request.path,
            CLIENT_ID,
            headers.get("response-time", ""),
            body,
        ):
            return False
        return json.loads(body)["result"]["resultStatus"] in {"S", "F"}


def _document(event: Mapping[str, Any]) -> dict[str, Any]:
    status, code = _RESULTS.get(event["outcome"], _FAILED)
    result = {"resultStatus": status, "resultCode": code, "resultMessage": code.lower()}
    if event["profile"] == "alipay-to-merchant":
        return {"notifyType": "PAYMENT_RESULT", "result": result, **event["payment"]}
    return {"paymentResult": result, **event["payment"]}
