"""What must hold in every state of the small world, written down and checked as it goes."""

from collections.abc import Iterable, Mapping
from functools import cache

from streams.kafka.committed_state import CommittedState
from tests.model.handling import Facts, decision_of
from tests.model.records import Records
from tests.model.state import At, LaneState, Ledger, State, Text


@cache
def settled_by(text: Text) -> frozenset[int]:
    """Return the offsets that a commit says are settled, as the product reads it."""
    state = CommittedState.read(*text)
    return state.finished.union(range(state.offset))


def named(at: At) -> str:
    """Return a record's name in what people read."""
    return f"p{at[0]}@{at[1]}"


class Judge:
    """Keeps the ledger.

    Args:
        records: the records that there are.
        read: how many partitions are read; logs behind them only keep what comes to rest there.
    """

    def __init__(self, records: Records, read: int) -> None:
        self._records = records
        self._read = read

    def began(self, state: State, worker: int, at: At, lane: LaneState, *, called: bool) -> State:
        """A worker begins to handle a record: calls its partner, or writes at once."""
        ledger, facts = state.ledger, self._facts(state, at)
        who = state.workers[worker]
        zombie = worker not in state.members or who.generation != state.generation
        fault = ledger.fault
        again = at in ledger.begun
        excused = ledger.excused
        if zombie:
            excused = excused if again else excused | {at}
        else:
            if again and at not in excused:
                fault = fault or f"{named(at)} is handled again, and no fault came between"
            excused -= {at}
        n = facts.notification_id
        repeated = ledger.repeated | {n} if again else ledger.repeated
        told = ledger.told
        if called:
            attempt = facts.attempt + 1
            if attempt > 1 and (n, attempt - 1) not in told:
                fault = fault or f"attempt {attempt} of {n} comes before attempt {attempt - 1}"
            if (n, attempt) in told and n not in repeated:
                fault = fault or f"attempt {attempt} of {n} is made twice, and no fault came before"
            if copy := self._copy(state, at, lane, facts):
                fault = fault or f"{named(at)} is a copy of {named(copy)}, which this lane has had"
            told |= {(n, attempt)}
        return state._replace(
            ledger=ledger._replace(
                begun=ledger.begun | {at},
                excused=excused,
                repeated=repeated,
                told=told,
                fault=fault,
            )
        )

    def _copy(self, state: State, at: At, lane: LaneState, facts: Facts) -> At | None:
        """Return a record of the same lane that is the same step of the same notification and was begun there."""
        begun = {flight.offset for flight in lane.flights if flight.told or flight.stored}
        for offset in (begun | lane.settled) - lane.finished_before - {at[1]}:
            other = (at[0], offset)
            if self._facts(state, other) == facts:
                return other
        return None

    def stored(self, state: State, at: At, number: int) -> State:
        """The broker has stored a record that the settlement of another one says."""
        record, ledger = self._records[number], state.ledger
        if record.topic == self._records.names.attempts:
            decision = decision_of(record.value or b"")
            ended = ledger.ended
            if decision == "delivered" and at not in ledger.moved:  # one report twice is one end
                ended = tuple(sorted((*ended, self._facts(state, at).notification_id)))
            moved = ledger.moved | {at} if decision in {"delivered", "absorbed"} else ledger.moved
            ledger = ledger._replace(reported=ledger.reported | {at}, moved=moved, ended=ended)
            return self.checked(state._replace(ledger=ledger))
        facts = self._records.facts(number)
        ledger = ledger._replace(moved=ledger.moved | {at})
        if record.topic == self._records.names.dead_letter:
            ledger = ledger._replace(ended=tuple(sorted((*ledger.ended, facts.notification_id))))
            return self.checked(state._replace(ledger=ledger))
        copies = [n for log in state.logs for n in log if self._records.facts(n) == facts]
        if len(copies) > 1 and facts.notification_id not in ledger.repeated:
            ledger = ledger._replace(
                fault=ledger.fault
                or f"{facts.notification_id} stands twice on {record.topic}, and no fault came before"
            )
        return self.checked(state._replace(ledger=ledger))

    def stored_again(self, state: State, number: int) -> State:
        """The producer did not hear of a record that was stored, and writes it once more."""
        ledger = state.ledger
        record = self._records[number]
        if record.topic == self._records.names.attempts:
            return state
        n = self._records.facts(number).notification_id
        return state._replace(ledger=ledger._replace(repeated=ledger.repeated | {n}))

    def committed(self, before: State, after: State, changed: Mapping[int, Text]) -> State:
        """A commit was accepted."""
        ledger = after.ledger
        for partition, text in changed.items():
            old, new = settled_by(before.committed[partition]), settled_by(text)
            if back := sorted(old - new):
                where = named((partition, back[0]))
                ledger = _fault(ledger, f"a commit takes back that {where} is settled")
            for offset in sorted(new - old):
                at = (partition, offset)
                if at not in ledger.moved or at not in ledger.reported:
                    ledger = _fault(ledger, f"{named(at)} is committed and not settled")
        return self.checked(after._replace(ledger=ledger))

    def excuse(self, state: State, records: Iterable[At]) -> State:
        """A fault came: what was begun of these records and is not committed may be handled again."""
        ledger = state.ledger
        excused = frozenset(
            at
            for at in records
            if at in ledger.begun and at[1] not in settled_by(state.committed[at[0]])
        )
        return state._replace(ledger=ledger._replace(excused=ledger.excused | excused))

    def checked(self, state: State) -> State:
        """Count the places where each notification is at rest: one; two only where a fault explains it; never none."""
        ledger = state.ledger
        places: dict[str, int] = dict.fromkeys(self._records.notifications, 0)
        for n in ledger.ended:
            places[n] += 1
        for partition, log in enumerate(state.logs):
            done: frozenset[int] = frozenset()
            if partition < self._read:
                done = settled_by(state.committed[partition])
            for offset, number in enumerate(log):
                if offset not in done and (partition, offset) not in ledger.moved:
                    places[self._records.facts(number).notification_id] += 1
        for n, count in places.items():
            if count == 0:
                ledger = _fault(ledger, f"{n} is lost: it is at rest nowhere")
            elif count > 1 and n not in ledger.repeated:
                ledger = _fault(
                    ledger, f"{n} is at rest in {count} places, and no fault came before"
                )
        return state._replace(ledger=ledger)

    def at_the_end(self, state: State) -> str:
        """Return what is wrong with a state in which nothing happens any more, or nothing."""
        for partition, text in enumerate(state.committed):
            left = set(range(len(state.logs[partition]))) - settled_by(text)
            if left:
                where = named((partition, min(left)))
                return f"nothing happens any more, and {where} is not committed"
        waiting = {n for log in state.logs[self._read :] for n in log}
        resting = {self._records.facts(number).notification_id for number in waiting}
        for n in self._records.notifications:
            if n not in state.ledger.ended and n not in resting:
                return f"nothing happens any more, and {n} has not ended"
        return ""

    def _facts(self, state: State, at: At) -> Facts:
        return self._records.facts(state.logs[at[0]][at[1]])


def _fault(ledger: Ledger, text: str) -> Ledger:
    return ledger if ledger.fault else ledger._replace(fault=text)
