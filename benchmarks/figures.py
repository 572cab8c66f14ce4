"""The arithmetic: from receipts and samples to the figures of a run. No I/O."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.backlog import number_of
from benchmarks.receiver_process import Receipts


@dataclass(frozen=True, slots=True)
class Sample:
    """The monotonic clock and the CPU seconds used so far, at one moment."""

    at_ns: int
    system: float
    receiver: float
    broker: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From the moment an event was due to be written to its receipt, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    behind_ms: float
    """How far the generator fell behind its plan at worst; part of the latencies."""
    missing: int = 0
    """Events that did not come in time after the window; each counts as one that takes for ever."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run.

    Attributes:
        system: its name.
        seconds: of the window that was measured.
        deliveries: orders accepted (S) for the first time in the window.
        per_second: deliveries a second.
        cpu_ms: the system's CPU time for a delivery.
        cpu_cores: of the system, over the window; `receiver_cores` and `broker_cores` alike.
        peak_memory_mb: of the system's largest process, since its start, in MiB.
        settled: events below the offsets that the system committed.
        waiting: of those, the ones that were not accepted and stand on a topic of the system: to be tried again, or
            given up.
        lost: of those, the ones that were neither accepted nor stand anywhere; peers may also take a refusal for good.
        repeats: receipts of an order that had been accepted already.
        wrongly_signed: receipts without a right signature, of all since the start.
        body_bytes: the mean body.
        latency: of an open load.
    """

    system: str
    seconds: float
    deliveries: int
    per_second: float
    cpu_ms: float
    cpu_cores: float
    receiver_cores: float
    broker_cores: float
    peak_memory_mb: float
    settled: int
    waiting: int
    lost: int
    repeats: int
    wrongly_signed: int
    body_bytes: int
    latency: Latency | None = None

    @property
    def per_core(self) -> float:
        """Deliveries a second for each core used."""
        return 1000 / self.cpu_ms

    @property
    def faults(self) -> list[str]:
        """What no system may do, however fast it is."""
        found = (
            ("lost", self.lost),
            ("wrongly signed", self.wrongly_signed),
            ("never came", self.latency.missing if self.latency else 0),
        )
        said = [f"{self.system}: {count} {what}" for what, count in found if count]
        # else "nothing lost" would be said of nothing
        return said if self.settled else [*said, f"{self.system}: nothing settled"]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the orders.

    Attributes:
        accepted_ns: when each order was accepted first.
        refused: orders that were answered F.
        repeats: receipts of orders that had been accepted already.
    """

    accepted_ns: dict[int, int]
    refused: set[int]
    repeats: int

    @classmethod
    def of(cls, receipts: Receipts) -> "Account":
        """Go through the receipts."""
        accepted: dict[int, int] = {}
        refused: set[int] = set()
        repeats = 0
        for receipt in receipts.all:
            number = number_of(receipt.order)
            if number in accepted:
                repeats += 1
            elif receipt.answer == "S":
                accepted[number] = receipt.at_ns
            elif receipt.answer == "F":
                refused.add(number)
        return cls(accepted, refused, repeats)

    def unaccepted(self, settled: Collection[int]) -> set[int]:
        """Return the settled orders that were not accepted."""
        return set(settled) - self.accepted_ns.keys()

    def latency(
        self,
        due_ns: Callable[[int], int],
        numbers: Iterable[int],
        begin_ns: int,
        end_ns: int,
        behind_ms: float,
    ) -> Latency:
        """Return the latencies of those of these orders that were due in a window, accepted or not.

        Raises:
            RuntimeError: none was accepted.
        """
        waits = sorted(
            self.accepted_ns.get(number, math.inf) - due_ns(number)
            for number in numbers
            if begin_ns <= due_ns(number) < end_ns
        )
        missing = waits.count(math.inf)
        if missing == len(waits):
            message = "nothing that was due within the window was delivered"
            raise RuntimeError(message)
        half, most, all_of_them = (quantile(waits, share) / 1e6 for share in (0.5, 0.99, 1.0))
        return Latency(half, most, all_of_them, behind_ms, missing)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted values that at least this share of them does not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def figures(  # noqa: PLR0913  # all that was seen
    system: str,
    *,
    begin: Sample,
    end: Sample,
    account: Account,
    receipts: Receipts,
    peak_memory_mb: float,
    settled: Collection[int],
    standing: Collection[int],
    latency: Latency | None = None,
    refusals_stand: bool = True,
) -> Figures:
    """Return what came of a run.

    Args:
        system: its name.
        begin: of the window.
        end: of the window.
        account: what became of the orders.
        receipts: what it was made from.
        peak_memory_mb: of the system.
        settled: the orders below the committed offsets.
        standing: the orders on the topics where the system leaves what was not accepted.
        latency: of an open load.
        refusals_stand: whether a refused order must stand there too.

    Raises:
        RuntimeError: nothing was delivered in the window.
    """
    inside = sum(begin.at_ns <= at_ns < end.at_ns for at_ns in account.accepted_ns.values())
    seconds = (end.at_ns - begin.at_ns) / 1e9
    if not inside:
        message = f"{system} delivered nothing within the window of {seconds:.1f} s"
        raise RuntimeError(message)
    cpu = end.system - begin.system
    unaccepted = account.unaccepted(settled)
    missing = unaccepted - set(standing)
    return Figures(
        system=system,
        seconds=seconds,
        deliveries=inside,
        per_second=inside / seconds,
        cpu_ms=cpu * 1000 / inside,
        cpu_cores=cpu / seconds,
        receiver_cores=(end.receiver - begin.receiver) / seconds,
        broker_cores=(end.broker - begin.broker) / seconds,
        peak_memory_mb=peak_memory_mb,
        settled=len(settled),
        waiting=len(unaccepted & set(standing)),
        lost=len(missing if refusals_stand else missing - account.refused),
        repeats=account.repeats,
        wrongly_signed=receipts.wrongly_signed,
        body_bytes=receipts.body_bytes,
        latency=latency,
    )


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return float(median(values))
