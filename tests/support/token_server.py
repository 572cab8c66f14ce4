"""A token server as OIDC providers have it: client credentials for signed JWTs over TLS, and its public keys.

In threads of its own, so that workers in processes of their own and the broker can ask it while a test waits.
"""

import base64
import json
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from streams.sandbox.keys import Keys
from streams.sandbox.secure_listener import TokenIssuer

ISSUER = "https://tokens.example.com"
AUDIENCE = "kafka"
_KEY_ID = "one"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class TokenServer:
    """Two HTTP servers: `url` is the token endpoint, over TLS; `jwks_url` has the public keys.

    Args:
        keys: whose server certificate it shows.
        secrets: of the clients, by their id; a client's tokens are for the user of the same name.

    Attributes:
        secrets: may be changed.
        life_seconds: of the tokens that it gives out from now on.
        more: members of the claims that differ from what is right.
        refuses: status and answer to give instead of tokens, unless None.
        asked: forms and headers of the requests for tokens so far.
    """

    def __init__(self, keys: Keys, secrets: Mapping[str, str]) -> None:
        self.secrets = dict(secrets)
        self.life_seconds: float = 300
        self.more: dict[str, Any] = {}
        self.refuses: tuple[int, Mapping[str, str]] | None = None
        self.asked: list[dict[str, str]] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._tokens = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys.server.certificate, keys.server.key)
        # The handshake is left to the threads: a client that makes none must not hold up the others.
        self._tokens.socket = context.wrap_socket(
            self._tokens.socket, server_side=True, do_handshake_on_connect=False
        )
        self._keys = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            for server in (self._tokens, self._keys)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._tokens, self._keys):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"https://127.0.0.1:{self._tokens.server_port}/oauth2/token"

    @property
    def issuer(self) -> TokenIssuer:
        """What a broker must know to take its tokens."""
        return TokenIssuer(f"http://127.0.0.1:{self._keys.server_port}/jwks", ISSUER, AUDIENCE)

    def token(self, user: str, **more: object) -> str:
        """Return a token for a user; its claims with more members, or others instead."""
        now = time.time()  # noqa: TID251  # as other people's servers do
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "iat": int(now),
            "exp": int(now + self.life_seconds),
            **self.more,
            **more,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"

    def write_token(self, path: Path, user: str) -> None:
        """Put a token into a file in one step, as what keeps such files does."""
        new = path.with_suffix(".new")
        new.write_text(self.token(user) + "\n")
        new.replace(path)

    def jwks(self) -> dict[str, object]:
        """Return the public keys."""
        numbers = self._key.public_key().public_numbers()
        exponent, modulus = (
            _base64(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for number in (numbers.e, numbers.n)
        )
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID}
        return {"keys": [key | {"n": modulus, "e": exponent}]}

    def answer(
        self, authorization: str, form: Mapping[str, str]
    ) -> tuple[int, Mapping[str, object]]:
        """Decide about a request for a token (RFC 6749, 4.4 and 5.2)."""
        if self.refuses is not None:
            return self.refuses
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            client, _, secret = (unquote(part) for part in pair.partition(":"))
        self.asked.append(
            {**form, "client": client, "authorization": authorization.split(" ", maxsplit=1)[0]}
        )
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if not secret or self.secrets.get(client) != secret:
            return 401, {"error": "invalid_client", "error_description": "unknown client or secret"}
        life = int(self.life_seconds)
        return 200, {
            "access_token": self.token(client),
            "token_type": "Bearer",
            "expires_in": life,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._give(200, server.jwks())

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(text).items()}
                self._give(*server.answer(self.headers.get("Authorization", ""), form))

            def _give(self, status: int, answer: Mapping[str, object]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
