"""What guards every request: headers of every answer, no form from another site, nobody in who is not signed in."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.operator.console.sessions import LIFE_SECONDS, Sessions
from streams.operator.console.tokens import AccessTokens, Person

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types console"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Never no-referrer: with it a browser sends `Origin: null`, and the check of forms below has nothing to go by.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
PERSON: Final = web.RequestKey("person", Person)
_OPEN = frozenset({"/login", "/metrics", "/health/live", "/health/ready"})
_OWN_PATH = re.compile(
    r"/(?![/\\])[\x21-\x7e]*"
)  # browsers drop tabs, and "/<tab>/x" is another host
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FAILED_SIGN_IN_SECONDS = 0.25


@dataclass(slots=True)
class Protection:
    """The middleware of the console.

    Attributes:
        tokens: the access tokens.
        sessions: who is signed in.
        url: the console's address as browsers see it, or None where it is the one that it listens on.
    """

    tokens: AccessTokens
    sessions: Sessions
    url: str | None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def over_tls(self) -> bool:
        """Whether browsers reach the console by https."""
        return self.url is not None and urlsplit(self.url).scheme == "https"

    @property
    def cookie(self) -> str:
        """The cookie's name. Browsers take `__Host-` only with Secure, and Secure only over TLS."""
        return "__Host-console" if self.over_tls else "console"

    def middlewares(self) -> list[Middleware]:
        """Return what stands before every handler, outermost first."""

        @web.middleware
        async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._headers(request, handler)

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        return [headers, guard]

    def sign_in(self, response: web.StreamResponse, person: Person) -> None:
        """Open a session and give its cookie to the browser."""
        response.set_cookie(
            self.cookie,
            self.sessions.begin(person),
            httponly=True,
            secure=self.over_tls,
            samesite="Lax",  # Strict would greet whoever follows a link from an alert with the sign-in page
            path="/",
            max_age=LIFE_SECONDS,
        )

    def sign_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """Close the session and take the cookie away."""
        self.sessions.end(request.cookies.get(self.cookie, ""))
        response.del_cookie(self.cookie, path="/", secure=self.over_tls, httponly=True)

    async def slow_down(self) -> None:
        """Take a moment after a wrong token, one after the other, so that guessing takes for ever."""
        async with self._turn:
            await asyncio.sleep(_FAILED_SIGN_IN_SECONDS)

    async def _headers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._add(error)
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            failed = web.HTTPInternalServerError(text="The console failed; its log says why.")
            self._add(failed)
            raise failed from error
        if not response.prepared:
            self._add(response)
        return response

    def _add(self, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if self.over_tls:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/static/"):
            return await handler(request)
        bearer = request.headers.get("Authorization", "")
        if bearer.startswith("Bearer ") and request.path.startswith("/api/"):
            person = self.tokens.person_of(bearer.removeprefix("Bearer ").strip())
            if person is None:
                await self.slow_down()
        else:
            if request.method not in {"GET", "HEAD"} and not self._own_form(request):
                raise web.HTTPForbidden(
                    text="This form was not sent from the console itself. Nothing was changed."
                )
            person = self.sessions.person_of(request.cookies.get(self.cookie, ""))
        if person is not None:
            request[PERSON] = person
        elif request.path.startswith("/api/"):
            raise web.HTTPUnauthorized(
                text='{"error": "no access token, or one that is not known here"}',
                content_type="application/json",
                headers={"WWW-Authenticate": "Bearer"},
            )
        elif request.path not in _OPEN:
            raise web.HTTPSeeOther(self._sign_in_page(request))
        return await handler(request)

    @staticmethod
    def _sign_in_page(request: web.Request) -> str:
        back = request.path_qs if request.method == "GET" else "/"
        return str(request.rel_url.with_path("/login").with_query(next=back))

    def _own_form(self, request: web.Request) -> bool:
        """Tell whether a form comes from a page of ours (as Go's CrossOriginProtection does).

        Browsers leave Sec-Fetch-Site out on plain http with a private name; there Origin has to be ours.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site == "same-origin"
        try:
            origin = urlsplit(request.headers.get("Origin", ""))
        except ValueError:  # no URL, like `http://[`
            return False
        own = {request.host} | ({urlsplit(self.url).netloc} if self.url else set())
        return origin.netloc in own


def safe_path(given: str) -> str:
    """Return a path of this console, whatever a link to the sign-in page asked for."""
    return given if _OWN_PATH.fullmatch(given) else "/"


def is_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine."""
    try:
        return (urlsplit(f"//{host}").hostname or "") in _LOOPBACK
    except ValueError:  # no host, like `[`: anybody can send one
        return False
