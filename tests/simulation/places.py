"""Tells the world where records are: a few methods of the worker say that they were reached, and go on."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

from streams.admission.admission import Admission
from streams.admission.destination import Destination
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.recall import starts_of_recall
from streams.kafka.consumer.standing import Standing
from streams.webhook.https import WebhookClient
from streams.worker.observe import Observer


@contextmanager
def watched(  # noqa: C901  # one short step for each place
    reached: Callable[[str], None], recalled: Callable[[Collection[Any], Collection[Any]], None]
) -> Iterator[None]:
    """Let the product's methods say where a record is, for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:

        def before(owner: Any, name: str, place: str) -> None:
            method = getattr(owner, name)

            @wraps(method)
            def say(*args: Any, **options: Any) -> Any:
                reached(place)
                return method(*args, **options)

            patch.setattr(owner, name, say)

        before(Admission, "_wait", "waiting for room")
        before(WebhookClient, "_sign", "signing")
        before(Standing, "commit", "before the commit")
        before(Consumer, "on_partitions_assigned", "during hand-over")
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
            recalled(
                found, [tp for tp in committed if committed[tp] and lanes.recalled_of(tp.topic)]
            )
            return found

        patch.setattr("streams.kafka.consumer.standing.starts_of_recall", recall_and_say)
        patch.setattr(Lane, "admit", admit_and_say)
        patch.setattr(Destination, "reserve_slot", reserve_and_say)
        patch.setattr(Observer, "decided", decided_and_say)
        patch.setattr(Lanes, "drain", drain_and_say)
        yield
