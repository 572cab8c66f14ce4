"""How a rehearsal partner puts an answer of its script on the wire: signed, late, cut off, or not at all."""

import asyncio
import json
from datetime import UTC, datetime
from functools import lru_cache

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.clock import Clock
from streams.sandbox.script import Answer
from streams.sandbox.signatures import sign

_SIGNED_ANSWERS_KEPT = 10_000
_OVERSIZED_BYTES = 100 * 1024


class Responder:
    """Answers requests.

    Args:
        private_key: signs the answers.
        release: lets requests on `hold` go.
        stop: ends requests that get no answer.
    """

    def __init__(
        self, private_key: rsa.RSAPrivateKey, release: asyncio.Event, stop: asyncio.Event
    ) -> None:
        self._private_key = private_key
        self._release = release
        self._stop = stop
        self._clock = Clock()
        self._sign = lru_cache(_SIGNED_ANSWERS_KEPT)(self._sign_anew)

    async def respond(self, request: web.Request, answer: Answer) -> web.StreamResponse:  # noqa: PLR0911  # one for each kind
        """Return the answer; where there is none, or half of one, the connection is reset."""
        match answer.kind:
            case "slow":
                await asyncio.sleep(answer.number)
            case "hold":
                await self._release.wait()
            case "never":
                await self._stop.wait()
                return _reset(request)
            case "http":
                return _status(int(answer.number))
            case "retry-after":
                return web.Response(status=503, headers={"retry-after": f"{answer.number:g}"})
            case "refuse":
                return _reset(request)
            case "garbage":
                return web.Response(
                    body=b'<html>{"result": {"resultStatus": "S"', content_type="text/html"
                )
            case "drop":
                return await self._half(request, answer)
            case "result" | "oversized":
                pass
        body = _result(answer)
        return web.Response(
            body=body,
            headers=self._signature(request, body, answer),
            content_type="application/json",
        )

    def _signature(self, request: web.Request, body: bytes, answer: Answer) -> dict[str, str]:
        if answer.signature == "none":
            return {}
        client_id = request.headers.get("Client-Id", "")
        now = datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC).isoformat()
        signed = body if answer.signature == "right" else body + b" "
        # in lower case: the vendor's Python client looks for nothing else
        return {
            "client-id": client_id,
            "response-time": now,
            "signature": self._sign(request.raw_path, client_id, now, signed),
        }

    def _sign_anew(self, path: str, client_id: str, when: str, body: bytes) -> str:
        return sign(self._private_key, path, client_id, when, body)

    async def _half(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = _result(answer)
        response = web.StreamResponse(headers=self._signature(request, body, answer))
        response.content_type = "application/json"
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        _reset(request)
        return response


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status(status: int) -> web.Response:
    redirected = {"location": "/elsewhere"} if 300 <= status < 400 else {}  # noqa: PLR2004  # where nobody may go
    return web.Response(status=status, headers=redirected)


def _result(answer: Answer) -> bytes:
    message = (
        "x" * _OVERSIZED_BYTES
        if answer.kind == "oversized"
        else answer.code.replace("_", " ").lower()
    )
    result = {"resultCode": answer.code, "resultStatus": answer.status, "resultMessage": message}
    return json.dumps({"result": result}, separators=(",", ":")).encode()
