"""Live is about this process alone; ready paces rollouts."""

import pytest

from streams.telemetry.health import Health

NOW = 1000.0


def joined(**changes):
    members = {"groups": frozenset({"g", "g-retry"}), "joined": {"g", "g-retry"}} | changes
    return Health(**members)


@pytest.mark.parametrize(
    ("health", "reasons"),
    [
        (joined(), []),
        (joined(joined=set()), ["group g: not joined yet", "group g-retry: not joined yet"]),
        (joined(joined={"g"}), ["group g-retry: not joined yet"]),
        (joined(stopping=True), ["stopping"]),
        (joined(rebalancing_since={"g": NOW - 60}), []),
        (joined(rebalancing_since={"g": NOW - 61}), ["group g: rebalancing for 61 s"]),
        (joined(clock_offset_seconds=1.0), []),
        (joined(clock_offset_seconds=-1.5), ["this machine's clock differs from the broker's by -1.5 s;"]),
        (joined(clock_offset_seconds=2.5), ["this machine's clock differs from the broker's by 2.5 s;"]),
        (joined(refused={"g": "is full"}), ["group g: is full"]),
        (joined(waits=lambda: ["the brokers take nothing"]), ["the brokers take nothing"]),
        (joined(crashed="a handler raised KeyError"), ["a handler raised KeyError"]),
        (joined(zombie=["out of its group"]), ["out of its group"]),
    ],
)  # fmt: skip
def test_ready(health, reasons):
    """Each reason alone; a rebalance only once it takes long, since every worker sees every one."""
    found = health.not_ready(NOW)
    assert len(found) == len(reasons)
    for seen, expected in zip(found, reasons, strict=True):
        assert seen.startswith(expected)


def test_several_reasons_are_told_at_once():
    """What an operator reads first must be all of it."""
    health = joined(joined={"g"}, stopping=True, zombie=["z"], clock_offset_seconds=9.0)
    assert len(health.not_ready(NOW)) == 4


def test_live_is_about_this_process_alone():
    """Nothing that a broker, a clock or a rollout does restarts it."""
    health = joined(
        joined=set(),
        stopping=True,
        rebalancing_since={"g": 0.0},
        clock_offset_seconds=99.0,
        waits=lambda: ["the brokers take nothing"],
    )
    assert health.not_live() == []
    health.crashed, health.zombie = "crashed", ["dead"]
    assert health.not_live() == ["crashed", "dead"]
