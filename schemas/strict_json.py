"""JSON as this project reads it: one meaning for one sequence of bytes, or a refusal.

Events, the bodies on tiers and partners' answers all come through here. Of an answer only `result` is needed; where
something else in it is odd, `loads_marking` reads it all the same and marks what must not be relied on.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

MAX_DEPTH: Final = 32
"""Objects and arrays within each other; the deepest known message has five."""


class Bounds(NamedTuple):
    """What a message may have, in texts too, before it is decoded: counting takes 0.1 ms a megabyte.

    A megabyte of nothing else would take seconds of the event loop, which all partners share.

    Attributes:
        containers: `{` and `[`.
        commas: a bound for members and elements.
    """

    containers: int
    commas: int


MESSAGE: Final = Bounds(4096, 16_384)
"""An event or a body; the largest known one has some twenty objects and arrays."""
ANSWER: Final = Bounds(256, 1024)
"""A partner's answer, of which one object is needed: one that is just within takes half a millisecond."""

MAX_DIGITS: Final = 400
"""Of a whole number, with its sign; no float has more. Reading and writing one takes the square of its digits, and 230 of 4,300 took
70 ms."""

_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class MalformedJson(ValueError):  # noqa: N818  # named after what it says about the bytes
    """These bytes are no JSON that can be relied on. The message never quotes them."""


def loads(raw: bytes, bounds: Bounds = MESSAGE, *, exact: bool = False) -> Any:  # noqa: ANN401  # whatever JSON holds; each caller narrows it
    """Read one JSON value from strict UTF-8.

    Args:
        raw: the bytes.
        bounds: how much there may be of it.
        exact: whether numbers with a fraction or an exponent become decimals, as they are written, instead of floats.

    Raises:
        MalformedJson: no UTF-8, a byte order mark, no JSON, a member named twice, NaN or infinity,
            half a surrogate pair, or more than `MAX_DEPTH` levels, `MAX_DIGITS` or the bounds.
    """
    containers = _bounded(raw, bounds)
    try:
        value = (_EXACT_DECODER if exact else _DECODER).decode(raw.decode())
        if _SURROGATE_ESCAPE.search(raw):
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except MalformedJson:
        raise
    except json.JSONDecodeError as exc:
        message = f"no JSON at character {exc.pos}: {exc.msg}"
        raise MalformedJson(message) from None  # the cause holds the whole document
    except UnicodeEncodeError:
        message = "half a surrogate pair in a string"
        raise MalformedJson(message) from None
    except UnicodeDecodeError as exc:
        message = f"no UTF-8 at byte {exc.start}"
        raise MalformedJson(message) from None
    except RecursionError:
        raise MalformedJson(_TOO_DEEP) from None
    if containers > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise MalformedJson(_TOO_DEEP)
    return value


def check_rendered(raw: bytes) -> None:
    """Check that `loads` will read what we have rendered ourselves, which is JSON; much cheaper than reading it.

    Raises:
        MalformedJson: more than the bounds of a message or `MAX_DEPTH` levels.
    """
    if _bounded(raw, MESSAGE) > MAX_DEPTH:
        loads(raw)


def _bounded(raw: bytes, bounds: Bounds) -> int:
    """Return how many objects and arrays these bytes have at most; refuse what takes long to understand.

    Raises:
        MalformedJson: there is too much of it.
    """
    containers = raw.count(b"{") + raw.count(b"[")
    if containers > bounds.containers:
        message = f"{containers:,} of {{ and [, expected at most {bounds.containers:,}"
        raise MalformedJson(message)
    if (commas := raw.count(b",")) > bounds.commas:
        message = f"{commas:,} commas, expected at most {bounds.commas:,}"
        raise MalformedJson(message)
    return containers


_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of objects and arrays"


def is_text(text: str) -> bool:
    """Tell whether a text is one that UTF-8 can write: with half of a surrogate pair it is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Twice:
    """Stands where a member is named twice in one object: it is no value of either."""

    def __repr__(self) -> str:
        return "TWICE"


TWICE: Final = _Twice()


def loads_marking(raw: bytes, bounds: Bounds = MESSAGE) -> Any:  # noqa: ANN401  # as above
    """Read one JSON value of which only some is needed, and which `loads` refuses.

    A byte order mark is passed over (RFC 8259, section 8.1). `TWICE` stands for a member that is named twice; what is no
    UTF-8, and half a surrogate pair, is half a surrogate in the text; control characters stand as they are; numbers are
    None. Where strings and members begin and end does not depend on any of that.

    Raises:
        MalformedJson: no JSON even so, NaN or infinity, or more than `loads` takes.
    """
    containers = _bounded(raw, bounds)
    text = raw.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    try:
        value = _MARKING_DECODER.decode(text)
    except json.JSONDecodeError as exc:
        message = f"no JSON at character {exc.pos}: {exc.msg}"
        raise MalformedJson(message) from None  # the cause holds the whole document
    except RecursionError:
        raise MalformedJson(_TOO_DEEP) from None
    if containers > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise MalformedJson(_TOO_DEEP)
    return value


def _marking_twins(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in members:
        unique[name] = TWICE if name in unique else value
    return unique


def _without_twins(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) != len(members):
        message = "a member is named twice in one object"
        raise MalformedJson(message)
    return unique


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        message = f"a whole number of {len(text):,} digits, expected at most {MAX_DIGITS}"
        raise MalformedJson(message)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_constant(text)
    return number


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        message = f"a number of {len(text):,} characters, expected at most {MAX_DIGITS}"
        raise MalformedJson(message)
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimals have
        message = "a number out of range"
        raise MalformedJson(message) from None


def _refuse_constant(_text: str) -> None:
    message = "NaN and infinity are no JSON numbers"
    raise MalformedJson(message)


def _deeper_than(value: object, levels: int) -> bool:
    # A level at a time: a function called for each value would take as long as decoding it.
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        containers = [
            inner
            for outer in containers
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not containers:
            return False
    return True


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_twins,
    parse_int=_whole,
    parse_float=_finite,
    parse_constant=_refuse_constant,
)
_EXACT_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_twins,
    parse_int=_whole,
    parse_float=_decimal,
    parse_constant=_refuse_constant,
)
_MARKING_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_marking_twins,
    parse_int=lambda _: None,
    parse_float=lambda _: None,
    parse_constant=_refuse_constant,
    strict=False,
)
