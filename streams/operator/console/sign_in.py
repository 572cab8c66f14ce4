"""Signing in and out."""

from dataclasses import dataclass

from aiohttp import web

from streams.operator.console.forms import SIGN_IN_BYTES, read_form
from streams.operator.console.metrics import ConsoleMetrics
from streams.operator.console.pages import Pages
from streams.operator.console.protection import Protection, is_loopback, safe_path

_LONGEST = 256


@dataclass(frozen=True, slots=True)
class SignIn:
    """The handlers.

    Attributes:
        pages: show the form.
        protection: opens and closes sessions.
        metrics: counts who was not let in.
    """

    pages: Pages
    protection: Protection
    metrics: ConsoleMetrics

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered where."""
        return [
            web.get("/login", self.form),
            web.post("/login", self.enter),
            web.post("/logout", self.leave),
        ]

    async def form(self, request: web.Request) -> web.Response:
        """Ask for a token."""
        return self._show(request, request.query.get("next", "/"))

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Let in whoever has a token of the file."""
        form = await read_form(request, SIGN_IN_BYTES)
        token, back = form.get("token"), safe_path(form.get("next", "/"))
        person = self.protection.tokens.person_of(token.strip()[:_LONGEST])
        if person is None:
            self.metrics.refused_sign_ins.inc()
            await self.protection.slow_down()
            return self._show(request, back, "That token is not known here.", 403)
        response = web.HTTPSeeOther(back)
        self.protection.sign_in(response, person)
        raise response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        response = web.HTTPSeeOther("/login")
        self.protection.sign_out(request, response)
        raise response

    def _show(
        self, request: web.Request, back: str, error: str = "", status: int = 200
    ) -> web.Response:
        plain = not self.protection.over_tls and not is_loopback(request.host)
        return self.pages.show(
            request, "login.html", status, next=safe_path(back), error=error, plain=plain
        )
