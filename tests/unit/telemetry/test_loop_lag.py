"""How late the event loop runs."""

import asyncio

from streams.telemetry.loop_lag import watch_loop
from tests.unit.webhook.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_timer_that_comes_late_is_seen():
    """Once a second, by as much as it was late."""
    seen: list[float] = []
    watching = asyncio.create_task(watch_loop(seen.append))
    await asyncio.sleep(2.5)
    assert seen == [0.0, 0.0]
    loop = asyncio.get_running_loop()
    loop._jumping.seconds += 3  # type: ignore[attr-defined]  # something holds the loop for so long
    await asyncio.sleep(0.1)
    assert seen[2:] == [2.5]
    watching.cancel()
