"""Carrying out a plan: at most so many a second, each with its decision written down first.

Whoever ends it in the middle may run the same again: what was put back is seen on the replay topic and skipped. A decision
that was written and had no effect, because the process died in between, is done again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import OutRecord
from streams.kafka.producer import RecordTooLarge
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.find import spans_around
from streams.operator.dead_letters.plan import ReplayPlan
from streams.operator.dead_letters.replay_record import (
    CannotReplay,
    ReplayAudit,
    fault_of,
    replay_record,
    replay_settlement,
)
from streams.worker.settlement import Settlement

_AT_ONCE = 32
"""So many go in one round trip to the brokers; more would let Ctrl-C wait."""


@dataclass(slots=True)
class RunResult:
    """How far a run came.

    Attributes:
        of: how many were to be put back.
        replayed: how many were.
        refused: those that could not be, each with the reason.
        stop: set from elsewhere, ends the run after the round trip under way.
    """

    of: int
    replayed: int = 0
    refused: list[tuple[RecordId, str]] = field(default_factory=list)
    stop: bool = False


async def run(
    plan: ReplayPlan,
    clients: ReplayClients,
    audit: ReplayAudit,
    result: RunResult,
    on_progress: Callable[[RunResult], None] = lambda _: None,
) -> RunResult:
    """Put back what a plan selected; return when the broker has it all.

    When it is cancelled, what has been begun (at most 32) is ended first, so that no decision stands without its effect.

    Args:
        plan: what.
        clients: of the brokers.
        audit: who and why.
        result: is brought up to date after each round trip, so that it is known also when this is cancelled.
        on_progress: told after each round trip.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    missing = {dead_letter.record_id: dead_letter for dead_letter in plan.selected}
    rate = plan.options.rate_per_second
    most, pace = max(1, min(_AT_ONCE, int(rate))), _Pace(rate)
    spans = spans_around(missing, await clients.reader.spans(clients.names.dead_letter))
    waiting: list[tuple[RawRecord, Fact]] = []
    async for batch in _and_an_end(clients.reader.read(spans)):
        waiting += [(r, missing.pop(r.record_id)) for r in batch if r.record_id in missing]
        while len(waiting) >= most or (waiting and not batch):
            if result.stop:
                return result
            some, waiting = waiting[:most], waiting[most:]
            await pace.wait_for(len(some))
            await _to_its_end(_replay(some, clients, audit, result, rebuild=plan.options.rebuild))
            on_progress(result)
    result.refused += [
        (record_id, "the dead letter is not there any more") for record_id in missing
    ]
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


async def _replay(
    some: Sequence[tuple[RawRecord, Fact]],
    clients: ReplayClients,
    audit: ReplayAudit,
    result: RunResult,
    *,
    rebuild: bool,
) -> None:
    """Put these back; note in the result what came of each."""
    settlements: list[tuple[RecordId, Settlement]] = []
    for record, dead_letter in some:
        try:
            effect = await _effect(record, dead_letter, clients, audit, rebuild=rebuild)
        except CannotReplay as refusal:
            result.refused.append((dead_letter.record_id, str(refusal)))
            continue
        settlement = replay_settlement(effect, dead_letter, audit, clients.clock.now_ms())
        settlements.append((dead_letter.record_id, settlement))
    ended = await asyncio.gather(
        *(clients.settler.settle(settlement) for _, settlement in settlements),
        return_exceptions=True,
    )
    failed: BaseException | None = None
    for (record_id, _), outcome in zip(settlements, ended, strict=True):
        if isinstance(outcome, RecordTooLarge):
            result.refused.append((record_id, str(outcome)))
        elif isinstance(outcome, BaseException):
            failed = failed or outcome  # once all that was put back is counted
        else:
            result.replayed += 1
    if failed is not None:
        raise failed


async def _effect(
    record: RawRecord,
    dead_letter: Fact,
    clients: ReplayClients,
    audit: ReplayAudit,
    *,
    rebuild: bool,
) -> OutRecord:
    """Return the record that puts a dead letter back.

    Raises:
        CannotReplay: no worker could read it, or its event can't be read any more.
    """
    now_ms = clients.clock.now_ms()
    if rebuild and not dead_letter.holds_event:
        return await clients.rebuild.record(dead_letter, audit, now_ms)
    effect = replay_record(clients.names, record, dead_letter, audit, now_ms)
    if not dead_letter.holds_event and (fault := fault_of(effect, clients.check_url)):
        message = f"no worker could read it: {fault}"
        raise CannotReplay(message)
    return effect
