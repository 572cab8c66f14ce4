"""The small world: two workers, a group's coordinator, logs, and every step that may come next.

What a step does is the product's own code where that is pure: a record's handler (`handling.py`), a lane's progress and
the form of a commit (`rules.py`). What is written here is what lies around it, as `streams.kafka.consumer` does it: fetch,
hand over, commit, drain, revoke, assign; and the broker. A commit that would change nothing is left out.
"""

from collections.abc import Iterator

from streams.kafka.format.records import OutRecord
from tests.model.group import Group
from tests.model.handling import PAUSED, Call, Done, Effect, Write, identities, next_effect
from tests.model.judge import named
from tests.model.records import NAMES
from tests.model.state import At, Flight, LaneState, Late, State, Worker

Step = tuple[str, State]


class World(Group):
    """Every step of everything."""

    def steps(self, state: State) -> Iterator[Step]:
        """Yield what may happen next, each with the state after it; nothing after a rule was broken."""
        if state.ledger.fault:
            return
        for number, worker in enumerate(state.workers):
            if worker.status == "member":
                yield from self._reads(state, number, worker)
            if worker.status in {"member", "draining"}:
                for partition, lane in worker.lanes:
                    for flight in lane.flights:
                        yield from self._goes_on(state, number, partition, lane, flight)
            yield from self.of_member(state, number, worker)
        yield from self.of_coordinator(state)
        for late in sorted(state.late):
            rest = state._replace(late=state.late - {late})
            what = self._named(late.record)
            yield f"broker: stores {what} of {named(late.at)}, late", self._store(rest, *late)
            yield f"{what} of {named(late.at)} never reaches the broker", rest

    # --- reading --------------------------------------------------------------------------------------

    def _reads(self, state: State, number: int, worker: Worker) -> Iterator[Step]:
        if worker.queue:
            yield from self._hands_over(state, number, worker)
        if len(worker.queue) < self.setting.queue:
            for partition, lane in worker.lanes:
                if lane.position < len(state.logs[partition]):
                    at = (partition, lane.position)
                    item = (worker.generation, *at)
                    fetched = self.with_lane(
                        state, number, partition, lane._replace(position=lane.position + 1)
                    )
                    fetching = fetched.workers[number]
                    fetched = self.with_worker(
                        fetched, number, fetching._replace(queue=(*fetching.queue, item))
                    )
                    text = f"{self.name(number)}: fetches {named(at)}"
                    if self.setting.lingers:
                        yield text, fetched
                    else:
                        yield from (
                            (text, after)
                            for _, after in self._hands_over(
                                fetched, number, fetched.workers[number]
                            )
                        )

    def _hands_over(self, state: State, number: int, worker: Worker) -> Iterator[Step]:
        (generation, partition, offset), *rest = worker.queue
        state = self.with_worker(state, number, worker._replace(queue=tuple(rest)))
        lane = dict(worker.lanes).get(partition)
        at = named((partition, offset))
        if lane is None or not self.rules.admits(worker.generation, generation):
            yield f"{self.name(number)}: drops {at}, fetched in generation {generation}", state
            return
        if self.rules.begins(lane.finished_before, lane.admitted, offset):
            after = lane._replace(flights=(*lane.flights, Flight(offset)))
        else:
            after = lane._replace(settled=lane.settled | {offset})
        after = after._replace(admitted=(*lane.admitted, offset))
        yield f"{self.name(number)}: takes {at}", self.with_lane(state, number, partition, after)

    # --- handling -------------------------------------------------------------------------------------

    def _goes_on(
        self, state: State, number: int, partition: int, lane: LaneState, flight: Flight
    ) -> Iterator[Step]:
        at = (partition, flight.offset)
        effect = self._effect(state, partition, lane, flight)
        who = self.name(number)
        if not (flight.told or flight.stored) and self._must_wait(state, partition, lane, flight):
            return
        if isinstance(effect, Call):
            facts = self.records.facts(state.logs[partition][flight.offset])
            for answer in self.setting.answers[facts.attempt + 1]:
                text = f"{who}: makes attempt {facts.attempt + 1} of {facts.notification_id} for {named(at)}: {answer}"
                begun = self.judge.began(state, number, at, lane, called=True)
                yield text, self._told(begun, number, partition, lane, flight, answer)
            if self.setting.pauses and not facts.parks:
                begun = self.judge.began(state, number, at, lane, called=False)
                text = f"{who}: parks {named(at)}, whose partner is paused"
                yield text, self._told(begun, number, partition, lane, flight, PAUSED)
        elif isinstance(effect, Write):
            yield from self._writes(state, number, partition, lane, flight, effect)

    def _must_wait(self, state: State, partition: int, lane: LaneState, flight: Flight) -> bool:
        """Tell whether another record of the lane holds one of its keys, see `Deduplicator.lock`."""
        if not self.rules.locks:
            return False
        mine = self._identities(state, partition, flight.offset)
        return any(
            mine & self._identities(state, partition, other.offset)
            for other in lane.flights
            if (other.told or other.stored) and other.offset != flight.offset
        )

    def _identities(self, state: State, partition: int, offset: int) -> frozenset[bytes]:
        return identities(self.records.read(state.logs[partition][offset], partition, offset))

    def _effect(self, state: State, partition: int, lane: LaneState, flight: Flight) -> Effect:
        offset = flight.offset
        record = self.records.read(state.logs[partition][offset], partition, offset)
        keys = identities(record)
        memory = frozenset(item for item in lane.memory if item[0] in keys)
        return next_effect(record, memory, flight.told)

    def _writes(  # noqa: PLR0913, PLR0917  # whose flight it is
        self,
        state: State,
        number: int,
        partition: int,
        lane: LaneState,
        flight: Flight,
        effect: Write,
    ) -> Iterator[Step]:
        at, who = (partition, flight.offset), self.name(number)
        numbers = [self.records.number(self._counted(record)) for record in effect.records]
        missing = [index for index in range(len(numbers)) if index not in flight.stored]
        if not missing:
            told = self._told(state, number, partition, lane, flight, "ack")
            yield f"{who}: hears that what {named(at)} led to is stored", told
            if state.hitches and "stored again" in self.setting.kinds:
                again = state._replace(hitches=state.hitches - 1)
                for written in numbers:
                    again = self._store(self.judge.stored_again(again, written), at, written)
                yield f"{who}: hears nothing of what {named(at)} led to, and stores it again", again
            return
        together = [missing] if not self.setting.splits else [[index] for index in missing]
        for indexes in together:
            after = state
            if not (flight.told or flight.stored):
                after = self.judge.began(after, number, at, lane, called=False)
            for index in indexes:
                after = self._store(after, at, numbers[index])
            what = " and ".join(self._named(numbers[index]) for index in indexes)
            stored = flight._replace(stored=flight.stored | frozenset(indexes))
            if self.rules.settles_when == "stored-first":
                late = {Late(at, numbers[i]) for i in missing if i not in indexes}
                after = after._replace(late=after.late | late)
                yield (
                    f"broker: stores {what} of {named(at)}",
                    self._settled(after, number, partition, flight),
                )
                continue
            lane_after = self.replaced(dict(after.workers[number].lanes)[partition], flight, stored)
            yield (
                f"broker: stores {what} of {named(at)}",
                self.with_lane(after, number, partition, lane_after),
            )

    def _told(  # noqa: PLR0913, PLR0917  # whose flight it is
        self,
        state: State,
        number: int,
        partition: int,
        lane: LaneState,
        flight: Flight,
        word: str,
    ) -> State:
        """Return the state after a flight was told something."""
        told = Flight(flight.offset, (*flight.told, word))
        effect = self._effect(state, partition, lane, told)
        at = (partition, flight.offset)
        if isinstance(effect, Done):
            memory = effect.memory if self.rules.remembers else frozenset()
            return self._settled(state, number, partition, flight, memory)
        if self.rules.settles_when == "decided" and isinstance(effect, Write):
            numbers = [self.records.number(record) for record in effect.records]
            state = state._replace(late=state.late | {Late(at, n) for n in numbers})
            return self._settled(state, number, partition, flight)
        return self.with_lane(state, number, partition, self.replaced(lane, flight, told))

    def _settled(
        self,
        state: State,
        number: int,
        partition: int,
        flight: Flight,
        memory: frozenset[tuple[bytes, bytes]] = frozenset(),
    ) -> State:
        lane = dict(state.workers[number].lanes)[partition]
        lane = lane._replace(
            settled=lane.settled | {flight.offset},
            flights=tuple(other for other in lane.flights if other.offset != flight.offset),
            memory=lane.memory | memory,
        )
        return self.with_lane(state, number, partition, lane)

    def _counted(self, record: OutRecord) -> OutRecord:
        if self.rules.counts or not record.topic.startswith(NAMES.tiers):
            return record
        headers = tuple(
            (name, b"%d" % (int(value or 0) - 1) if name == "attempt" else value)
            for name, value in record.headers
        )
        return OutRecord(record.topic, record.key, record.value, headers)

    # --- the broker's logs ----------------------------------------------------------------------------

    def _store(self, state: State, at: At, number: int) -> State:
        topic, topics = self.records[number].topic, self.setting.topics
        if topic.startswith(NAMES.tiers):
            partition = topics.index(topic) if topic in topics else len(topics)
            logs = list(state.logs)
            logs[partition] = (*logs[partition], number)
            if partition == len(topics):  # nobody reads it here: the order says nothing
                logs[partition] = tuple(sorted(logs[partition]))
            state = state._replace(logs=tuple(logs))
        return self.judge.stored(state, at, number)

    def _named(self, number: int) -> str:
        record = self.records[number]
        if record.topic == NAMES.attempts:
            return "the attempts record"
        if record.topic == NAMES.dead_letter:
            return "the dead letter"
        return f"the record on {record.topic}"

    def given(
        self, state: State, partition: int, lane: LaneState, flight: Flight
    ) -> tuple[int, ...]:
        """Return the records that a flight has given to the producer, by number."""
        effect = self._effect(state, partition, lane, flight)
        if not isinstance(effect, Write):
            return ()
        return tuple(self.records.number(self._counted(record)) for record in effect.records)
