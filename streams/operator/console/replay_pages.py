"""The pages that change something: check a replay, begin it, watch it, stop it. Every change is a POST of who may."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from streams.kafka.format.facts import Fact
from streams.operator.console import dead_letters, orders, partners
from streams.operator.console.checks import Checked, Refusal
from streams.operator.console.forms import FORM_BYTES, SELECTION_BYTES, read_form
from streams.operator.console.metrics import ConsoleMetrics
from streams.operator.console.pages import PER_PAGE, Pages, named, place_of
from streams.operator.console.protection import PERSON
from streams.operator.console.read_model import ReadModel
from streams.operator.console.render import page_path
from streams.operator.console.replays import (
    FASTEST,
    MOST_DEAD_LETTERS,
    Replays,
    Selection,
)
from streams.operator.console.resends import Resends
from streams.operator.console.tokens import Person
from streams.operator.console.views import PartnerView
from streams.operator.dead_letters.plan import DEFAULT_RATE, ReplayPlan

_TYPE_OVER: Final = 100
"""So many are put back with one click; for more the number is typed, as four are not four hundred thousand."""
_SHORTEST_WHY: Final = 5
_SAY_WHY: Final = (
    f"Say why, in {_SHORTEST_WHY} letters or more: whoever looks at this order later wants to know."
)


@dataclass(frozen=True, slots=True)
class ReplayPages:
    """The handlers.

    Attributes:
        pages: show and ask.
        replays: do it.
        resends: do it for what was delivered.
        metrics: count it.
    """

    pages: Pages
    replays: Replays
    resends: Resends
    metrics: ConsoleMetrics

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered where."""
        return [
            web.post("/dead-letters/check", self.check),
            web.get("/replays", self.list),
            web.post("/replays", self.begin),
            web.get("/replays/{run}", self.watch),
            web.post("/replays/{run}/stop", self.stop),
            web.post("/resends/check", self.check_resend),
            web.post("/resends", self.resend),
        ]

    async def check(self, request: web.Request) -> web.Response:
        """Show what a replay would do; nothing is sent."""
        person = may_replay(request)
        form = await read_form(request, SELECTION_BYTES, MOST_DEAD_LETTERS + 32)
        if form.get("which") == "matching":
            chosen = await self.pages.ask(
                dead_letters.places, dead_letters.Filter.of(form), MOST_DEAD_LETTERS + 1
            )
        else:
            chosen = tuple(place_of(text) for text in form.all("letter"))
        try:
            selection = self.replays.select(person.name, chosen)
        except Refusal as refusal:
            return self._refused(request, refusal)
        return await self._show_check(request, selection)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Put back what was checked. The same form twice leads to the same run."""
        person, form = may_replay(request), await read_form(request, FORM_BYTES)
        why, typed = form.get("why").strip(), form.get("typed").strip()
        expected, rate = _number(form.get("expected")), _number(form.get("rate"))
        try:
            selection = self.replays.selections.find(form.get("selection"), person.name)
        except Refusal as refusal:
            return self._refused(request, refusal)
        fault = None
        if len(why) < _SHORTEST_WHY:
            fault = _SAY_WHY
        elif rate is None or not 1 <= rate <= FASTEST:
            fault = f"At most a second: expected a number from 1 to {FASTEST:.0f}."
        elif expected is None or (expected > _TYPE_OVER and typed != str(expected)):
            fault = f"Type {expected} to put them back."
        if fault is not None or rate is None or expected is None:
            return await self._show_check(request, selection, error=fault or "", why=why)
        fresh = selection.run is None
        try:
            run = await self.replays.start(selection, why, float(rate), expected)
        except Refusal as refusal:
            return await self._show_check(request, selection, error=str(refusal), why=why)
        if fresh:
            self.metrics.replays.inc()
        raise web.HTTPSeeOther(page_path("replays", run))

    async def list(self, request: web.Request) -> web.Response:
        """What was put back, by whom, and did it help?"""
        if "id" in request.query:
            return await self.watch(request)
        runs = await asyncio.to_thread(self.replays.runs)
        return self.pages.show(request, "replays.html", runs=runs)

    async def watch(self, request: web.Request) -> web.Response:
        """How far is this one?"""
        name = named(request, "run")
        run = await asyncio.to_thread(self.replays.run, name)
        if run is None:
            raise web.HTTPNotFound
        going = self.replays.going(name)
        return self.pages.show(
            request,
            "replay.html",
            run=run,
            put_back=going.result.replayed if going else run.put_back,
            refused=going.result.refused[:PER_PAGE] if going else [],
            fault=going.fault if going else None,
            replayed=await asyncio.to_thread(self.replays.replayed_by, name, PER_PAGE),
        )

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """End a run; what was put back stays so."""
        may_replay(request)
        self.replays.stop(request.match_info["run"])
        raise web.HTTPSeeOther(page_path("replays", request.match_info["run"]))

    async def check_resend(self, request: web.Request) -> web.Response:
        """Show what sending a delivered notification again would do; nothing is sent."""
        person, form = may_replay(request), await read_form(request, FORM_BYTES)
        asked = form.get("order"), form.get("notification") or None
        try:
            checked = await asyncio.to_thread(self.resends.check, person.name, *asked)
        except Refusal as refusal:
            return self._refused(request, refusal, page_path("orders", asked[0]))
        return await self._show_resend(request, checked)

    async def resend(self, request: web.Request) -> web.StreamResponse:
        """Send what was checked again. The same form twice leads to the same run."""
        person, form = may_replay(request), await read_form(request, FORM_BYTES)
        why = form.get("why").strip()
        try:
            checked = self.resends.checks.find(form.get("resend"), person.name)
        except Refusal as refusal:
            return self._refused(request, refusal)
        if len(why) < _SHORTEST_WHY:
            return await self._show_resend(request, checked, error=_SAY_WHY, why=why)
        fresh = checked.run is None
        try:
            run = self.resends.start(checked, why)
        except Refusal as refusal:
            return await self._show_resend(request, checked, error=str(refusal), why=why)
        if fresh:
            self.metrics.replays.inc()
        raise web.HTTPSeeOther(page_path("replays", run))

    async def _show_resend(
        self, request: web.Request, checked: Checked[Fact], *, error: str = "", why: str = ""
    ) -> web.Response:
        event = checked.what
        order = await self.pages.ask(orders.order, event.order_id or "")
        known = () if order is None else order.notifications
        reports = [one for one in known if one.notification_id == event.notification_id]
        if not reports:
            raise web.HTTPNotFound
        return self.pages.show(
            request,
            "check_resend.html",
            400 if error else 200,
            checked=checked,
            notification=reports[0],
            partner=await self.pages.ask(partners.partner, event.partner_id or ""),
            error=error,
            why=why,
        )

    async def _show_check(
        self, request: web.Request, selection: Selection, *, error: str = "", why: str = ""
    ) -> web.Response:
        plan: ReplayPlan = await asyncio.to_thread(self.replays.plan, selection)
        by_partner = await self.pages.ask(_partners_of, plan)
        return self.pages.show(
            request,
            "check.html",
            400 if error else 200,
            selection=selection,
            plan=plan,
            by_partner=by_partner,
            failing=[one.partner_id for one, _ in by_partner if one.state == "failing"],
            examples={skipped.kind: skipped for skipped in reversed(plan.skipped)},
            error=error,
            why=why,
            rate=int(DEFAULT_RATE),
        )

    def _refused(
        self, request: web.Request, refusal: Refusal, back: str = "/dead-letters"
    ) -> web.Response:
        return self.pages.show(
            request,
            "refused.html",
            409,
            title="Nothing was sent",
            why=str(refusal),
            back=back,
        )


def may_replay(request: web.Request) -> Person:
    """Return who asks.

    Raises:
        HTTPForbidden: a token that may only read.
    """
    person = request[PERSON]
    if not person.may_replay:
        raise web.HTTPForbidden(
            text=f"{person.name} may read but not replay: this takes a token with the right `replay`."
            " Nothing was changed."
        )
    return person


def _partners_of(read_model: ReadModel, plan: ReplayPlan) -> list[tuple[PartnerView, int]]:
    return [(partners.partner(read_model, name), count) for name, count in plan.partners]


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004  # of a billion
