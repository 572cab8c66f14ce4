"""The same data for programs: one table of routes, from which the handlers and the OpenAPI document come."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.kafka.format.raw import RecordId
from streams.operator.console import (
    about,
    dead_letters,
    letter_views,
    order_list,
    orders,
    overview,
    partners,
    tiers,
    views,
)
from streams.operator.console.openapi import Operation, document
from streams.operator.console.pages import Pages
from streams.operator.console.read_model import ReadModel
from streams.operator.console.replays import Replays
from streams.operator.did_you_mean import did_you_mean, nearest

MOST_ROWS: Final = 500
_DEFAULT_ROWS: Final = 50


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoQuery(_Query):
    """Nothing can be asked in addition."""


class RowsQuery(_Query):
    """Which rows."""

    limit: int = Field(_DEFAULT_ROWS, ge=1, le=MOST_ROWS, description="at most so many")
    after: int = Field(0, ge=0, le=1_000_000_000, description="leave out so many before")


class PartnersQuery(_Query):
    """Which partners."""

    text: str = Field("", max_length=256, description="what the id contains")
    state: str = Field("", max_length=32, description="exactly")


class LettersQuery(RowsQuery):
    """Which dead letters; what is left out does not matter."""

    reason: str = Field("", max_length=256)
    partner: str = Field("", max_length=256)
    answer: str = Field("", max_length=256, description="what the last attempt brought")
    profile: str = Field("", max_length=256)
    all: bool = Field(default=False, description="also those that were dealt with")


class OrdersQuery(RowsQuery):
    """Which orders; what is left out does not matter."""

    partner: str = Field("", max_length=256)
    state: order_list.State = Field("", description="how it stands now")
    text: str = Field(
        "",
        max_length=256,
        description="what the order id contains, or the notification id begins with",
    )
    since_ms: int | None = Field(None, ge=0, le=1 << 53, description="changed then or later")
    until_ms: int | None = Field(None, ge=0, le=1 << 53, description="changed before")


Answer = Callable[[ReadModel, Mapping[str, str], Any], views.Shown | None]


@dataclass(frozen=True, slots=True)
class Api:
    """The handlers.

    Attributes:
        pages: know the read model, and shows the list of routes to people.
        replays: of this console.
    """

    pages: Pages
    replays: Replays
    _operations: list[tuple[Operation, Answer]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._operations.extend(
            [
                (_get("/api/overview", "Is anyone not being told now, and is it us?", views.Overview), lambda model, _path, _query: overview.overview(model)),
                (_get("/api/orders", "Which orders stand how?", views.OrderList, OrdersQuery), lambda model, _path, query: _orders(model, query)),
                (_get("/api/orders/{order_id}", "Was this partner told; if not, why, whose is it, when next?", views.Order), lambda model, path, _query: orders.order(model, path["order_id"])),
                (_get("/api/orders/{order_id}/facts", "What every record about it says, for `notifier why`.", views.Facts), lambda model, path, _query: orders.facts(model, path["order_id"])),
                (_get("/api/tiers", "What is due when, and is anything late?", views.TierList), lambda model, _path, _query: tiers.tier_list(model)),
                (_get("/api/tiers/{wait}", "What rests on one tier, by due time.", views.WaitingList, RowsQuery), lambda model, path, query: tiers.waiting_list(model, path["wait"], query.limit, query.after)),
                (_get("/api/partners", "Who fails, since when, in what way?", views.PartnerList, PartnersQuery), lambda model, _path, query: _partners(model, query)),
                (_get("/api/partners/{partner_id}", "What does this partner answer, and since when is it wrong?", views.PartnerPage), lambda model, path, _query: partners.partner_page(model, path["partner_id"])),
                (_get("/api/dead-letters", "What did we give up on, and why?", letter_views.Letters, LettersQuery), lambda model, _path, query: _dead_letters(model, query)),
                (_get("/api/dead-letters/{place}", "What exactly is in this one? Never its body.", letter_views.LetterPage), lambda model, path, _query: _dead_letter(model, path["place"])),
                (_get("/api/replays", "What was put back, by whom, and did it help?", views.RunList), lambda model, _path, _query: views.RunList(as_of=model.as_of(), replays=self.replays.runs())),
                (_get("/api/replays/{run}", "How far is this one?", views.Run), lambda _model, path, _query: self.replays.run(path["run"])),
                (_get("/api/about", "Can I trust these answers?", views.About), lambda model, _path, _query: about.about(model, self.pages.version)),
            ]
        )  # fmt: skip

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered where."""
        handlers = [
            web.get(operation.path, self._handler(operation, answer))
            for operation, answer in self._operations
        ]
        return [
            web.get("/api", self.list),
            web.get("/api/openapi.json", self.openapi),
            *handlers,
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Show the routes to people."""
        return self.pages.show(
            request, "api.html", operations=[operation for operation, _ in self._operations]
        )

    async def openapi(self, request: web.Request) -> web.Response:
        """Return the OpenAPI document."""
        del request
        operations = [operation for operation, _ in self._operations]
        return web.json_response(document(operations, self.pages.version))

    def _handler(self, operation: Operation, answer: Answer) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            try:
                query = operation.query.model_validate(dict(request.query))
            except ValidationError as error:
                return _fault(400, _text_of(error))
            result = await asyncio.to_thread(
                answer, self.pages.read_model, dict(request.match_info), query
            )
            if result is None:
                near = await asyncio.to_thread(_meant, self.pages.read_model, request.match_info)
                return _fault(404, f"nothing is known of it{near}")
            return web.Response(text=result.model_dump_json(), content_type="application/json")

        return handle


def _get(
    path: str, summary: str, result: type[views.Shown], query: type[_Query] = NoQuery
) -> Operation:
    return Operation(path, summary, query, result)


def _fault(status: int, why: str) -> web.Response:
    text = views.FaultView(error=why).model_dump_json()
    return web.Response(status=status, text=text, content_type="application/json")


def _text_of(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )


def _partners(read_model: ReadModel, query: PartnersQuery) -> views.PartnerList:
    shown = partners.partners(read_model, query.text, query.state)
    return views.PartnerList(as_of=read_model.as_of(), partners=shown[:MOST_ROWS])


def _meant(read_model: ReadModel, path: Mapping[str, str]) -> str:
    """Return what ends a sentence that nothing is known: the partner or the order that may have been meant."""
    if partner_id := path.get("partner_id"):
        return did_you_mean(nearest(partner_id, partners.names(read_model)))
    if order_id := path.get("order_id"):
        return did_you_mean(orders.like(read_model, order_id)[:1])
    return ""


def _orders(read_model: ReadModel, query: OrdersQuery) -> views.OrderList:
    chosen = order_list.Filter(
        query.partner, query.state, query.text, query.since_ms, query.until_ms
    )
    return order_list.order_list(read_model, chosen, query.limit, query.after)


def _dead_letters(read_model: ReadModel, query: LettersQuery) -> letter_views.Letters:
    chosen = dead_letters.Filter.of(query.model_dump())
    return dead_letters.dead_letters(read_model, chosen, query.limit, query.after)


def _dead_letter(read_model: ReadModel, text: str) -> letter_views.LetterPage | None:
    try:
        place = RecordId.parse(text)
    except ValueError:
        return None
    return dead_letters.dead_letter_page(read_model, place)
