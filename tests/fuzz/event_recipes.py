"""Recipes of events of a megabyte, from which a search breeds the costliest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.support.events import EVENTS

MOST_BYTES: Final = 1_000_000
UNITS: Final[Mapping[str, bytes]] = {
    "letter": b"a",
    "escaped letter": b"\\u0061",
    "line end": b"\\n",
    "backslash": b"\\\\",
    "two bytes": "é".encode(),
    "three bytes": "支".encode(),
    "four bytes": "😀".encode(),
    "surrogates": b"\\ud83d\\ude00",
    "half a pair": b"\\ud83d",
    "letter and four bytes": "a😀".encode(),
    "control": b"\\u0000",
    "comma": b",",
    "brace": b"{",
    "blank": b" ",
    "digit": b"7",
}
"""What a text is made of."""


def _text_of(unit: bytes, length: int) -> bytes:
    return b'"%b"' % (unit * length)


ELEMENTS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "zero": lambda _: b"0",
    "whole number": lambda length: b"9" * min(length, 4300),
    "fraction": lambda length: b"0." + b"7" * length,
    "power": lambda length: b"%de-%d" % (10 ** min(length, 300) // 3, min(length, 300)),
    "true": lambda _: b"true",
    "null": lambda _: b"null",
    "empty text": lambda _: b'""',
    "empty object": lambda _: b"{}",
    "empty array": lambda _: b"[]",
    "object": lambda length: b'{"%b":"v"}' % (b"n" * length),
    "object of numbers": lambda length: b'{"%b":0,"b":0,"c":0,"d":0}' % (b"n" * length),
    "nested": lambda length: b'{"a":' * min(length, 28) + b"0" + b"}" * min(length, 28),
    "nested arrays": lambda length: b"[" * min(length, 28) + b"0" + b"]" * min(length, 28),
    **{f"text of {name}": partial(_text_of, unit) for name, unit in UNITS.items()},
}
"""One value, of a length."""
NAMES: Final = (
    "m",
    "paymentIe",
    "occuredAt",
    "customerld",
    "notifyUrI",
    "é",
    "a.b",
    "x" * 40,
    "x" * 41,
)
COUNTS: Final = (
    1,
    2,
    3,
    16,
    64,
    200,
    230,
    256,
    1000,
    2000,
    4000,
    4090,
    8000,
    16_000,
    16_380,
    400_000,
)
LENGTHS: Final = (
    1,
    2,
    8,
    20,
    28,
    40,
    60,
    64,
    65,
    200,
    240,
    1000,
    4300,
    70_000,
    160_000,
    330_000,
    1_000_000,
)
PLACES: Final = (
    *("event", "payment", "eventId", "notifyUrl", "occurredAt", "outcome", "resultMessage"),
    *("payment.metadata", "payment.paymentActionForm", "payment.paymentTime", "payment.paymentRequestId"),
    *("payment.paymentAmount", "payment.paymentAmount.value", "payment.paymentAmount.currency"),
)  # fmt: skip
"""`event` and `payment` for members that nobody knows; else the member whose value it is."""
SHAPES: Final = ("value", "array", "members", "wrapped")


@dataclass(frozen=True, slots=True)
class Gene:
    """A part of an event.

    Attributes:
        place: where it stands.
        shape: one value, an array, members side by side, or an array deep below long names.
        element: what it is made of.
        count: of how many.
        length: of each.
        name: what its members are called.
    """

    place: str
    shape: str
    element: str
    count: int
    length: int
    name: str

    def value(self, room: int) -> tuple[bytes, bytes]:
        """Return its value, and its members where it has some; about as many bytes as there is room for at most."""
        one = ELEMENTS[self.element](min(self.length, room))
        count = max(1, min(self.count, room // (len(one) + 1)))
        match self.shape:
            case "array":
                return b"[" + b",".join([one] * count) + b"]", b""
            case "wrapped":
                levels = 24
                inner = b"[" + b",".join([one] * count) + b"]"
                return b'{"%b":' % (self.name.encode()) * levels + inner + b"}" * levels, b""
            case "members":
                count = min(count, room // (len(one) + len(self.name.encode()) + 10))
                name = self.name.encode()
                members = b",".join(b'"%b%d":%b' % (name, at, one) for at in range(count))
                return b"{" + members + b"}", members
            case _:
                return one, b""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An event's profile, outcome and parts."""

    profile: str
    outcome: str
    genes: tuple[Gene, ...]

    def event(self) -> bytes:
        """Return the event's bytes, `MOST_BYTES` at most."""
        event = EVENTS[self.profile] | {"outcome": self.outcome, "notifyUrl": "https://x.example/n"}
        payment = dict(event["payment"])
        del event["payment"]
        left = MOST_BYTES - 4096
        members: list[bytes] = []
        inner: list[bytes] = []
        for number, gene in enumerate(self.genes):
            value, side_by_side = gene.value(left)
            if len(value) > left:
                continue
            left -= len(value)
            *above, name = gene.place.split(".")
            if gene.place in {"event", "payment"}:
                own = b'"unknown%d":%b' % (number, value)
                (members if gene.place == "event" else inner).append(side_by_side or own)
            elif not above:
                event.pop(name, None)
                members.append(b'"%b":%b' % (name.encode(), value))
            elif above == ["payment"]:
                payment.pop(name, None)
                inner.append(b'"%b":%b' % (name.encode(), value))
            else:
                payment.pop("paymentAmount", None)
                other = b'"currency":"USD"' if name == "value" else b'"value":"1"'
                inner.append(b'"paymentAmount":{%b,"%b":%b}' % (other, name.encode(), value))
        known = [
            b'"%b":%b' % (name.encode(), json.dumps(value).encode())
            for name, value in event.items()
        ]
        inner = [
            b'"%b":%b' % (name.encode(), json.dumps(value).encode())
            for name, value in payment.items()
        ] + inner
        return b"{" + b",".join([*known, *members, b'"payment":{' + b",".join(inner) + b"}"]) + b"}"
