"""Replays from the console: what is selected, what would happen, and the runs that do it. The rules are those of `streams.operator.dead_letters`."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.failures import ReadFailed
from streams.operator.console.checks import Checked, Checks, Refusal
from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import Run
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.plan import DEFAULT_RATE, Options, ReplayPlan, plan
from streams.operator.dead_letters.replay_record import ReplayAudit
from streams.operator.dead_letters.run import RunResult
from streams.operator.dead_letters.run import run as carry_out

log = logging.getLogger(__name__)

MOST_DEAD_LETTERS: Final = 10_000
"""That one run may hold; `notifier dead-letters replay` takes more."""
FASTEST: Final = 1000.0
_SHOWN: Final = 100


Selection = Checked[tuple[RecordId, ...]]
"""The places of dead letters that somebody checked."""


@dataclass(slots=True)
class ConsoleRun:
    """A run of this console.

    Attributes:
        audit: which, who and why.
        at_ms: when it began.
        result: how far it is.
        fault: why it ended early, or None.
        done: whether it has ended.
    """

    audit: ReplayAudit
    at_ms: int
    result: RunResult
    fault: str | None = None
    done: bool = False


@dataclass(slots=True)
class Replays:
    """The replays of this console.

    Attributes:
        read_model: what is known.
        clients: connects what a run works with, for as long as it lasts.
        selections: what was checked.
    """

    read_model: ReadModel
    clients: Callable[[], AbstractAsyncContextManager[ReplayClients]]
    selections: Checks[tuple[RecordId, ...]] = field(init=False)
    _runs: dict[str, ConsoleRun] = field(default_factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _is_planning: bool = field(default=False, init=False)  # for a run that is about to begin

    def __post_init__(self) -> None:
        self.selections = Checks(self.read_model.now_ms)

    def select(self, by: str, places: Sequence[RecordId]) -> Selection:
        """Remember what somebody is about to check.

        Raises:
            Refusal: nothing, or too much.
        """
        self._hold_to_what_was_read()
        if not places:
            message = "No dead letter was selected. Tick some, or choose all that match."
            raise Refusal(message)
        if len(places) > MOST_DEAD_LETTERS:
            message = (
                f"These are more than {MOST_DEAD_LETTERS:,} dead letters; narrow the filter, or use"
                " `notifier dead-letters replay`, which goes on where it was stopped."
            )
            raise Refusal(message)
        chosen = tuple(sorted(set(places)))
        return self.selections.remember(by, (place.header for place in chosen), chosen)

    def plan(self, selection: Selection, rate: float = DEFAULT_RATE) -> ReplayPlan:
        """Return what a replay would do, by what is known now."""
        store = self.read_model.store
        dead_letters = [fact for place in selection.what if (fact := store.fact_at(*place))]
        orders = {dead.order_id for dead in dead_letters if dead.order_id is not None}
        facts = [fact for order in orders for fact in store.facts_of(order)]
        facts += [fact for dead in dead_letters for fact in store.facts_about(dead.record_id)]
        since = [fact for fact in facts if fact.kind in {"attempts", "replay"}]
        return plan(
            dead_letters,
            since,
            Options(rate_per_second=rate),
            self.read_model.now_ms(),
            known_since_ms=self.read_model.known_since_ms,
        )

    async def start(self, selection: Selection, why: str, rate: float, expected: int) -> str:
        """Begin a run and return its id; the run of this selection, where there is one already.

        Raises:
            Refusal: not now, or not this.
        """
        if selection.run is not None:
            return selection.run
        self._hold_to_what_was_read()
        audit = self.audit(selection.by, why)
        selection.run = audit.run  # before the first await: the same form twice starts one run
        self._is_planning = True  # before it too: who presses meanwhile begins no second run
        try:
            planned = await asyncio.to_thread(self.plan, selection, rate)
            _hold_to(expected, len(planned.selected))
            self.begin(
                audit, expected, lambda clients, result: carry_out(planned, clients, audit, result)
            )
        except BaseException:
            selection.run = None  # it may be tried again
            raise
        finally:
            self._is_planning = False
        return audit.run

    def _hold_to_what_was_read(self) -> None:
        """Refuse where it may stand in what can't be read that a dead letter was put back or delivered."""
        names = self.read_model.names
        unread = [
            place
            for place in self.read_model.store.left_out()
            if place.topic in {names.attempts, names.replay}
        ]
        if unread:
            message = (
                f"{unread[0]} can't be read, and may say that one was put back or delivered since."
                " `notifier dead-letters replay` with --unread does it all the same. Nothing was sent."
            )
            raise Refusal(message)

    def audit(self, by: str, why: str) -> ReplayAudit:
        """Return who and why of a run that may begin now.

        Raises:
            Refusal: not now, or not for this reason.
        """
        if self.read_model.is_stale():
            message = "The console is behind Kafka and could put back what was put back already. Nothing was sent."
            raise Refusal(message)
        if self._is_planning or any(not going.done for going in self._runs.values()):
            message = "Another replay of this console is under way. Wait for its end, or stop it. Nothing was sent."
            raise Refusal(message)
        try:
            return ReplayAudit(f"r-{secrets.token_hex(4)}", by, why.strip())
        except ValueError as error:
            raise Refusal(str(error)) from error

    def begin(
        self,
        audit: ReplayAudit,
        count: int,
        work: Callable[[ReplayClients, RunResult], Awaitable[object]],
    ) -> None:
        """Begin a run that puts so many back; `work` does it, and brings the result up to date."""
        going = ConsoleRun(audit, self.read_model.now_ms(), RunResult(count))
        self._runs[audit.run] = going
        log.info("replay %s: %s puts back %s", audit.run, audit.by, count)
        task = asyncio.create_task(self._carry_out(going, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(
        self,
        going: ConsoleRun,
        work: Callable[[ReplayClients, RunResult], Awaitable[object]],
    ) -> None:
        try:
            async with self.clients() as clients:
                await work(clients, going.result)
        except ReadFailed as error:
            going.fault = str(error)
            log.warning("replay %s ended early: %s", going.audit.run, error)
        except Exception as error:  # whoever watches the run must learn of it
            going.fault = f"It failed with {type(error).__name__}; the console's log says more."
            log.exception("replay %s failed", going.audit.run)
        finally:
            going.done = True

    def stop(self, run: str) -> None:
        """End a run of this console after what is under way; what was put back stays put back."""
        if run in self._runs:
            self._runs[run].result.stop = True

    async def close(self) -> None:
        """End every run and wait until no decision stands without its effect."""
        for going in self._runs.values():
            going.result.stop = True
        for task in list(self._tasks):
            await task

    # --- what came of them --------------------------------------------------------------------------

    def going(self, run: str) -> ConsoleRun | None:
        """Return a run of this console, or None."""
        return self._runs.get(run)

    def runs(self) -> tuple[Run, ...]:
        """Return the replays that are known, the newest first."""
        rows = self.read_model.store.rows(
            "SELECT replay_run, min(at_ms) AS at_ms FROM facts WHERE replay_run NOTNULL"
            " GROUP BY replay_run ORDER BY at_ms DESC LIMIT ?",
            (_SHOWN,),
        )
        names = [row["replay_run"] for row in rows]
        fresh = set(self._runs) - set(names)
        return tuple(run for name in (*fresh, *names) if (run := self.run(name)) is not None)

    def run(self, run: str) -> Run | None:
        """Return what came of a replay, whoever did it; None where nothing is known of it."""
        store, going = self.read_model.store, self._runs.get(run)
        said = store.row(
            "SELECT fact ->> '$.record.by' AS by, fact ->> '$.record.why' AS why, at_ms FROM facts"
            " WHERE replay_run = ? AND kind = 'attempts' AND fact ->> '$.record.kind' = 'replay' LIMIT 1",
            (run,),
        )
        if said is None and going is None:
            return None
        (put,) = store.row(
            "SELECT count(*) FROM facts WHERE replay_run = ? AND kind = 'replay'", (run,)
        )
        ends = dict(
            store.rows(
                "SELECT fact ->> '$.record.decision', count(DISTINCT coalesce(notification_id, fact ->> '$.origin'))"
                " FROM facts WHERE replay_run = ? AND kind = 'attempts' GROUP BY 1",
                (run,),
            )
        )
        delivered, dead = ends.get("delivered", 0), ends.get("dead-letter", 0)
        return Run(
            run=run,
            by=going.audit.by if going else said["by"],
            why=going.audit.why if going else said["why"],
            at_ms=going.at_ms if going else said["at_ms"],
            put_back=put,
            delivered=delivered,
            dead_again=dead,
            waiting=max(0, put - delivered - dead),
            planned=going.result.of if going else None,
            going=going is not None and not going.done,
        )

    def replayed_by(self, run: str, limit: int) -> tuple[tuple[Fact, str], ...]:
        """Return what a run put back, the first ones, each with how its notification stands now."""
        store = self.read_model.store
        rows = store.rows(
            "SELECT topic, partition, offset FROM facts WHERE replay_run = ? AND kind = 'replay' ORDER BY at_ms LIMIT ?",
            (run, limit),
        )
        replayed = []
        for row in rows:
            fact = store.fact_at(*row)
            if fact is not None:
                life = store.row(
                    "SELECT status FROM notifications WHERE order_id = ? AND notification_id = ?",
                    (fact.order_id, fact.notification_id),
                )
                replayed.append((fact, life[0] if life else "unknown"))
        return tuple(replayed)


def _hold_to(expected: int, count: int) -> None:
    if count != expected:
        message = (
            f"It would now put back {count:,} dead letters, not {expected:,} as when you checked."
            " Check it again. Nothing was sent."
        )
        raise Refusal(message)
