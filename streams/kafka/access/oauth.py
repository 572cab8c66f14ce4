"""Tokens for Kafka from a token server: the client credentials of OAuth 2.0 (RFC 6749, 4.4), as OIDC providers offer it.

Or from a file, where something else on the machine keeps one (Kubernetes' service account tokens, a sidecar).
"""

import asyncio
import base64
import json
import math
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from streams.clock import Clock
from streams.kafka.access.tokens import Token, TokenError, TokenRefused
from streams.partners import use_chain_rules
from streams.redaction import shown_url
from streams.secret_files import why_unread
from streams.service_url import proxy_for

_PATIENCE_SECONDS: Final = 10.0
_LARGEST_ANSWER: Final = 1 << 20
_LIFE_UNKNOWN_SECONDS: Final = 300.0  # neither the answer nor the token says how long it lives
_LONGEST_SHOWN: Final = 200
_SETTING: Final = "NOTIFIER_KAFKA_OAUTH"
_REFUSED: Final = frozenset({400, 401, 403})

ClientAuthentication = Literal["basic", "post"]


@dataclass(frozen=True, slots=True)
class TokenServer:
    """Where tokens come from, and as whom we ask for them: the `NOTIFIER_KAFKA_OAUTH_*` settings.

    Attributes:
        url: of the token endpoint.
        client_id: who we are.
        secret_file: file with the client's secret, read anew for each token; a newline at its end is no part of it.
        scope: what is asked for, names with blanks between them; nothing unless set.
        ca_file: PEM bundle that the server's certificate is checked against, else the system's.
        client_authentication: whether id and secret stand in the header (`basic`) or in the form (`post`).
    """

    url: str
    client_id: str
    secret_file: Path
    scope: str | None = None
    ca_file: Path | None = None
    client_authentication: ClientAuthentication = "basic"

    async def fetch(self) -> Token:
        """Ask for a token.

        Raises:
            TokenError: none came; why, with the setting to look at.
        """
        import httpx  # noqa: PLC0415  # few clusters have a token server, and every command imports this module

        form = {"grant_type": "client_credentials"}
        if self.scope:
            form["scope"] = self.scope
        try:
            secret = self.secret_file.read_text(encoding="utf-8").rstrip("\r\n")
            # Reading all public authorities takes some 0.05 s, which nobody's turn of the event loop is for.
            verify = await asyncio.to_thread(_trust, self.ca_file)
        except (OSError, UnicodeDecodeError) as error:
            message = (
                f"{_SETTING}_CLIENT_SECRET_FILE, {_SETTING}_CA_FILE: one can't be used:"
                f" {why_unread(error)}"
            )
            raise TokenRefused(message) from error
        headers = {"Accept": "application/json"}
        if self.client_authentication == "basic":
            # RFC 6749, 2.3.1: both are encoded before they are joined.
            pair = f"{quote(self.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.client_id, "client_secret": secret}
        try:
            # A client of its own each time: minutes lie between two tokens, and its event loop may be another one.
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                httpx.AsyncClient(
                    verify=verify,
                    timeout=_PATIENCE_SECONDS,
                    trust_env=False,
                    proxy=proxy_for(self.url),
                ) as client,
                client.stream("POST", self.url, data=form, headers=headers) as response,
            ):
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST_ANSWER:
                        break
        except Exception as error:  # the environment may be odd in ways that nobody thought of
            plain = isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError))
            # h11 quotes the header that it can't send, and what is unknown may hold anything.
            quotes = isinstance(error, httpx.LocalProtocolError) or not plain
            why = type(error).__name__ if quotes else str(error)
            raise self._unreachable(why) from error
        return self._read(response.status_code, body)

    def _unreachable(self, why: str) -> TokenError:
        why = why or f"no answer within {_PATIENCE_SECONDS:g} s"
        if "CERTIFICATE_VERIFY_FAILED" in why:
            message = f"{_SETTING}_CA_FILE: the certificate of the token server at {shown_url(self.url, with_path=True)} is not trusted: {why}"
            return TokenRefused(message)
        return TokenError(
            f"{_SETTING}_TOKEN_URL: the token server at {shown_url(self.url, with_path=True)} can't be reached: {why}"
        )

    def _read(self, status: int, body: bytes) -> Token:
        answer = _object(body)
        if status == HTTPStatus.OK:
            text = answer.get("access_token")
            if isinstance(text, str) and text:
                return Token(text, _life(answer.get("expires_in"), text))
            message = (
                f"{_SETTING}_TOKEN_URL: {shown_url(self.url, with_path=True)} answers 200 without an access_token; expected the token"
                " endpoint of an OAuth 2.0 server"
            )
            raise TokenRefused(message)
        # RFC 6749, 5.2: the server's own words, which quote no secret.
        error = " ".join(
            str(answer[name])[:_LONGEST_SHOWN]
            for name in ("error", "error_description")
            if name in answer
        )
        setting = "TOKEN_URL"
        if status in _REFUSED:
            setting = (
                "SCOPE"
                if answer.get("error") == "invalid_scope"
                else "CLIENT_ID, " + _SETTING + "_CLIENT_SECRET_FILE"
            )
        message = f"{_SETTING}_{setting}: the token server at {shown_url(self.url, with_path=True)} gives no token: {status} {error}".rstrip()
        raise (TokenRefused if status in _REFUSED else TokenError)(message)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file in which something else keeps a token.

    Attributes:
        path: of the file; a newline at its end is no part of the token.
    """

    path: Path

    async def fetch(self) -> Token:
        """Read the token.

        Raises:
            TokenError: there is none, or it has ended.
        """
        name = f"{_SETTING}_TOKEN_FILE"
        try:
            text = self.path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"{name}: {self.path} can't be read: {why_unread(error)}"
            raise TokenError(message) from error
        if not text.isprintable():
            message = f"{name}: {self.path} can't be used; expected one line of printable ASCII"
            raise TokenError(message)
        life = _life(None, text)
        if not text or life <= 0:
            message = (
                f"{name}: the token in {self.path} has ended; expected one that is kept up to date"
            )
            raise TokenError(message)
        return Token(text, life)


def _trust(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    use_chain_rules(context, strict=False)  # docs/decisions/0017-chain-rules.md
    return context


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (RecursionError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _life(expires_in: object, text: str) -> float:
    """Return how long a token lives, in seconds, as the answer says, else as the token says, which is not verified."""
    life = _number(expires_in)  # some servers write it as text
    if life is None:
        middle = (*text.split("."), "")[1]
        with suppress(ValueError):
            claims = _object(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
            ends_at = _number(claims.get("exp"))
            life = None if ends_at is None else ends_at - Clock().now_seconds()
    return _LIFE_UNKNOWN_SECONDS if life is None else life


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
