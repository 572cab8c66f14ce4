"""Templates, and how they show numbers, times and states."""

import shlex
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from streams.operator.console.drawings import due_chart, spent_bar, spent_parts, trend
from streams.operator.history.text import clock_time, distance, duration, rfc3339
from streams.printable import printable

TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_DASH: Final = "\N{EN DASH}"
_NOTHING: Final = Markup("\N{EN DASH}")
_STATES: Final = {
    "waiting": ("◷", "Waiting", ""),
    "accepted": ("◷", "Accepted", ""),
    "replayed": ("↻", "Put back", ""),
    "due": ("◔", "Due", ""),
    "overdue": ("▲", "Overdue", "bad"),
    "delivered": ("✓", "Delivered", "good"),
    "rejected": ("✗", "Rejected", "warn"),
    "parked": ("‖", "Parked", ""),
    "dead-lettered": ("■", "Dead-lettered", "bad"),
    "expired": ("■", "Expired", "bad"),
    "invalid": ("■", "Invalid", "bad"),
    "unknown": ("?", "Unknown", ""),
    "answering": ("✓", "Answering", "good"),
    "struggling": ("◐", "Struggling", "warn"),
    "failing": ("✗", "Failing", "bad"),
    "idle": (_DASH, "Idle", ""),
}
_TOLD: Final = {
    "yes": ("✓", "Told", "good"),
    "refused": ("✗", "Told, and refused", "warn"),
    "perhaps": ("?", "Perhaps told", "warn"),
    "no": (_DASH, "Not told", ""),
}


def asset(name: str) -> str:
    """Return the address of a static file; it changes with the content, so browsers may keep it for ever."""
    return f"/static/{_digest(name)}/{name}"


@cache
def _digest(name: str) -> str:
    return sha256(asset_bytes(name)).hexdigest()[:12]


@cache
def asset_bytes(name: str) -> bytes:
    """Return a static file."""
    return files("streams.operator.console").joinpath("static", name).read_bytes()


def visible(text: object) -> Markup:
    """Return text of others so that nothing in it hides: control characters and direction marks are spelt out."""
    return escape(printable(str(text), keep="\n\t"))


def page_path(folder: str, name: str) -> str:
    """Return the path of the page about one thing, which stays within the console whatever its name is.

    Browsers take `..` and `%2e%2e` for the folder above, and many proxies decode `%2F`: such names go into the query.
    """
    quoted = quote(name, safe="")
    within = "/" not in name and "\\" not in name and name not in {".", ".."}
    return f"/{folder}/{quoted}" if within else f"/{folder}?id={quoted}"


def lasting(milliseconds: int | None) -> str:
    """Return a duration, or a dash where it is not known."""
    return _DASH if milliseconds is None else duration(milliseconds)


def make_environment(now_ms: Callable[[], int]) -> Environment:
    """Return the templates' environment."""
    environment = Environment(
        loader=PackageLoader("streams.operator.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def when(at_ms: int | None, *, exact: bool = False) -> Markup:
        """Return a moment, with its distance in the title. The page's script adds the reader's own time to it."""
        if at_ms is None:
            return _NOTHING
        now = now_ms()
        text = clock_time(at_ms, now)
        clock = "day" if "-" in text else "time"  # whether it says the day
        if exact:
            text = text.replace(" UTC", f".{at_ms % 1000:03d}")
        return Markup('<time datetime="{}" title="{}, {}" data-clock="{}">{}</time>').format(
            rfc3339(at_ms), rfc3339(at_ms), distance(at_ms, now), clock, text
        )

    def ago(at_ms: int | None) -> Markup:
        """Return how far away a moment is, with the moment in the title."""
        if at_ms is None:
            return _NOTHING
        return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
            rfc3339(at_ms), distance(at_ms, now_ms())
        )

    environment.filters |= {
        "number": "{:,}".format,
        "duration": lasting,
        "visible": visible,
        "shell_word": shlex.quote,
        "order_path": partial(page_path, "orders"),
        "partner_path": partial(page_path, "partners"),
        "replay_path": partial(page_path, "replays"),
    }
    environment.globals |= {
        "asset": asset,
        "when": when,
        "ago": ago,
        "badge": partial(_badge, _STATES),
        "told_badge": partial(_badge, _TOLD),
        "trend": trend,
        "spent_bar": spent_bar,
        "spent_parts": spent_parts,
        "due_chart": due_chart,
    }
    return environment


def _badge(table: Mapping[str, tuple[str, str, str]], value: str) -> Markup:
    shape, word, tone = table.get(value, ("?", value, ""))
    return Markup('<span class="state {}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, shape, word
    )


def respond(text: str, status: int = 200) -> web.Response:
    """Return a page."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def static_response(request: web.Request) -> web.Response:
    """Return a static file by its address with a digest."""
    name = request.match_info["name"]
    kind = TYPES.get(name.rpartition(".")[2])
    known = {item.name for item in files("streams.operator.console").joinpath("static").iterdir()}
    if kind is None or name not in known:
        raise web.HTTPNotFound
    headers: dict[str, Any] = {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=asset_bytes(name), content_type=kind, charset="utf-8", headers=headers)
