"""A world: brokers, partners, workers and payment core, run by a plan to the end of everything that was begun."""

import asyncio
import random  # noqa: TID251  # aiokafka draws from it
from collections import Counter
from collections.abc import Callable, Collection
from contextvars import Context
from functools import partial
from itertools import count
from typing import Any, Final

from streams.kafka.topics import TopicNames, topic_specs
from streams.notification.profiles import TIERS
from streams.sandbox.ledger import Ledger
from streams.settings import Settings
from streams.webhook import protocol
from tests.faults.judge import Break
from tests.simulation.call_limits import CallLimits
from tests.simulation.evidence import Evidence
from tests.simulation.faults import fire
from tests.simulation.kafka.cluster import EPOCH_MS, Cluster
from tests.simulation.kafka.fetch_sessions import SLOTS
from tests.simulation.logged import logs_to
from tests.simulation.loop import Process, Stuck, WorldLoop, current_process
from tests.simulation.network import Network
from tests.simulation.outcome import Outcome
from tests.simulation.partners import Partners
from tests.simulation.payment_core import PaymentCore
from tests.simulation.places import watched
from tests.simulation.plan import SOURCE, Fault, Plan
from tests.simulation.put_back import Operator
from tests.simulation.worker import (
    ZERO_SECONDS,
    Worker,
    WorldPartners,
    forget_brokers,
    with_lanes_of,
)

NAMES: Final = TopicNames("pn")
GROUP: Final = "notifier"
_SLOTS: Final = (SLOTS, SLOTS, 1, SLOTS, 0)
"""How many fetch sessions a broker of this world keeps, by turns; each consumer of a worker would have one."""
_QUIET_SECONDS: Final = 0.35
_BEFORE_DUE_SECONDS: Final = 0.4
MOST_CALLBACKS: Final = 600_000
"""An ordinary world has some 15,000; one that goes round in circles has no end."""
_HEALED_AFTER: Final = 60.0
"""Seconds from the begin after which nothing new goes wrong."""
_NOTICED_AFTER: Final = 30.0
"""Seconds from when a topic is made again until its readers have noticed: no time is passed over meanwhile."""
_PATIENCE_SECONDS: Final = 3 * 3600.0
"""How long everything may take to end after the last wait of its ladder."""


class World:
    """Runs a plan once.

    Args:
        plan: what happens.
        tell: called with each line of the trace; None where nobody reads it.
    """

    def __init__(self, plan: Plan, tell: Callable[[str], None] | None = None) -> None:
        self.plan, self.tell = plan, tell
        self.trace: list[str] = []
        self.loop = WorldLoop(f"world {plan.seed}", ZERO_SECONDS)
        self.network = Network(self.loop)
        brokers, partners = Process("brokers"), Process("partners")
        self.cluster = Cluster(self.loop, self.network, brokers, plan.brokers, self.say)
        self.cluster.fetches.slots = _SLOTS[plan.seed % len(_SLOTS)]
        self.evidence = Evidence(self.cluster, NAMES.attempts)
        self.partners = Partners(self.network, partners, self.say)
        self.operator = Operator(
            self.cluster,
            NAMES,
            self.partners.mend,
            now_ms=self.now_ms,
            after=self.after,
            say=self.say,
        )
        self.file = WorldPartners()
        self.workers: list[Worker] = []
        self.breaks: list[Break] = []
        self._broken_until = 0.0  # seconds of the loop
        self.cuts: list[tuple[int, int]] = []
        self.fired: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self._reached: Counter[str] = Counter()
        self._left = list(plan.faults)
        self._away: dict[str, int] = {}
        self._new_lanes: list[int] = []
        self._without_recall: list[int] = []
        self._names = 0
        self._healed = False
        self._done = False
        self._look_at = 0.0
        self.most_callbacks = MOST_CALLBACKS
        self.outcome: Outcome

    # --- what others ask ----------------------------------------------------------------------------

    def say(self, what: str) -> None:
        """Note that something happened."""
        if self.tell is not None:
            process = current_process()
            name = process.name if process is not None else ""
            self.tell(f"{self.loop.now - ZERO_SECONDS:12.4f} {name:12} {what}")

    def now_ms(self) -> int:
        """Return the true time."""
        return EPOCH_MS + int((self.loop.now - ZERO_SECONDS) * 1000)

    def after(self, seconds: float, do: Callable[..., Any], *args: Any) -> None:
        """Do something later that is planned: no hour is skipped over it."""

        def of_the_plan() -> None:
            do(*args)

        # Of nobody: whoever asks for it may have ended by then.
        self.loop.exactly_at(self.loop.now + seconds, of_the_plan, context=Context())

    def worker_of(self, process: Process | None) -> Worker | None:
        """Return the worker that a process is, where it runs."""
        return next((one for one in self.workers if one.process is process), None)

    def begin_worker(self, role: str) -> None:
        """Start a worker."""
        if self._done:
            return
        self._names += 1
        settings = Settings(
            brokers=self.cluster.bootstrap,
            source_topics=SOURCE,
            topic_prefix=NAMES.prefix,
            group_id=GROUP,
            role=role,
            partners_file="unused",
            allow_http=True,
            egress_allow="127.0.0.0/8",
            ladder_scale=self.plan.scale,
            max_in_flight=self.plan.max_in_flight,
        )
        worker = Worker(self.loop, f"worker-{self._names}", settings, self.file)
        self.workers.append(worker)
        self.say(f"{worker.process.name} starts, role {role}")
        worker.start(self._ended)

    def _ended(self, worker: Worker) -> None:
        if worker.crash is not None:
            self.wrong.append(f"{worker.process.name} crashed: {worker.crash!r}")
        self.remove(worker, 0.5)

    def remove(self, worker: Worker, after: float) -> None:
        """Take a worker out of the world, and start another in its place a while later."""
        if worker in self.workers:
            self.workers.remove(worker)
            self.loop.kill(worker.process)
            self.network.drop(worker.process)
            self.after(after, self.begin_worker, worker.role)

    @property
    def started(self) -> int:
        """How many workers have been started so far."""
        return self._names

    # --- faults ---------------------------------------------------------------------------------------

    def reached(self, place: str) -> None:
        """Note that a record has come to a place; what is planned for it goes wrong."""
        self._reached[place] += 1
        process = current_process()
        for fault in [one for one in self._left if one.place == place]:
            if fault.nth <= self._reached[place] and process is not None:
                self._left.remove(fault)
                # Not within the callback that got here: nothing can go wrong in the midst of one.
                process.after_callbacks(fault.callbacks, partial(self._fire, fault, process))

    def _fire(self, fault: Fault, process: Process) -> None:
        if not self._healed and not self._done:
            self.fired[fault.kind, fault.place] += 1
            self.say(f"FAULT {fault.kind}, {fault.place}")
            fire(self, fault, self.worker_of(process))

    def broke(self, lasts: float, shows_for: float = 0.0) -> None:
        """Note that something goes wrong now that may make the notifier repeat attempts.

        Args:
            lasts: for so many seconds.
            shows_for: so many seconds after that somebody may still find out.
        """
        now = self.now_ms()
        self.breaks.append(Break(now, now + int((lasts + shows_for) * 1000)))
        # What was held back comes a moment after.
        self._broken_until = max(self._broken_until, self.loop.now + lasts + _QUIET_SECONDS)

    def make_again(self, topic: str, partitions: int, after: float) -> None:
        """Delete a topic, and make it again after some seconds; not one that is away already."""
        if topic not in self.cluster.topics:
            return
        self.cluster.hear_late()
        self.say(f"topic {topic} is deleted")
        self.evidence.delete(topic)
        self._away[topic] = partitions
        self.after(after, self._make, topic)

    def _make(self, topic: str) -> None:
        partitions = self._away.pop(topic, 0)
        if partitions:
            self.say(f"topic {topic} is made again, with {partitions} partitions")
            self.cluster.hear_late()
            self.cluster.create(topic, partitions, append_time=topic != SOURCE)
            self._look_at = self.loop.now + _NOTICED_AFTER

    def _heal(self) -> None:
        self.say("the world heals")
        self._healed = True
        for topic in list(self._away):
            self._make(topic)
        self.cluster.orders.clear()
        self.partners.misdeeds.clear()
        for node in self.cluster.nodes:
            self.cluster.bring_up(node)
        self.network.cut_until.clear()
        for worker in self.workers:
            worker.process.stopped_until = min(worker.process.stopped_until, self.loop.now)

    # --- running --------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the plan to its end."""
        random.seed(self.plan.seed)
        forget_brokers()
        protocol._turns = count()  # type: ignore[misc]  # of lives of connections, in the whole process
        for spec in topic_specs(NAMES, TIERS, self.plan.partitions, 1):
            self.cluster.create(spec.name, self.plan.partitions, append_time=spec.append_time)
        self.cluster.create(SOURCE, self.plan.partitions)
        self.cluster.on_write = self._written
        self.partners.on_call = lambda process: self._reached_by(process, "call under way")
        most, rate = self.plan.limits
        for name in self.file.current:
            self.file.change(name, max_in_flight=most, rate_limit_per_second=rate or None)
        self.loop.may_skip = self._may_skip
        self.loop.set_exception_handler(lambda *_: None)
        asyncio.set_event_loop(self.loop)
        limits = CallLimits(self.plan.max_in_flight, self.loop.time, self.wrong.append)
        with (
            watched(self, limits),
            with_lanes_of(self.plan.lanes),
            logs_to(None if self.tell is None else self.say),
        ):
            try:
                self.loop.run_until_complete(self._main())
            except Stuck as stuck:
                self.wrong.append(f"the world stands still: {stuck}")
            finally:
                self._done = True
                asyncio.set_event_loop(None)
        outcome = self._outcome()
        with logs_to(None):  # whatever says something at its end
            self.loop.end()
        return outcome

    async def _main(self) -> None:
        core = PaymentCore(
            self.plan.seed, self.cluster, self.evidence, self.partners, self.operator,
            now_ms=self.now_ms, after=self.after, say=self.say,
        )  # fmt: skip
        for role in self.plan.workers:
            self.begin_worker(role)
        for number, payment in enumerate(self.plan.payments):
            self.after(1.0 + payment.at, core.pay, payment, number)
        last = max((payment.at for payment in self.plan.payments), default=0.0)
        longest = sum(wait.seconds for wait in TIERS) * self.plan.scale
        self.after(last + _HEALED_AFTER, self._heal)
        give_up = self.loop.now + last + _HEALED_AFTER + 30 * longest + _PATIENCE_SECONDS
        while True:
            await asyncio.sleep(0.5)
            # Not before it is healed: one that is cut off may still have something to write.
            everything = self._healed and self.evidence.written == self.plan.events
            if everything and self._is_settled() and not self._is_writing():
                break
            if self.loop.now > give_up or self.loop.callbacks > self.most_callbacks:
                self.wrong.append(f"not everything has ended: {self._unsettled()}")
                return
        for worker in list(self.workers):
            worker.stop()
        ends = self.loop.now + 60
        while any(not worker.ended for worker in self.workers) and self.loop.now < ends:
            self._done = True
            await asyncio.sleep(0.1)
        if self.workers:
            self.wrong.append(f"{[w.process.name for w in self.workers]} did not end within 60 s")

    def is_paused(self, partner_id: str) -> bool:
        """Tell whether a partner is paused, as far as the worker that asks has read."""
        worker = self.worker_of(current_process())
        return worker is not None and worker.partners.current[partner_id].paused

    def lanes_are_new(self) -> None:
        """Note that a worker begins with new lanes, or with some of them."""
        self._new_lanes.append(self.now_ms())

    def recalled(self, begins: Collection[object], wanted: Collection[object]) -> None:
        """Note from which partitions of those wanted a new lane has read what was settled."""
        if len(begins) < len(wanted):
            self._without_recall.append(self.now_ms())

    def _reached_by(self, process: Process, place: str) -> None:
        process_context = self.network.context_of(process)
        process_context.run(self.reached, place)

    def _written(self, process: Process, topic: str) -> None:
        place = "attempts record written" if topic == NAMES.attempts else "next place written"
        self.say(f"{topic} has a record of {process.name}")
        self._reached_by(process, place)

    def _unsettled(self) -> dict[tuple[str, int], tuple[int, int]]:
        read = [SOURCE, NAMES.replay, *(NAMES.tier(wait) for wait in TIERS)]
        found = {}
        committed = self.evidence.committed()
        for topic in read:
            found_topic = self.cluster.topics.get(topic)
            for number, log in enumerate(found_topic.logs if found_topic else ()):
                if committed.get((topic, number), 0) < log.end:
                    found[topic, number] = (committed.get((topic, number), 0), log.end)
        return found

    def _is_writing(self) -> bool:
        return any(worker.is_writing() for worker in self.workers)

    def _is_settled(self) -> bool:
        return not self._unsettled()

    def _may_skip(self) -> float | None:  # noqa: PLR0911  # one for each thing that may still happen
        """Return to when the world may move because nothing happens before, or None."""
        loop, cluster = self.loop, self.cluster
        if loop.now < self._look_at or self._done or self._away:
            return None
        self._look_at = loop.now + 0.1
        # What is cut off or held back would stay so for all the hours that were skipped.
        quiet_from = max(cluster.active_at + _QUIET_SECONDS, self._broken_until)
        if loop.now < quiet_from:
            self._look_at = quiet_from
            return None
        if any(group.state != "stable" for group in cluster.groups.values()):
            return None
        alive = {worker.process for worker in self.workers}
        for group in cluster.groups.values():
            if any(cluster.members_of.get((group.name, one)) not in alive for one in group.members):
                return None
        if not all(self._is_at_rest(worker) for worker in self.workers):
            return None
        first = loop.first_of_a_record()
        if first is None or first - loop.now < 2 * _BEFORE_DUE_SECONDS:
            return None
        until = first - _BEFORE_DUE_SECONDS
        cluster.active_at = until
        for worker in self.workers:
            for app in worker.apps:
                # What goes on as it was has its heartbeats answered; what waits for an answer waits on.
                app.membership.confirm(app.membership._confirmed_at + until - loop.now)
        return until

    def _is_at_rest(self, worker: Worker) -> bool:
        """Tell whether a worker goes on as it is; one that waits for its coordinator may have due records, of which no timer tells."""
        if worker.process.stopped_until > self.loop.now or not worker.apps:
            return False
        return all(
            app.membership.is_held()
            and app.lanes.generation is not None
            and not any(lane.in_flight for lane in app.lanes._all())
            for app in worker.apps
        )

    # --- evidence -------------------------------------------------------------------------------------

    def _outcome(self) -> Outcome:
        ledger = Ledger(
            prefix=NAMES.prefix,
            produced=self.evidence.produced(),
            requests=self.partners.requests,
            kept=self.evidence.kept(),
            committed=self.evidence.settled(),
            scale=self.plan.scale,
            monotonic_zero_ms=EPOCH_MS - ZERO_SECONDS * 1000,
            repeats_allowed=1000,
        )
        return Outcome(
            self.plan,
            ledger,
            self.breaks,
            self.cuts,
            self.evidence.commits(),
            {group.name: list(group.rebalances) for group in self.cluster.groups.values()},
            self.cluster.memberships,
            self._new_lanes,
            self._without_recall,
            self.evidence.again(),
            frozenset(self.operator.done),
            self.evidence.gone(ledger.kept),
            self.fired,
            self.wrong,
            self.loop.now - ZERO_SECONDS,
            self.loop.callbacks,
            self.trace,
        )
