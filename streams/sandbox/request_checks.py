"""What a strict partner finds wrong with a request, and which order the request is about."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from streams.notification.profiles import PROFILES

_ORDER_ID_MEMBERS: Mapping[str, str] = {
    profile.sample.path: profile.order_id_member for profile in PROFILES.values()
}


def read_json(body: bytes) -> Any:  # noqa: ANN401  # whatever came
    """Return the JSON of a body; None where it is none."""
    try:
        return json.loads(body.decode())
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None


def order_id_of(path: str, document: Any) -> str:  # noqa: ANN401  # whatever came
    """Return the order id in a body: the member of the profile whose path it is, or that of any profile; or empty."""
    members = document if isinstance(document, dict) else {}
    known = _ORDER_ID_MEMBERS.get(path)
    names = (known,) if known else dict.fromkeys(_ORDER_ID_MEMBERS.values())
    value = next((members[name] for name in names if name in members), "")
    return value if isinstance(value, str) else ""


def faults_of(
    method: str, headers: Mapping[str, str], document: object, *, signed: bool
) -> Iterator[str]:
    """Yield what a strict partner refuses.

    Args:
        method: of the request.
        headers: names in lower case.
        document: the body's JSON.
        signed: whether the sender's signature is right.
    """
    if method != "POST":
        yield f"the method is {method}"
    if not signed:
        yield "the signature is missing or wrong"
    if (
        not headers.get("content-type", "")
        .lower()
        .replace(" ", "")
        .startswith("application/json;charset=utf-8")
    ):
        yield "the content type is not application/json; charset=UTF-8"
    if not _is_time(headers.get("request-time", "")):
        yield "Request-Time is neither ISO 8601 with an offset nor epoch milliseconds"
    if not isinstance(document, dict):
        yield "the body is no JSON object"
    else:
        yield from _not_strings(document, "")


def _is_time(text: str) -> bool:
    if text.isascii() and text.isdigit():
        return len(text) == 13  # noqa: PLR2004  # milliseconds, from 2001 to 2286
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _not_strings(value: object, location: str) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _not_strings(inner, f"{location}/{name}")
        case list():
            for inner in value:
                yield from _not_strings(inner, f"{location}/*")
        case str():
            if not value:
                yield f"{location} is empty"
        case _:
            yield f"{location} is no string"
