"""A partition whose error comes twice at once, as aiokafka meets it where a leader changes meanwhile."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import NoOffsetForPartitionError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.patches import fetch_errors

TP = TopicPartition("a", 0)


class MovingClient:
    """A client whose cluster has another leader each time that it is asked."""

    _metadata_max_age_ms = 300_000

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self.cluster = self
        self.asked = 0

    def leader_for_partition(self, _tp):
        self.asked += 1
        return self.asked

    def force_metadata_update(self):
        return self._loop.create_future()


@pytest.fixture
def set_error(monkeypatch):
    """Put one of the two in force for one test: aiokafka's own, whoever patched it before, or ours."""

    def put(function):
        monkeypatch.setattr(Fetcher, "_set_error", function)

    return put


async def both_asked():
    """Give a fetcher a partition without a position, and end two questions about it at once; return the fetcher."""
    subscription = SubscriptionState()
    fetcher = Fetcher(MovingClient(), subscription, auto_offset_reset="none")
    subscription.subscribe({"a"})
    subscription.assign_from_subscribed([TP])
    assignment = subscription.subscription.assignment
    for _ in range(20):  # a question is asked each time that the fetcher looks
        await asyncio.sleep(0)
        fetcher._notify(fetcher._wait_consume_future)
    assert len(fetcher._pending_tasks) > 1
    assignment.state_value(TP).update_committed(OffsetAndMetadata(-1, ""))
    for _ in range(20):
        await asyncio.sleep(0)
    return fetcher


async def test_two_errors_of_a_partition_do_not_end_the_fetches(set_error):
    """The first is raised where the records are taken, as one alone is."""
    set_error(fetch_errors._set_first_error)
    fetcher = await both_asked()
    try:
        assert not fetcher._fetch_task.done()
        with pytest.raises(NoOffsetForPartitionError):
            await fetcher.fetched_records([TP], timeout=0)
    finally:
        await fetcher.close()


async def test_aiokafka_itself_still_ends_them(set_error):
    """When this fails, the patch can go."""
    set_error(fetch_errors._set)
    fetcher = await both_asked()
    assert fetcher._fetch_task.done()
    assert "during data retrieval" in str(fetcher._fetch_task.exception())
    fetcher._closed = True


async def test_records_that_stand_there_are_not_replaced(set_error):
    """They are taken first; an error that lasts comes again."""
    set_error(fetch_errors._set_first_error)
    fetcher = Fetcher.__new__(Fetcher)
    fetcher._records, fetcher._prefetch_backoff = {TP: "records"}, 0.1
    fetcher._set_error(TP, TopicAuthorizationFailedError("a"))
    assert fetcher._records == {TP: "records"}


def test_it_is_in_force_in_every_program(set_error):
    """Applied by whoever makes clients."""
    set_error(fetch_errors._set)
    fetch_errors.apply()
    assert Fetcher._set_error is fetch_errors._set_first_error
