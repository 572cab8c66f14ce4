"""A worker in the world: the real one, wired as it is in production, but for the network, the clock and the signature."""

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import mode.services
import mode.timers
import pytest
from aiohttp.connector import BaseConnector, Connection
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError

from streams.clock import Clock
from streams.kafka.consumer.app import NotifierApp
from streams.kafka.patches import answer_times, patch_workers
from streams.notification.profiles import PROFILES
from streams.partners import Partner, PartnersFile
from streams.partners.reload import Reloaded, Unchanged
from streams.sandbox.keys import Keys, make_keys, write_partners_file
from streams.settings import Settings
from streams.worker import services, topology, wiring
from tests.simulation.kafka.cluster import EPOCH_MS
from tests.simulation.loop import Process, WorldLoop, current_process, without_last_words
from tests.simulation.partners import PORTS, cheap_sign, cheap_verify

ZERO_SECONDS = 1000.0
"""The loop's first moment, which is `EPOCH_MS` on a right wall clock."""


_real_monotonic: Final = time.monotonic


def _now() -> float:
    loop = asyncio._get_running_loop()
    # Threads of the test runner ask as well.
    return loop.now if isinstance(loop, WorldLoop) else _real_monotonic()


def _wall_ns() -> int:
    process = current_process()
    off = process.clock_off_ns if process is not None else 0
    return EPOCH_MS * 1_000_000 + int((_now() - ZERO_SECONDS) * 1e9) + off


class _NoWeb:
    """Stands where a worker listens for Prometheus and Kubernetes; there are none in the world."""

    def __init__(self, *_: Any) -> None:
        """Take what the real one takes."""

    async def start(self, *_: Any) -> int:
        return 0

    async def stop(self) -> None:
        """Have nothing to stop."""


async def _for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


async def _started(addr_infos: Any, **_: Any) -> Any:
    """Stand in for a socket that aiohttp connects before it hands it to the loop."""
    return SimpleNamespace(address=tuple(addr_infos[0][4][:2]))


@contextmanager
def in_the_world() -> Iterator[None]:
    """Let everything that a worker asks its machine for come from the world. For as long as worlds run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "send",
            "connect",
            "_send_sasl_token",
        ):  # what the patches replace, for as long
            patch.setattr(AIOKafkaConnection, name, getattr(AIOKafkaConnection, name))
        patch_workers()
        _let_worlds_go_quietly()
        patch.setattr(time, "monotonic", _now)
        patch.setattr(time, "perf_counter", _now)
        patch.setattr(time, "clock_gettime_ns", lambda _clock: int(_now() * 1e9))
        patch.setattr(time, "monotonic_ns", lambda: int(_now() * 1e9))
        patch.setattr(time, "time_ns", _wall_ns)
        patch.setattr(time, "time", lambda: _wall_ns() / 1e9)
        for module in (mode.services, mode.timers):
            for name in ("monotonic", "perf_counter"):
                if hasattr(module, name):
                    patch.setattr(module, name, _now)
        for function in (mode.timers.Timer.__init__, mode.services.Service.itertimer):
            defaults = dict(function.__kwdefaults__ or {}) | {"clock": _now}
            patch.setattr(function, "__kwdefaults__", defaults)
        for name in (
            "aiohttp.connector",
            "faust.transport.consumer",
            "faust.sensors.monitor",
            "faust.sensors.base",
        ):
            patch.setattr(f"{name}.monotonic", _now)
        patch.setattr(wiring, "WebPort", _NoWeb)
        patch.setattr(wiring, "watch_unknown_tiers", _for_ever)
        patch.setattr(wiring, "socket", SimpleNamespace(gethostname=_name_of_process))
        patch.setattr(services, "gc", SimpleNamespace(enable=int, freeze=int, set_threshold=int))
        patch.setattr("streams.webhook.https.sign", cheap_sign)
        patch.setattr("streams.webhook.answer.verify", cheap_verify)
        patch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", _started)
        patch.setattr(ClusterMetadata, "brokers", _brokers_in_order)
        with without_last_words():
            yield


def _let_worlds_go_quietly() -> None:
    """Let the clients of a world, which are never closed, be taken apart without a warning, whenever that is.

    The traceback of an exception that something still holds may keep one beyond the end of its world, and the warning would
    fail another test. So this is not undone.
    """
    kinds: tuple[Any, ...] = (AIOKafkaConnection, AIOKafkaConsumer, AIOKafkaProducer)
    for kind in (*kinds, BaseConnector, Connection):
        if not hasattr(kind.__del__, "of_worlds"):
            kind.__del__ = _unless_of_a_world(kind.__del__)


def _unless_of_a_world(ends: Callable[[Any], None]) -> Callable[[Any], None]:
    @wraps(ends)
    def unless_of_a_world(thing: Any) -> None:  # a client of any kind
        if not isinstance(getattr(thing, "_loop", None), WorldLoop):
            ends(thing)

    unless_of_a_world.of_worlds = True  # type: ignore[attr-defined]  # our own mark
    return unless_of_a_world


def _brokers_in_order(cluster: ClusterMetadata) -> Collection[Any]:
    """Return the brokers in the order of their numbers; as members of a set they stand by the address of `None`, their rack."""
    known = cluster._brokers or cluster._bootstrap_brokers
    return {broker: None for _, broker in sorted(known.items())}.keys()


def _name_of_process() -> str:
    process = current_process()
    return process.name if process is not None else ""


def forget_brokers() -> None:
    """Let the process-wide knowledge of brokers begin anew, as in a process that has just started."""
    answer_times.know_brokers(0)
    for cell in AIOKafkaConnection.connect.__closure__ or ():
        if isinstance(cell.cell_contents, dict):
            cell.cell_contents.clear()


@cache
def _known_partners() -> Mapping[str, Partner]:
    """Return the partners of a real file with real keys, read once."""
    directory = Path(tempfile.mkdtemp())
    keys: Keys = make_keys(directory)
    urls = {name: url_of(name) for name in PROFILES}
    path = write_partners_file(directory, urls, keys)
    return dict(PartnersFile(path, Clock().now_seconds(), allow_http=True).current)


def url_of(profile: str) -> str:
    """Return the notify URL of a profile's partner; each has a port of its own."""
    port = PORTS[list(PROFILES).index(profile)]
    return f"http://127.0.0.1:{port}{PROFILES[profile].sample.path}"


@contextmanager
def with_lanes_of(limits: tuple[int, int] | None) -> Iterator[None]:
    """Let lanes take so many records, and so many that wait; None for as many as in production."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("SOURCE", "TIER") if limits is not None else ():
            for name, most in zip(("UNCOMMITTED", "BUFFERED"), limits or (), strict=True):
                patch.setattr(topology, f"_{kind}_MAX_{name}", most)
        yield


class WorldPartners:
    """Stands where a worker reads the partners file: what it says is what the world says."""

    def __init__(self) -> None:
        self.current: dict[str, Partner] = {
            name: dataclasses.replace(
                partner, request_time_format="epoch-ms", attempt_timeout_seconds=5.0
            )
            for name, partner in _known_partners().items()
        }
        self._seen = dict(self.current)

    def change(self, name: str, **members: Any) -> None:
        """Change an entry."""
        self.current[name] = dataclasses.replace(self.current[name], **members)

    def view(self) -> "PartnersView":
        """Return what one worker has read of it."""
        return PartnersView(self)


class PartnersView:
    """The version of the partners file that one worker has read."""

    def __init__(self, world: WorldPartners) -> None:
        self._world = world
        self.current = dict(world.current)

    def poll(self, _now_seconds: float) -> Unchanged | Reloaded:
        """Read it again where it has changed."""
        new = self._world.current
        changed = frozenset(name for name in new if new[name] is not self.current.get(name))
        if not changed:
            return Unchanged()
        self.current = dict(new)
        return Reloaded(self.current, changed, frozenset())  # type: ignore[arg-type]  # entries alone


class Worker:
    """One worker, from its start to its end.

    Attributes:
        process: what it is in the world.
        apps: its applications, once they are built.
        role: what it does.
        crash: why it ended by itself, or None.
        ended: whether it has ended.
        stopping: whether it was asked to end, or ends by itself.
        partners: what it has read of the partners file.
    """

    def __init__(
        self, loop: WorldLoop, name: str, settings: Settings, partners: "WorldPartners"
    ) -> None:
        self.loop, self.process = loop, Process(name)
        self.apps: list[NotifierApp] = []
        self.role = settings.role
        self.crash: BaseException | None = None
        self.ended = False
        self.stopping = False
        self._settings, self.partners = settings, partners.view()
        self._stop = asyncio.Event()
        self._failed: Exception | None = None

    def start(self, on_end: Callable[["Worker"], None]) -> None:
        """Start it."""
        self._task = self.loop.create_task(self._run(on_end), context=self.process.context())

    async def _run(self, on_end: Callable[["Worker"], None]) -> None:
        async def nothing(*_: Any) -> None:
            """Have nothing to wait for."""

        self.apps = list(
            wiring.build_worker(self._settings, cast(PartnersFile, self.partners), nothing)
        )
        for app in self.apps:
            app.in_worker = True
            app.loop = self.loop
        running = self.loop.create_task(self._start_apps())
        stop = self.loop.create_task(self._stop.wait())
        crashes = [self.loop.create_task(_crashed(app)) for app in self.apps]
        await asyncio.wait([stop, *crashes], return_when=asyncio.FIRST_COMPLETED)
        self.stopping = True
        if not running.done():
            running.cancel()
        reasons = (app.crash_reason for app in self.apps if app.crash_reason)
        self.crash = next(reasons, self._failed)
        for app in reversed(self.apps):
            await app.stop()
        for task in (stop, *crashes):
            task.cancel()
        self.ended = True
        on_end(self)

    async def _start_apps(self) -> None:
        try:
            for app in self.apps:
                await app.start()
        except KafkaError:  # no broker is there; production waits for one before it begins, here it is started again
            self._stop.set()
        except Exception as error:  # noqa: BLE001  # whatever it is, the world is to say so
            self._failed = error
            self._stop.set()

    def is_writing(self) -> bool:
        """Tell whether a record is on its way to the brokers, perhaps of a partition that others have by now."""
        producer = cast(Any, self.apps[0].host).services.producer._producer if self.apps else None
        return producer is not None and bool(producer._queued or producer._sending)

    def join_again(self) -> None:
        """Let it join its groups again, as it does after a topic was made again."""
        for app in self.apps:
            consumer = cast(Any, app.consumer)._kafka if app.started else None
            if consumer is not None and consumer._coordinator is not None:
                consumer._coordinator.request_rejoin()

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._stop.set()


async def _crashed(app: NotifierApp) -> None:
    await app._crashed.wait()
