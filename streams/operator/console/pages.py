"""The pages to read: each asks the read model in a thread and fills a template. Changes are in `replay_pages`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Concatenate, Final, ParamSpec, TypeVar

from aiohttp import web
from jinja2 import Environment

from streams.kafka.format.raw import RecordId
from streams.operator.console import (
    about,
    dead_letters,
    order_list,
    orders,
    overview,
    partners,
    tiers,
)
from streams.operator.console.letter_views import Letters
from streams.operator.console.protection import PERSON
from streams.operator.console.read_model import ReadModel
from streams.operator.console.render import page_path, respond
from streams.operator.console.tokens import AccessTokens
from streams.operator.console.views import AsOf
from streams.operator.did_you_mean import nearest
from streams.operator.history.text import clock_time, duration

PER_PAGE: Final = 50
_LONGEST = 256
_LIKE = 5
_ORDERS_QUERY = ("partner", "state", "text", "since", "until")
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Pages:
    """The handlers.

    Attributes:
        read_model: what is known.
        tokens: who may come in; whether their file is sound stands on every page.
        templates: of `streams.operator.console.render`.
        version: of this program.
    """

    read_model: ReadModel
    tokens: AccessTokens
    templates: Environment
    version: str

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered where."""
        return [
            web.get("/", self.overview),
            web.get("/orders", self.orders),
            web.get("/orders/{order_id}", self.order),
            web.get("/tiers", self.tiers),
            web.get("/tiers/{wait}", self.tier),
            web.get("/partners", self.partners),
            web.get("/partners/{partner_id}", self.partner),
            web.get("/dead-letters", self.dead_letters),
            web.get("/dead-letters/{place}", self.dead_letter),
            web.get("/about", self.about),
        ]

    def show(
        self, request: web.Request, template: str, status: int = 200, **values: object
    ) -> web.Response:
        """Return a page."""
        as_of = self.read_model.as_of()
        text = self.templates.get_template(template).render(
            path=request.path,
            person=request.get(PERSON),
            freshness=freshness(as_of, stale=self.read_model.is_stale()),
            version=self.version,
            tokens_fault=self.tokens.fault,
            **values,
        )
        return respond(text, status)

    async def ask(
        self,
        question: Callable[Concatenate[ReadModel, Asked], Answer],
        *values: Asked.args,
        **more: Asked.kwargs,
    ) -> Answer:
        """Return the answer of the read model, asked in a thread."""
        return await asyncio.to_thread(question, self.read_model, *values, **more)

    async def overview(self, request: web.Request) -> web.Response:
        """Is anyone not being told now, and is it us?"""
        return self.show(request, "overview.html", page=await self.ask(overview.overview))

    async def orders(self, request: web.Request) -> web.StreamResponse:
        """Which orders stand how? And the way to the one that a search asks for."""
        if "id" in request.query:
            return await self.order(request)
        asked = request.query.get("q", "").strip()[:_LONGEST]
        if asked:
            found: str | None = await self.ask(orders.find, asked)
            raise web.HTTPSeeOther(page_path("orders", found or asked))
        query = {name: request.query.get(name, "").strip()[:_LONGEST] for name in _ORDERS_QUERY}
        if query["state"] not in order_list.STATES:
            query["state"] = ""
        try:
            times = [utc_ms(query[name]) for name in ("since", "until")]
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error} Nothing was looked for.") from error
        chosen = order_list.Filter(query["partner"], query["state"], query["text"], *times)
        after = offset_of(request)
        return self.show(
            request,
            "orders.html",
            page=await self.ask(order_list.order_list, chosen, PER_PAGE, after),
            query={name: value for name, value in query.items() if value},
            states=order_list.STATES,
            names=(names := await self.ask(partners.names)),
            like=nearest(query["partner"], names, _LIKE) if query["partner"] not in names else (),
            after=after,
            limit=PER_PAGE,
        )

    async def order(self, request: web.Request) -> web.Response:
        """Was this partner told; if not, why, whose is it, when next?"""
        order_id = named(request, "order_id")[:_LONGEST]
        order = await self.ask(orders.order, order_id)
        if order is not None:
            return self.show(request, "order.html", order=order, asked=order_id)
        return self.show(
            request,
            "order_missing.html",
            404,
            order_id=order_id,
            asked=order_id,
            like=await self.ask(orders.like, order_id),
            oldest_ms=await self.ask(ReadModel.oldest_ms),
        )

    async def tiers(self, request: web.Request) -> web.Response:
        """What is due when, and is anything late?"""
        return self.show(
            request,
            "tiers.html",
            page=await self.ask(tiers.tier_list),
            chart=await self.ask(tiers.due_in_the_next_hour),
            tolerance=self.read_model.now_ms() - self.read_model.overdue_before_ms,
        )

    async def tier(self, request: web.Request) -> web.Response:
        """Show what rests on one tier, by due time."""
        wait, after = request.match_info["wait"], offset_of(request)
        page = await self.ask(tiers.waiting_list, wait, PER_PAGE, after)
        if page is None:
            raise web.HTTPNotFound
        return self.show(request, "tier.html", page=page, after=after, limit=PER_PAGE)

    async def partners(self, request: web.Request) -> web.Response:
        """Who fails, since when, in what way?"""
        if "id" in request.query:
            return await self.partner(request)
        text = request.query.get("text", "")[:_LONGEST]
        state = request.query.get("state", "")[:_LONGEST]
        shown = await self.ask(partners.partners, text, state)
        return self.show(request, "partners.html", partners=shown[:500], text=text, state=state)

    async def partner(self, request: web.Request) -> web.Response:
        """What does this partner answer, and since when is it wrong?"""
        partner_id = named(request, "partner_id")[:_LONGEST]
        page = await self.ask(partners.partner_page, partner_id)
        if page is None:
            like = nearest(partner_id, await self.ask(partners.names), _LIKE)
            return self.show(request, "partner_missing.html", 404, partner_id=partner_id, like=like)
        return self.show(request, "partner.html", page=page)

    async def dead_letters(self, request: web.Request) -> web.Response:
        """What did we give up on, and why?"""
        chosen, after = dead_letters.Filter.of(request.query), offset_of(request)
        page: Letters = await self.ask(dead_letters.dead_letters, chosen, PER_PAGE, after)
        return self.show(
            request,
            "dead_letters.html",
            page=page,
            causes=dead_letters.causes(page.counts),
            choices=await self.ask(dead_letters.choices),
            query=chosen.query,
            after=after,
            limit=PER_PAGE,
        )

    async def dead_letter(self, request: web.Request) -> web.Response:
        """What exactly is in this one?"""
        page = await self.ask(dead_letters.dead_letter_page, place_of(request.match_info["place"]))
        if page is None:
            raise web.HTTPNotFound
        return self.show(request, "dead_letter.html", page=page)

    async def about(self, request: web.Request) -> web.Response:
        """Can I trust this page?"""
        return self.show(
            request,
            "about.html",
            page=await self.ask(about.about, self.version),
            stale=self.read_model.is_stale(),
        )


def named(request: web.Request, part: str) -> str:
    """Return the name of the thing that a page is about, as `page_path` wrote it: a part of the path, or `id`."""
    return request.match_info.get(part) or request.query["id"]


def place_of(text: str) -> RecordId:
    """Return the place that a path or a form names.

    Raises:
        HTTPNotFound: it names none.
    """
    try:
        return RecordId.parse(text)
    except ValueError as error:
        raise web.HTTPNotFound from error


def offset_of(request: web.Request) -> int:
    """Return how many rows stand before the page that is asked for."""
    text = request.query.get("after", "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004  # of a billion


def utc_ms(text: str) -> int | None:
    """Return the moment that a field of a form names, in milliseconds since the epoch; None for an empty one.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        message = f"Seen {text!r}, expected a time like 2026-11-22T03:12 (UTC)."
        raise ValueError(message) from error


@dataclass(frozen=True, slots=True)
class FreshnessText:
    """What every page says of how fresh it is."""

    as_of: str
    title: str
    warning: str
    percent: int | None = None


def freshness(as_of: AsOf, *, stale: bool) -> FreshnessText:
    """Return the text on how fresh the model is."""
    now = as_of.at_ms
    behind = f"{duration(now - as_of.caught_up_ms)} behind Kafka"
    text = f"As of {clock_time(as_of.caught_up_ms or now, now)}, {behind}."
    if as_of.fault:
        known = (
            f" What it shows was read {duration(now - as_of.caught_up_ms)} ago."
            if as_of.caught_up_ms
            else ""
        )
        seen = text if as_of.caught_up_ms else "Kafka can't be read."
        return FreshnessText(seen, "The console can't read Kafka.", f"{as_of.fault}.{known}")
    if as_of.rebuilding:
        left = "" if as_of.left_ms is None else f", about {duration(as_of.left_ms)} more"
        text = f"Rebuilding from Kafka: {as_of.percent} %, {as_of.behind:,} records to go{left}."
        return FreshnessText(
            text,
            "Rebuilding from Kafka.",
            f"{as_of.percent} % read{left}. Answers may be incomplete, and numbers too low.",
            as_of.percent,
        )
    if stale:
        why = f"{as_of.behind:,} records are not read yet."
        return FreshnessText(text, f"This page is {duration(now - as_of.caught_up_ms)} old.", why)
    return FreshnessText(text, "", "")
