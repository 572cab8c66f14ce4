"""How each kind of fault is done to a world."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.kafka import wire
from tests.simulation.kafka.group import ILLEGAL_GENERATION, REBALANCE, UNKNOWN_MEMBER, Group
from tests.simulation.kafka.log import OUT_OF_ORDER
from tests.simulation.kafka.order import (
    NOT_COORDINATOR,
    NOT_LEADER,
    TIMED_OUT,
    TOO_FEW_COPIES,
    Order,
)
from tests.simulation.plan import MISDEEDS, SOURCE, Fault

if TYPE_CHECKING:
    from tests.simulation.worker import Worker
    from tests.simulation.world import World

_AFTERMATH_SECONDS: Final = 15.0
"""How long a fault may still show: a session that expires, a group that finds together again."""

Do = Callable[["World", Fault, "Worker | None"], None]


def fire(world: "World", fault: Fault, worker: "Worker | None") -> None:
    """Let a fault happen now, to a worker where it is about one."""
    if fault.kind in MISDEEDS:
        world.partners.misdeeds.append((MISDEEDS[fault.kind], lambda: None))
    else:
        _KINDS[fault.kind](world, fault, worker)


def _crash(world: "World", fault: Fault, worker: "Worker | None") -> None:
    if worker is not None and not worker.stopping:
        world.broke(0)
        world.remove(worker, 0.2 + fault.seconds * fault.choice)


def _stop_and_start(_world: "World", _fault: Fault, worker: "Worker | None") -> None:
    if worker is not None:
        worker.stop()


def _stand_still(world: "World", fault: Fault, worker: "Worker | None") -> None:
    if worker is not None:
        world.broke(fault.seconds, _AFTERMATH_SECONDS)
        world.loop.stop_process(worker.process, world.loop.now + fault.seconds)


def _cut_off(world: "World", fault: Fault, worker: "Worker | None") -> None:
    if worker is not None:
        world.broke(fault.seconds, _AFTERMATH_SECONDS)
        world.network.cut_until[worker.process] = world.loop.now + fault.seconds
        world.cuts.append((world.now_ms(), world.now_ms() + int(fault.seconds * 1000)))


def _groups(world: "World", fault: Fault) -> list[Group]:
    groups = list(world.cluster.groups.values())
    return groups if fault.choice < 0.5 else groups[::-1]


def _revocation(world: "World", fault: Fault, _worker: "Worker | None") -> None:
    for group in _groups(world, fault)[:1]:
        group.rebalance("somebody asked for it")


def _join_again(world: "World", fault: Fault, worker: "Worker | None") -> None:
    # The group sees no reason for a rebalance, and gives all but its leader their generation again.
    if worker is not None:
        for seconds in (0.0, 0.3 * fault.choice, 0.5 * fault.choice):
            world.after(seconds, worker.join_again)


def _expire(world: "World", fault: Fault, worker: "Worker | None") -> None:
    world.broke(0, _AFTERMATH_SECONDS)
    for group in _groups(world, fault):
        for member in list(group.members):
            process = world.cluster.members_of.get((group.name, member))
            if worker is None or process is worker.process:
                group.expel(member)
                return


def _order(key: int, how: str, errors: tuple[int, ...] = (0,)) -> Do:
    def do(world: "World", fault: Fault, worker: "Worker | None") -> None:
        error = errors[int(fault.choice * len(errors))]
        seconds = min(fault.seconds, 20.0)

        def happened() -> None:
            world.broke(seconds, _AFTERMATH_SECONDS)

        world.broke(0, _AFTERMATH_SECONDS)
        process = worker.process if worker is not None else None
        times = 1 + int(fault.choice * 10) % 3
        world.cluster.orders.append(Order(key, how, process, seconds, error, times, happened))

    return do


_commit_answered_late: Final = _order(wire.COMMIT, "late")


def _commit_late(world: "World", fault: Fault, worker: "Worker | None") -> None:
    if fault.choice < 0.5:
        _commit_answered_late(world, fault, worker)
        return
    # Not made, and not refused either: the worker's patience of 5 s ends first, its session of 10 s does not.
    world.broke(0, _AFTERMATH_SECONDS)
    process = worker.process if worker is not None else None
    order = Order(wire.COMMIT, "hang", process, 5.5 + 2 * fault.choice)
    order.done = lambda: world.broke(order.seconds, _AFTERMATH_SECONDS)
    world.cluster.orders.append(order)


def _coordinator_moves(world: "World", fault: Fault, _worker: "Worker | None") -> None:
    seconds = min(fault.seconds, 20.0) if fault.choice < 0.7 else 0.0
    names = [group.name for group in _groups(world, fault)]
    for name in names[: 1 + int(fault.choice * 10) % 2]:
        world.broke(seconds, _AFTERMATH_SECONDS)
        world.cluster.move_coordinator(name, seconds)


def _fetch_again(world: "World", fault: Fault, worker: "Worker | None") -> None:
    if fault.choice < 0.5:
        world.say("the brokers lose all fetch sessions")
        world.cluster.fetches.forget_sessions()
        return
    process = worker.process if worker is not None else None
    world.cluster.orders.append(Order(wire.FETCH, "lose", process))


def _broker_away(world: "World", fault: Fault, _worker: "Worker | None") -> None:
    cluster = world.cluster
    node = cluster.nodes[int(fault.choice * len(cluster.nodes))]
    if node in cluster.up:
        world.broke(fault.seconds, _AFTERMATH_SECONDS)
        cluster.take_down(node)
        world.after(fault.seconds, cluster.bring_up, node)


def _topic_made_again(world: "World", fault: Fault, _worker: "Worker | None") -> None:
    topics = world.cluster.topics
    used = [
        name for name in topics if "-retry-" in name and any(log.end for log in topics[name].logs)
    ]
    digits = int(fault.choice * 1000)
    topic = SOURCE if digits % 2 or not used else used[digits % 7 % len(used)]
    before = world.plan.partitions
    partitions = (before, before + 1, max(1, before - 1), before)[digits // 2 % 4]
    away = fault.seconds if digits // 10 % 2 else fault.choice
    world.broke(away, _AFTERMATH_SECONDS)
    world.make_again(topic, partitions, away)


def _clock_step(_world: "World", fault: Fault, worker: "Worker | None") -> None:
    if worker is not None:
        worker.process.clock_off_ns += int((fault.choice - 0.5) * 7200 * 1e9)


def _file_changed(world: "World", fault: Fault, _worker: "Worker | None") -> None:
    names = list(world.file.current)
    name = names[int(fault.choice * 97) % len(names)]
    what: dict[str, Any] = (
        {"paused": True} if fault.choice < 0.5 else {"max_in_flight": 3, "fingerprint": "changed"}
    )
    world.file.change(name, **what)
    world.after(min(fault.seconds, 20.0), lambda: world.file.change(name, paused=False))


_KINDS: Final[dict[str, Do]] = {
    "crash": _crash,
    "stop and start": _stop_and_start,
    "session expired": _expire,
    "worker stands still": _stand_still,
    "worker cut off": _cut_off,
    "commit refused": _order(
        wire.COMMIT, "refuse", (ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE, NOT_COORDINATOR)
    ),
    "commit late": _commit_late,
    "coordinator moves": _coordinator_moves,
    "produce refused": _order(
        wire.PRODUCE,
        "refuse",
        (NOT_LEADER, OUT_OF_ORDER, TOO_FEW_COPIES, OUT_OF_ORDER, TIMED_OUT, OUT_OF_ORDER),
    ),
    "produce lost after the write": _order(wire.PRODUCE, "lose"),
    "produce acknowledged late": _order(wire.PRODUCE, "late"),
    "truncated tail": _order(wire.PRODUCE, "truncate"),
    "broker away": _broker_away,
    "topic made again": _topic_made_again,
    "revocation": _revocation,
    "member joins again": _join_again,
    "fetch again": _fetch_again,
    "clock step": _clock_step,
    "partners file changed": _file_changed,
}
