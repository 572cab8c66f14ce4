"""The group's coordinator in the small world: which commits count, and who is given which partitions."""

from collections.abc import Iterator
from itertools import chain, permutations
from typing import Final

from tests.model.judge import Judge
from tests.model.records import Records
from tests.model.rules import OURS, Rules
from tests.model.settings import Setting
from tests.model.state import At, Flight, LaneState, Ledger, Request, State, Text, Worker

ANY: Final = -2
"""A generation that is any: of a commit that is given the present one when it is sent."""

Step = tuple[str, State]


class Coordinator:
    """What the group's coordinator does.

    Args:
        setting: how large the world is.
        rules: the steps that can be broken.
    """

    def __init__(self, setting: Setting, rules: Rules = OURS) -> None:
        self.setting = setting
        self.rules = rules
        self.records = Records(chain.from_iterable(setting.logs))
        self.judge = Judge(self.records, len(setting.topics))

    def initial(self) -> State:
        """Return the state in which two workers have joined, and hold a partition each."""
        logs = tuple(tuple(self.records.number(r) for r in log) for log in self.setting.logs)
        workers = tuple(
            Worker("member", 1, ((number, LaneState(0, frozenset())),), noted=((number, (0, "")),))
            for number in range(2)
        )
        return State(
            logs=(*logs, ()),
            committed=((0, ""),) * len(logs),
            generation=1,
            members=frozenset({0, 1}),
            joined=None,
            workers=workers,
            requests=(),
            late=frozenset(),
            faults=self.setting.faults,
            hitches=self.setting.hitches,
            ledger=Ledger(told=self.setting.made),
        )

    @staticmethod
    def name(worker: int) -> str:
        """Return a worker's name in what people read."""
        return f"worker {'AB'[worker]}"

    @staticmethod
    def with_worker(state: State, number: int, worker: Worker) -> State:
        """Return the state with one worker changed."""
        workers = state.workers
        return state._replace(workers=(*workers[:number], worker, *workers[number + 1 :]))

    def with_lane(self, state: State, number: int, partition: int, lane: LaneState) -> State:
        """Return the state with one lane of a worker changed."""
        worker = state.workers[number]
        lanes = tuple((p, lane if p == partition else other) for p, other in worker.lanes)
        return self.with_worker(state, number, worker._replace(lanes=lanes))

    @staticmethod
    def replaced(lane: LaneState, flight: Flight, by: Flight) -> LaneState:
        """Return a lane with one flight changed."""
        flights = tuple(by if other.offset == flight.offset else other for other in lane.flights)
        return lane._replace(flights=flights)

    # --- commits --------------------------------------------------------------------------------------

    def is_accepted(self, state: State, request: Request) -> bool:
        """Tell whether a commit counts, were it to arrive now."""
        if not self.rules.fences or request.generation == ANY:
            return True
        return request.generation == state.generation and request.worker in state.members

    def arrives(self, state: State, request: Request) -> State:
        """Return the state after a commit has arrived."""
        if not self.is_accepted(state, request):
            return state
        committed = list(state.committed)
        for partition, text in request.states:
            committed[partition] = text
        after = state._replace(committed=tuple(committed))
        return self.judge.committed(state, after, dict(request.states))

    # --- generations ----------------------------------------------------------------------------------

    def of_coordinator(self, state: State) -> Iterator[Step]:
        """Yield what the group's coordinator may do."""
        if state.faults and "rebalance" in self.setting.kinds and state.joined is None:
            begun = state._replace(faults=state.faults - 1, joined=frozenset())
            yield "group: a rebalance begins", begun
        for index, request in enumerate(state.requests):
            earlier = {r.worker for r in state.requests[:index] if r.generation != ANY}
            if request.worker in earlier:
                continue
            rest = (*state.requests[:index], *state.requests[index + 1 :])
            gone = state._replace(requests=rest)
            what = f"the commit of {committed(request.states)} by {self.name(request.worker)}"
            verdict = "accepts" if self.is_accepted(state, request) else "refuses"
            yield f"group: {verdict} {what}, late", self.arrives(gone, request)
            yield f"{what} never reaches the group", gone

    def session_ends(self, state: State, number: int, text: str) -> Iterator[Step]:
        """Take a worker for gone, whatever it does."""
        worker = state.workers[number]
        state = self.judge.excuse(state, self.held(worker))
        joined = (state.joined or frozenset()) - {number}
        state = state._replace(members=state.members - {number}, joined=joined)
        for more, after in self.completed(state, ""):
            yield text + more, after

    def completed(self, state: State, text: str) -> Iterator[Step]:
        """Begin the next generation where everybody has joined, with each way of sharing out the partitions."""
        if not state.members or state.joined != state.members:
            yield text, state
            return
        generation, partitions = state.generation + 1, range(len(self.setting.topics))
        members = sorted(state.members)
        for owners in permutations(members) if len(members) > 1 else [members * len(partitions)]:
            after = state._replace(generation=generation, joined=None)
            for number in members:
                worker = state.workers[number]
                if worker.status == "joining":
                    ours = [p for p in partitions if owners[p] == number]
                    begun = self._opened(state, worker, generation, ours)
                    after = self.with_worker(after, number, begun)
            shared = ", ".join(f"p{p} to {self.name(owners[p])}" for p in partitions)
            yield f"{text}; generation {generation}: {shared}", after

    def _opened(
        self, state: State, worker: Worker, generation: int, partitions: list[int]
    ) -> Worker:
        lanes, stayed = [], dict(worker.noted)
        for partition in partitions:
            committed = self.rules.read(*state.committed[partition])
            position = committed.offset
            if not self.rules.seeks and partition in stayed:
                position = stayed[partition][0]
            lanes.append((partition, LaneState(position, committed.finished)))
        noted = tuple((partition, state.committed[partition]) for partition in partitions)
        return Worker("member", generation, tuple(lanes), worker.queue, noted=noted)

    @staticmethod
    def held(worker: Worker) -> list[At]:
        """Return the records that came to a worker's lanes."""
        return [(partition, offset) for partition, lane in worker.lanes for offset in lane.admitted]


def committed(states: tuple[tuple[int, Text], ...]) -> str:
    """Return what a commit says, for people."""
    parts = []
    for partition, (offset, text) in states:
        above = f" and {text}" if text else ""
        parts.append(f"p{partition} up to {offset}{above}")
    return ", ".join(parts)
