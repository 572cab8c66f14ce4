"""Order ids like one that nobody knows: a mistyped one. Only what can be had cheaply is looked at."""

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from operator import eq
from typing import Any, Final

from streams.kafka.reader.batch_search import key_search
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader
from streams.kafka.topics import TopicNames

_NEWEST: Final = 2_048  # records of each partition: some 0.03 s of CPU
_MOST_PARTITIONS: Final = 24
_MOST_EDITS: Final = 2
_MOST_SHOWN: Final = 3


async def near_orders(
    reader: RecordReader,
    names: TopicNames,
    order_id: str,
    on_progress: OnProgress | None = None,
) -> tuple[str, ...]:
    """Return order ids that may be meant by one of which nothing is known, the nearest first, three at most.

    Those that differ in case or white space only, of however long ago; and of the newest attempts records of each
    partition those that one or two edits make of it.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    found: dict[str, int] = {}
    for variant in _variants(order_id):
        spans = (await reader.key_spans(names.attempts, key=variant.encode())).likely
        search = key_search(reader, spans, variant.encode(), on_progress)
        while search.left and variant not in found:
            if await search.step():
                found[variant] = 0
    is_near = nearness(order_id)

    def note(record: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        key = (record.key or b"").decode("utf-8", "replace")
        if key not in found and (edits := is_near(key)) is not None:
            found[key] = edits
        return False

    newest = [
        replace(span, start=max(span.start, span.end - _NEWEST))
        for span in (await reader.spans(names.attempts))[:_MOST_PARTITIONS]
    ]
    async for _ in scan(reader, newest, note, on_progress):
        pass
    return tuple(sorted(found, key=lambda name: (found[name], name))[:_MOST_SHOWN])


def _variants(order_id: str) -> list[str]:
    """Return the same id without white space and in other case."""
    whole = "".join(order_id.split())
    others = dict.fromkeys((whole, whole.upper(), whole.lower()))
    return [other for other in others if other not in {"", order_id}]


def nearness(order_id: str) -> Callable[[str], int | None]:
    """Return what tells how many edits make an id of another one, up to two: 0 where case and white space differ only."""
    wanted = _plain(order_id)
    # Of a short id everything is two edits away.
    most = min(_MOST_EDITS, len(wanted) // 3)

    def edits(other: str) -> int | None:
        seen = _plain(other)
        if abs(len(seen) - len(wanted)) > most:
            return None
        begin = _same(wanted, seen)
        one, two = wanted[begin:], seen[begin:]
        end = _same(one[::-1], two[::-1])
        one, two = one[: len(one) - end], two[: len(two) - end]
        # Each edit changes one character or a pair: most ids are seen not to be near without counting edits.
        if len(set(one) ^ set(two)) > 2 * most:
            return None
        count = _distance(one, two)
        return count if count <= most else None

    return edits


def _same(one: str, other: str) -> int:
    """Return with how many same characters both begin."""
    return sum(takewhile(bool, map(eq, one, other)))


def _plain(order_id: str) -> str:
    return "".join(order_id.split()).casefold()


def _distance(one: str, other: str) -> int:
    """Return how many characters must be put in, taken out, changed or swapped with their neighbours."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before_last, before = before, row
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
    return row[-1]
