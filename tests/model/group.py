"""The members of the group in the small world: commits, rebalances, and the faults that there may be."""

from collections.abc import Iterator
from itertools import combinations

from tests.model.coordinator import ANY, Coordinator, Step, committed
from tests.model.state import Flight, LaneState, Late, Request, State, Text, Worker


class Group(Coordinator):
    """What a worker does as a member of its group."""

    # --- what a member does ---------------------------------------------------------------------------

    def of_member(self, state: State, number: int, worker: Worker) -> Iterator[Step]:
        """Yield what a worker may do, or what may happen to it, as a member of the group."""
        who = self.name(number)
        active = worker.status in {"member", "draining"}
        if active and not worker.last and (new := self._new(worker)):
            yield from self._commits(state, number, worker, new, last=False)
        if worker.status == "member" and self._must_rejoin(state, number):
            yield from self._hears_of_rebalance(state, number, worker)
        if worker.status == "draining":
            yield from self._ends_drain(state, number, worker)
        if (
            state.faults
            and worker.status not in {"dead", "left"}
            and self._is_other_alive(state, number)
        ):
            if "crash" in self.setting.kinds:
                dead = self._crash(state._replace(faults=state.faults - 1), number)
                yield f"{who}: dies", dead
            if "session ends" in self.setting.kinds and active and number in state.members:
                gone = state._replace(faults=state.faults - 1)
                yield from self.session_ends(gone, number, f"{who}: its session ends, it lives on")
        if worker.status == "dead" and number in state.members:
            yield from self.session_ends(state, number, f"{who}: its session ends")

    def _is_other_alive(self, state: State, number: int) -> bool:
        others = state.workers[:number] + state.workers[number + 1 :]
        return any(other.status not in {"dead", "left"} for other in others)

    def _new(self, worker: Worker) -> tuple[tuple[int, Text], ...]:
        """Return what is settled and not known to be committed, see `Commits.commit`."""
        noted, new = dict(worker.noted), []
        for partition, lane in worker.lanes:
            state = self.rules.progress(lane.finished_before, lane.admitted, lane.settled)
            if state is not None:
                text = (state.offset, self.rules.write(state))
                if noted.get(partition) != text:
                    new.append((partition, text))
        return tuple(new)

    def _commits(
        self,
        state: State,
        number: int,
        worker: Worker,
        new: tuple[tuple[int, Text], ...],
        *,
        last: bool,
    ) -> Iterator[Step]:
        # Requests of one worker arrive in their order. Whatever else happens between a request and its answer is the
        # same as if it had been sent later, or had come before: so they are one step, unless nobody waits any more.
        if any(r.worker == number and r.generation != ANY for r in state.requests):
            return
        request = Request(number, worker.generation, new)
        who, what = self.name(number), committed(new)
        accepted = self.is_accepted(state, request)
        verdict = "accepted" if accepted else "refused, it is of another generation"
        after = self.arrives(state, request)
        noted = worker._replace(noted=tuple(sorted((dict(worker.noted) | dict(new)).items())))
        if accepted or self.rules.notes_failed:
            after = self.with_worker(after, number, noted)
        elif not last:
            return  # nothing has changed, and it tries again
        if last:
            for text, closed in self._close(after, number, failed=not accepted):
                yield f"{who}: commits {what} for the last time: {verdict}{text}", closed
        else:
            yield f"{who}: commits {what}: {verdict}", after
        if state.hitches and "late commit" in self.setting.kinds and number in state.members:
            late = state._replace(hitches=state.hitches - 1, requests=(*state.requests, request))
            text = f"{who}: commits {what}, and hears nothing for too long"
            if self.rules.notes_failed:
                late = self.with_worker(late, number, noted)
            if not last:
                yield text, late
                return
            for more, closed in self._close(late, number, failed=True):
                yield text + more, closed

    def _must_rejoin(self, state: State, number: int) -> bool:
        worker = state.workers[number]
        if number not in state.members or worker.generation != state.generation:
            return True
        return state.joined is not None and number not in state.joined

    def _hears_of_rebalance(self, state: State, number: int, worker: Worker) -> Iterator[Step]:
        """Start nothing new; what waits is dropped, what is under way goes on. Any of those not begun may be under way."""
        waiting = [
            (partition, flight)
            for partition, lane in worker.lanes
            for flight in lane.flights
            if not (flight.told or flight.stored)
        ]
        if self.rules.commits_old_lanes and (new := self._new(worker)):
            state = state._replace(requests=(*state.requests, Request(number, ANY, new)))
        for count in range(len(waiting) + 1):
            for dropped in combinations(waiting, count):
                lanes = tuple(
                    (
                        partition,
                        lane._replace(
                            flights=tuple(f for f in lane.flights if (partition, f) not in dropped)
                        ),
                    )
                    for partition, lane in worker.lanes
                )
                drains = worker._replace(status="draining", lanes=lanes)
                after = self.with_worker(state, number, drains)
                if not self.rules.drains:
                    after = self._let_go(after, number)
                what = "".join(f", drops p{p}@{flight.offset}" for p, flight in dropped)
                yield f"{self.name(number)}: hears of a rebalance{what}", after

    def _ends_drain(self, state: State, number: int, worker: Worker) -> Iterator[Step]:
        begun = [(p, f) for p, lane in worker.lanes for f in lane.flights]
        if begun:
            if state.hitches and "drain ends" in self.setting.kinds:
                records = [(partition, flight.offset) for partition, flight in begun]
                after = self.judge.excuse(state._replace(hitches=state.hitches - 1), records)
                text = (
                    f"{self.name(number)}: has waited long enough, and gives up what is in flight"
                )
                yield text, self._let_go(after, number)
            return
        new = self._new(worker)
        if new and self.rules.commits_after_drain:
            yield from self._commits(state, number, worker, new, last=True)
        else:
            for text, closed in self._close(state, number, failed=False):
                yield f"{self.name(number)}: lets its partitions go{text}", closed

    def _let_go(self, state: State, number: int) -> State:
        """Drop what is in flight; what was given to the producer may still be stored."""
        worker = state.workers[number]
        late = set(state.late)
        for partition, lane in worker.lanes:
            late |= {
                Late((partition, flight.offset), n)
                for flight in lane.flights
                for index, n in enumerate(self.given(state, partition, lane, flight))
                if index not in flight.stored
            }
        lanes = tuple((p, lane._replace(flights=())) for p, lane in worker.lanes)
        state = state._replace(late=frozenset(late))
        return self.with_worker(state, number, worker._replace(lanes=lanes))

    def given(
        self, state: State, partition: int, lane: LaneState, flight: Flight
    ) -> tuple[int, ...]:
        """Return the records that a flight has given to the producer, by number."""
        raise NotImplementedError

    def _crash(self, state: State, number: int) -> State:
        state = self.judge.excuse(state, self.held(state.workers[number]))
        state = self._let_go(state, number)
        return self.with_worker(state, number, Worker("dead", state.workers[number].generation))

    def _close(self, state: State, number: int, *, failed: bool) -> Iterator[Step]:
        """Close the lanes and join the next generation."""
        worker = state.workers[number]
        if failed:
            state = self.judge.excuse(state, self.held(worker))
        positions = tuple((p, lane.position) for p, lane in worker.lanes)
        closed = Worker("joining", worker.generation, queue=worker.queue)
        if not self.rules.seeks:
            closed = closed._replace(noted=tuple((p, (at, "")) for p, at in positions))
        members = state.members
        if number not in members:
            if not self.setting.returns:
                left = closed._replace(status="left", queue=())
                yield ", and stays away", self.with_worker(state, number, left)
                return
            members |= {number}
        joined = (state.joined or frozenset()) | {number}
        state = state._replace(members=members, joined=joined)
        yield from self.completed(self.with_worker(state, number, closed), "")
