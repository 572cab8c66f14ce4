"""Mistakes in what is remembered of what was settled, by which second copies are recognised."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from streams.kafka.consumer import deduplication
from streams.kafka.consumer.deduplication import Deduplicator, Lock
from streams.kafka.consumer.lanes import Lanes
from streams.notification.notification import Notification
from streams.worker import handle, receive
from streams.worker.receive import ReceivedRecord, Receiver
from tests.simulation.seeded.kind import Seed


def lane_forgets_what_it_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deduplicator, "get", lambda *_: None)


def _identity(patch: pytest.MonkeyPatch, of: Callable[[Any], Any]) -> None:
    real = Receiver.read_record

    def read(self: Receiver, *args: Any, **options: Any) -> Any:
        found = real(self, *args, **options)
        if isinstance(found.content, Notification):
            key = repr(of(found.content)).encode()
            return replace(found, identities=((key, b""),))
        return found

    patch.setattr(Receiver, "read_record", read)


def identity_without_the_attempt(patch: pytest.MonkeyPatch) -> None:
    _identity(patch, lambda n: (n.notification_id,))


def identity_with_the_due_time(patch: pytest.MonkeyPatch) -> None:
    _identity(patch, lambda n: (n.notification_id, n.replays, n.attempt, n.due_at_ms))


def new_lane_recalls_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "recall_before", lambda *_: False)


def recall_takes_one_record_too_many(patch: pytest.MonkeyPatch) -> None:
    real = Lanes.recall_before

    def recall_before(self: Lanes, partition: Any, committed: int) -> bool:
        return real(self, partition, committed + 1)

    patch.setattr(Lanes, "recall_before", recall_before)


def recalled_records_are_handled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "begins_at", lambda *_: 0)


def event_is_not_remembered(patch: pytest.MonkeyPatch) -> None:
    real = handle._remember

    def remember(received: Any, deduplicator: Any) -> None:
        if isinstance(received, ReceivedRecord):
            real(received, deduplicator)

    patch.setattr(handle, "_remember", remember)


def event_is_known_by_its_id_alone(patch: pytest.MonkeyPatch) -> None:
    real = receive._received
    patch.setattr(
        receive, "_received", lambda record, source, event, _: real(record, source, event, b"")
    )


def order_may_have_two_outcomes(patch: pytest.MonkeyPatch) -> None:
    real = receive._received

    def received(*args: Any) -> Any:
        made = real(*args)
        return replace(made, identities=made.identities[:1] * 2)

    patch.setattr(receive, "_received", received)


def copy_does_not_wait_for_the_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lock, "_is_first", lambda _: True)


def memory_lasts_for_a_tenth_of_a_second(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deduplication, "KEEP_MS", 100)


FAULTS: Final[tuple[Seed, ...]] = (
    lane_forgets_what_it_settled,
    identity_without_the_attempt,
    identity_with_the_due_time,
    new_lane_recalls_nothing,
    recall_takes_one_record_too_many,
    recalled_records_are_handled,
    event_is_not_remembered,
    event_is_known_by_its_id_alone,
    order_may_have_two_outcomes,
    copy_does_not_wait_for_the_first,
    memory_lasts_for_a_tenth_of_a_second,
)
