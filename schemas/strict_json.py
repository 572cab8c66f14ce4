"""JSON as this project reads it: one meaning for one sequence of bytes, or a refusal.

Events, the bodies on tiers and partners' answers all come through here.
"""

import json
import math
import re
from typing import Any, Final

MAX_DEPTH: Final = 32
"""Objects and arrays within each other; the deepest known message has five."""

_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class MalformedJson(ValueError):  # noqa: N818  # named after what it says about the bytes
    """These bytes are no JSON that can be relied on. The message never quotes them."""


def loads(raw: bytes) -> Any:  # noqa: ANN401  # whatever JSON holds; each caller narrows it
    """Read one JSON value from strict UTF-8.

    Raises:
        MalformedJson: no UTF-8, a byte order mark, no JSON, a member named twice, NaN or infinity,
            half a surrogate pair, or more than `MAX_DEPTH` levels.
    """
    try:
        value = _DECODER.decode(raw.decode())
        if _SURROGATE_ESCAPE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
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
    except ValueError:  # the interpreter's limit on the digits of a whole number
        message = "a number with too many digits"
        raise MalformedJson(message) from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise MalformedJson(_TOO_DEEP)
    return value


_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of objects and arrays"


def _without_twins(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) != len(members):
        message = "a member is named twice in one object"
        raise MalformedJson(message)
    return unique


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_constant(text)
    return number


def _refuse_constant(_text: str) -> None:
    message = "NaN and infinity are no JSON numbers"
    raise MalformedJson(message)


def _deeper_than(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_deeper_than(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper_than(inner, levels - 1) for inner in value)
    return False


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_twins,
    parse_float=_finite,
    parse_constant=_refuse_constant,
)
