"""Ladders as the tests of the worker climb them."""

from streams.notification.outcome import Failure, NoResult
from streams.notification.profiles import PROFILES
from tests.unit.kit import event, headers_of, read, read_back

TIMED_OUT = NoResult(Failure.READ_TIMEOUT)


def ladder(name):
    """Return a profile's waits as they stand in topic names."""
    return [wait.label for wait in PROFILES[name].ladder.waits]


async def climb(bench, name, most=99):
    """Let an event arrive and every record that comes of it, each at its due time."""
    await bench.event(read("payment-final-state", event(name)))
    for number in range(most):
        if len(bench.moved) <= number:
            break
        record = bench.moved[number]
        bench.clock.ms = max(bench.clock.ms, int(headers_of(record)["due-at-ms"]))
        await bench.tier(read_back(record, offset=number))
