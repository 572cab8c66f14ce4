"""Tells the world where records are and which calls are made: a few methods of the worker say so, and go on."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, Protocol

import pytest

from streams.admission.admission import Admission
from streams.admission.destination import Destination
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.recall import starts_of_recall
from streams.kafka.consumer.standing import Standing
from streams.webhook.https import WebhookClient
from streams.worker.deliver import Delivery
from streams.worker.observe import Observer
from tests.simulation.call_limits import CallLimits
from tests.simulation.loop import current_process

_attempt: ContextVar[tuple[bool, bool]] = ContextVar("attempt")
"""Of the record that is handled: whether an attempt was made before, and whether its partner was paused."""


class Watcher(Protocol):
    """Who is told."""

    def reached(self, place: str) -> None:
        """Hear that a record has come to a place."""

    def recalled(self, begins: Collection[Any], wanted: Collection[Any]) -> None:
        """Hear from which partitions of those wanted a new lane has read what was settled."""

    def lanes_are_new(self) -> None:
        """Hear that a worker begins with new lanes, or with some of them."""

    def is_paused(self, partner_id: str) -> bool:
        """Tell whether a partner is paused, as far as the worker that asks has read."""


@contextmanager
def watched(  # noqa: C901  # one short step for each place
    watcher: Watcher, limits: CallLimits
) -> Iterator[None]:
    """Let the product's methods say where records are and which calls they make, for as long as this lasts."""
    reached = watcher.reached
    with pytest.MonkeyPatch.context() as patch:

        def before(owner: Any, name: str, place: str) -> None:
            _tell_of(patch, owner, name, partial(reached, place))

        before(Admission, "_wait", "waiting for room")
        before(WebhookClient, "_sign", "signing")
        before(Standing, "commit", "before the commit")
        before(Consumer, "on_partitions_assigned", "during hand-over")
        for name in ("open", "give_up"):
            _tell_of(patch, Lanes, name, watcher.lanes_are_new)
        admit, reserve, decided, drain = (
            Lane.admit, Destination.reserve_slot, Observer.decided, Lanes.drain,
        )  # fmt: skip

        def admit_and_say(lane: Lane, record: Any) -> None:
            admit(lane, record)
            if lane._timer is not None:
                reached("before the due time")

        def reserve_and_say(
            destination: Destination, now: float, patience: float
        ) -> tuple[float, bool]:
            slot, taken = reserve(destination, now, patience)
            if taken and slot > now:
                reached("waiting for room")
            return slot, taken

        def decided_and_say(observer: Observer, settlement: Any, stage: str) -> None:
            if settlement.attempt is not None:
                reached("answer judged")
            decided(observer, settlement, stage)

        async def drain_and_say(lanes: Lanes, seconds: float) -> int:
            if any(lane.in_flight for lane in lanes):
                reached("during the drain")
            return await drain(lanes, seconds)

        async def recall_and_say(consumer: Any, lanes: Lanes, committed: Mapping[Any, int]) -> Any:
            found = await starts_of_recall(consumer, lanes, committed)
            watcher.recalled(
                found, [tp for tp in committed if committed[tp] and lanes.recalled_of(tp.topic)]
            )
            return found

        _watch_calls(patch, watcher, limits)
        patch.setattr("streams.kafka.consumer.standing.starts_of_recall", recall_and_say)
        run = Lane._run

        async def run_and_say(lane: Lane, *args: Any) -> None:
            limits.records(lane._concurrency, 1)
            try:
                await run(lane, *args)
            finally:
                limits.records(lane._concurrency, -1)

        patch.setattr(Lane, "_run", run_and_say)
        patch.setattr(Lane, "admit", admit_and_say)
        patch.setattr(Destination, "reserve_slot", reserve_and_say)
        patch.setattr(Observer, "decided", decided_and_say)
        patch.setattr(Lanes, "drain", drain_and_say)
        yield


def _tell_of(patch: pytest.MonkeyPatch, owner: Any, name: str, tell: Callable[[], None]) -> None:
    """Let a method tell that it is called, and go on."""
    method = getattr(owner, name)

    @wraps(method)
    def say(*args: Any, **options: Any) -> Any:
        tell()
        return method(*args, **options)

    patch.setattr(owner, name, say)


def _watch_calls(patch: pytest.MonkeyPatch, watcher: Watcher, limits: CallLimits) -> None:
    deliver, call = Delivery.deliver, WebhookClient.call

    async def deliver_and_say(delivery: Delivery, notification: Any, *args: Any) -> Any:
        paused = watcher.is_paused(notification.partner_id)
        _attempt.set((notification.attempt > 0, paused))
        return await deliver(delivery, notification, *args)

    async def call_and_say(client: Any, partner: Any, *args: Any, **options: Any) -> Any:
        process, (retry, paused) = current_process(), _attempt.get()
        assert process is not None
        begun, result = limits.begin(process, partner, retry=retry, paused=paused), None
        try:
            result = await call(client, partner, *args, **options)
        finally:
            limits.end(begun, result)
        return result

    patch.setattr(Delivery, "deliver", deliver_and_say)
    patch.setattr(WebhookClient, "call", call_and_say)
