"""What an event may cost the event loop: held by counts here, and searched for by CPU time."""

import json
import os
import sys
from collections import Counter
from random import Random  # noqa: TID251  # seeded

import pytest

from schemas.strict_json import MAX_DIGITS, MESSAGE
from streams.notification.intake import ReadEvent, Refused, read_event
from tests.fuzz.costly_events import Search, plain_seconds, seconds_of
from tests.fuzz.event_recipes import ELEMENTS, MOST_BYTES, UNITS
from tests.support.events import EVENTS
from tests.unit.bench import Bench

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
pytestmark = pytest.mark.timeout(max(900, CASES // 20))
MOST_SECONDS = 0.05
"""What is asked of a megabyte, on a machine that does nothing else: said beside what was found, and no test's verdict."""
MOST_CALLS = 300_000
FEW_CALLS = 2_000
_BASE = json.dumps(EVENTS["mpp-to-ant"] | {"notifyUrl": "https://x.example/"}).encode()


def event(more: bytes) -> bytes:
    """Return an event with more members in its payment."""
    return b"%b,%b}}" % (_BASE[:-2], more)


def filled(element: bytes, most: int = MOST_BYTES) -> bytes:
    """Return an array of as many of these as are let pass."""
    count = min(MESSAGE.commas - 100, (most - 1000) // (len(element) + 1))
    if containers := element.count(b"{") + element.count(b"["):
        count = min(count, (MESSAGE.containers - 100) // containers)
    if commas := element.count(b","):
        count = min(count, (MESSAGE.commas - 100) // (commas + 1))
    return b'"x":[' + b",".join([element] * count) + b"]"


def calls_of(case: bytes) -> int:
    """Count what is called while an event is read, functions of Python and of C."""
    calls: Counter[str] = Counter()

    def note(_frame, kind, _argument):
        calls[kind] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        read = read_event(case, allow_http=False)
    finally:
        sys.setprofile(before)
    assert isinstance(read, ReadEvent | Refused)
    return calls["call"] + calls["c_call"]


AS_MUCH_AS_MAY_BE = {
    "objects": filled(b"{}"),
    "objects of numbers": filled(b'{"a":0,"b":0,"c":0,"d":0}'),
    "numbers": filled(b"0"),
    "fractions": filled(b"0." + b"7" * 50),
    "long numbers": filled(b"9" * MAX_DIGITS),
    "long numbers and an escape": filled(b"9" * MAX_DIGITS) + b',"y":"\\ud83d\\ude00"',
    "faults": filled(b'""'),
    "near names": b",".join(b'"paymentIe%d":"v"' % at for at in range(MESSAGE.commas - 100)),
    "unknown names": b",".join(
        b'"%b%d":"v"' % (b"n" * 50, at) for at in range(MESSAGE.commas - 100)
    ),
    "deep": filled(b'{"a":' * 28 + b"0" + b"}" * 28),
    "deep names": b'"x":' + b'{"%b":' % (b"n" * 40) * 28 + b"{" + filled(b"0") + b"}" + b"}" * 28,
}


@pytest.mark.parametrize("kind", AS_MUCH_AS_MAY_BE)
def test_what_is_let_pass_is_bounded_in_calls(kind):
    """At the bounds of containers, commas and digits: so many faults, near names and members, and no more, are looked at."""
    case = event(AS_MUCH_AS_MAY_BE[kind])
    assert len(case) <= MOST_BYTES + 1000
    calls = calls_of(case)
    assert FEW_CALLS < calls < MOST_CALLS


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_is_one_value(unit):
    """Escapes, other scripts, halves of pairs: nothing is done letter by letter."""
    text = UNITS[unit] * ((MOST_BYTES - 1000) // len(UNITS[unit]))
    assert calls_of(event(b'"x":"%b"' % text)) < FEW_CALLS
    assert calls_of(_BASE.replace(b"https://x.example/", b"https://x.example/" + text)) < FEW_CALLS


@pytest.mark.parametrize(
    "more",
    [
        filled(b"{}") + b',"y":[' + b"{}," * 5000 + b"0]",
        b'"x":[' + b"0," * 400_000 + b"0]",
        b'"x":[' + b",".join([b"9" * (MAX_DIGITS + 1)] * 2000) + b"]",
        b'"x":[' + b",".join([b"9" * 4300] * 230) + b"]",
        b'"x":' + b"[" * 4000 + b"]" * 4000,
        b'"x":' + b"[" * 900_000,
    ],
)
def test_more_than_that_is_refused_before_it_is_understood(more):
    """A megabyte of it costs no more than a look at its size, or than its first fault."""
    assert calls_of(event(more)) < FEW_CALLS


async def test_the_costliest_event_that_a_search_finds(capsys):
    """Says what it cost; that each is settled is asked here, that none costs too much is for whoever reads it."""
    search = Search(Random(SEED))  # noqa: S311  # no secret
    worst = (await search.run(max(40, CASES // 50)))[0]
    case = worst.recipe.event()
    assert len(case) <= MOST_BYTES
    again, plain = await seconds_of(Bench(), case), plain_seconds()
    with capsys.disabled():
        verdict = "within" if again <= MOST_SECONDS else "BEYOND"
        print(  # noqa: T201  # for whoever runs `make fuzz`
            f"\n[fuzz] the costliest event of {max(40, CASES // 50)} tries: {again * 1000:.1f} ms of CPU"
            f" ({verdict} {MOST_SECONDS * 1000:.0f}), {again / plain:.1f} times json.loads of a plain one:"
            f" {len(case):,} bytes, {worst.recipe}"
        )


def test_every_recipe_is_an_event_of_a_megabyte_at_most():
    """What the search tries is what it says: of each element and of many at random."""
    search = Search(Random(SEED))  # noqa: S311  # no secret
    for _ in range(100):
        case = search._new().event()
        assert len(case) <= MOST_BYTES
        assert case.startswith(b"{")
    assert len(ELEMENTS) > len(UNITS)
