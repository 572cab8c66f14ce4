"""Putting back what a plan selected, at most so many a second, each with its decision written down first.

Whoever ends it in the middle may run the same again: what was put back is seen on the replay topic and skipped. A decision
that was written and had no effect, because the process died in between, is done again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from streams.history.facts import Fact
from streams.kafka.producer import RecordTooLarge
from streams.kafka.raw import Place, RawRecord
from streams.kafka.records import OutRecord
from streams.replay.letters import spans_around
from streams.replay.plan import ReplayPlan
from streams.replay.put_back import (
    CannotPutBack,
    Warrant,
    decision_record,
    fault_of,
    letter_record,
)
from streams.replay.tools import Tools

_AT_ONCE = 32
"""So many go in one round trip to the brokers; more would let Ctrl-C wait."""


@dataclass(slots=True)
class RunResult:
    """How far a run came.

    Attributes:
        put_back: how many were put back.
        of: how many were to be.
        refused: those that could not be, each with the reason.
        stop: set from elsewhere, ends the run after the round trip under way.
    """

    of: int
    put_back: int = 0
    refused: list[tuple[Place, str]] = field(default_factory=list)
    stop: bool = False

    def refuse(self, place: Place, why: str) -> None:
        """Note one that could not be put back."""
        self.refused.append((place, why))


async def run(
    plan: ReplayPlan,
    tools: Tools,
    warrant: Warrant,
    result: RunResult,
    on_progress: Callable[[RunResult], None] | None = None,
) -> RunResult:
    """Put back what a plan selected; return when the broker has it all.

    When it is cancelled, what has been begun (at most 32) is ended first, so that no decision stands without its effect.

    Args:
        plan: what.
        tools: with what.
        warrant: who and why.
        result: is brought up to date after each round trip, so that it is known also when this is cancelled.
        on_progress: told after each round trip.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    missing = {letter.place: letter for letter in plan.selected}
    most = max(1, min(_AT_ONCE, int(plan.rate)))
    pace = _Pace(plan.rate)
    spans = spans_around(missing, await tools.reader.spans(tools.names.dead_letter))
    waiting: list[tuple[RawRecord, Fact]] = []
    async for batch in _and_an_end(tools.reader.read(spans)):
        waiting += [(r, missing.pop(r.place)) for r in batch if r.place in missing]
        while len(waiting) >= most or (waiting and not batch):
            if result.stop:
                return result
            await pace.wait_for(min(most, len(waiting)))
            await _to_its_end(
                _put_back(waiting[:most], tools, warrant, result, rebuild=plan.options.rebuild)
            )
            del waiting[:most]
            if on_progress is not None:
                on_progress(result)
    for place in missing:
        result.refuse(place, "the dead letter is not there any more")
    return result


async def _and_an_end(batches: AsyncIterator[list[RawRecord]]) -> AsyncIterator[list[RawRecord]]:
    """Yield the batches and then an empty one."""
    async for batch in batches:
        yield batch
    yield []


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Do this to its end also when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


class _Pace:
    """Lets so many through a second, evenly."""

    def __init__(self, rate_per_second: float) -> None:
        self._rate = rate_per_second
        self._next = 0.0

    async def wait_for(self, count: int) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next - clock())
        self._next = max(self._next, clock()) + count / self._rate


async def _put_back(
    some: Sequence[tuple[RawRecord, Fact]],
    tools: Tools,
    warrant: Warrant,
    result: RunResult,
    *,
    rebuild: bool,
) -> None:
    effects: list[tuple[OutRecord, Fact]] = []
    decisions = []
    for record, letter in some:
        try:
            effect = await _effect(record, letter, tools, warrant, rebuild=rebuild)
        except CannotPutBack as refused:
            result.refuse(letter.place, str(refused))
            continue
        now = tools.clock.now_ms()
        decisions.append(decision_record(tools.names, effect, letter, warrant, now))
        effects.append((effect, letter))
    await tools.producer.write(*decisions)  # before their effect
    try:
        await tools.producer.write(*(effect for effect, _ in effects))
        result.put_back += len(effects)
    except (
        RecordTooLarge
    ):  # one of them; those that were written already come twice, and are absorbed
        for effect, letter in effects:
            await _write_alone(effect, letter, tools, result)


async def _effect(
    record: RawRecord, letter: Fact, tools: Tools, warrant: Warrant, *, rebuild: bool
) -> OutRecord:
    now_ms = tools.clock.now_ms()
    if rebuild and not letter.holds_event:
        return await tools.rebuild.record(letter, warrant, now_ms)
    effect = letter_record(tools.names, record, letter, warrant, now_ms)
    if letter.holds_event:
        return effect
    if fault := fault_of(effect, tools.check_url):
        message = f"no worker could read it: {fault}"
        raise CannotPutBack(message)
    return effect


async def _write_alone(effect: OutRecord, letter: Fact, tools: Tools, result: RunResult) -> None:
    try:
        await tools.producer.write(effect)
    except RecordTooLarge as error:
        result.refuse(letter.place, str(error))
    else:
        result.put_back += 1
