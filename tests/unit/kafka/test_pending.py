"""How much waits: counted from the ends of the partitions and from what the lanes have settled."""

import asyncio

from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.route import LaneLimits, Route
from streams.kafka.format.records import InRecord
from tests.unit.kit import endless_lease, turns


class Open:
    """A flow that nobody pauses."""

    def pause(self, _tag):
        """Do nothing."""

    def resume(self, _tag):
        """Do nothing."""


async def test_pending_is_what_no_lane_has_settled():
    """Read or not, due or not; what is settled behind one in flight does not count, nor a partition without a lane less."""
    held = asyncio.Event()

    async def handle(record, _memory):
        if record.offset == 10:
            await held.wait()

    limits = LaneLimits(100, 100, remembered=10)
    routes = {
        "source": Route("source", handle, lambda _record: 0, limits),
        "tier": Route("6h", handle, lambda _record: 10**15, limits),
    }
    lanes = Lanes(
        routes, ConcurrencyLimit(100), Open(), lambda: 0, lambda _error: None, endless_lease()
    )
    lanes.open(1, {})
    for offset in (10, 11, 12):
        lanes.admit(InRecord("source", 0, offset, None, b"", ()), 1)
        lanes.admit(InRecord("tier", 0, offset, None, b"", ()), 1)
    await turns()
    ends = {("source", 0): (13, 20), ("source", 1): (5, 9), ("tier", 0): (13, 10_010)}
    assert lanes.pending(ends) == {
        ("source", 0): 1 + 7,
        ("source", 1): 4,
        ("tier", 0): 10_000,
    }
    held.set()
    await turns()
    assert lanes.pending(ends) == {
        ("source", 0): 7,
        ("source", 1): 4,
        ("tier", 0): 10_000,
    }
    lanes.close()
