"""Whether a worker stays as large as it is: samples over a long run, the line through their second half, and a verdict.

The first half is for what fills up once and is bounded: connections, pools, and what lanes remember of settled records
(8,192 keys for a partition of a source topic, which is 4,096 events). From then on nothing may grow with what is
delivered. A single value says little, because memory, objects and tasks follow the load; so a straight line is laid through all
samples of the second half by least squares, and what that line gains from its begin to its end is the growth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from benchmarks.svg import LinearPanel, long_runs, short

LEAST: Final = 200_000
"""Notifications of a run whose worker may be judged: lanes' memory, 49,152 events on 12 partitions, is full long before
its second half."""

_LEAST_SAMPLES: Final = 10
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """What a worker held at one moment.

    Attributes:
        seconds: since the first delivery.
        delivered: requests answered until then.
        memory_bytes: resident set.
        descriptors: open files and sockets.
        threads: of the process.
        tasks: of its event loop that had not ended.
        blocks: of memory that the interpreter held for objects; one or more for each object.
    """

    seconds: float
    delivered: int
    memory_bytes: int
    descriptors: int
    threads: int
    tasks: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Something that must not grow.

    Attributes:
        name: for people.
        of: its value in a sample, in the unit in which it is shown.
        may_grow: how much the line may gain over the second half: what noise alone gives a line, and no more. One
            object that is kept of each notification would be 500 thousand blocks, and 25 MB of memory at the least, in
            half a million. Memory itself says less: what the allocator has given back once, and takes again, moves it
            by some MiB.
    """

    name: str
    of: Callable[[Sample], float]
    may_grow: float


MEASURED: Final = (
    Measured("memory, MiB", lambda sample: sample.memory_bytes / _MIB, 10.0),
    Measured("objects, thousands of blocks", lambda sample: sample.blocks / 1000, 50.0),
    Measured("open descriptors", lambda sample: sample.descriptors, 5.0),
    Measured("threads", lambda sample: sample.threads, 1.0),
    Measured("tasks", lambda sample: sample.tasks, 25.0),
)


@dataclass(frozen=True, slots=True)
class Trend:
    """The second half of a run, of one thing.

    Attributes:
        first_half_end: its mean over the last tenth of the first half.
        mean: over the second half.
        most: in the second half.
        growth: what the line through the second half gains from its begin to its end.
        may_grow: how much that may be.
    """

    first_half_end: float
    mean: float
    most: float
    growth: float
    may_grow: float

    @property
    def flat(self) -> bool:
        """Whether it grew no more than it may; it may shrink."""
        return self.growth <= self.may_grow


def trends(samples: Sequence[Sample]) -> Mapping[str, Trend]:
    """Return how each thing that is measured went, by name.

    Raises:
        ValueError: there are too few samples for a line to mean anything.
    """
    half = samples[-1].delivered / 2 if samples else 0
    before = [sample for sample in samples if sample.delivered < half]
    after = [sample for sample in samples if sample.delivered >= half]
    if min(len(before), len(after)) < _LEAST_SAMPLES:
        message = f"{len(before)} and {len(after)} samples in the two halves; expected {_LEAST_SAMPLES} at least: send more"
        raise ValueError(message)
    tail = before[-max(len(before) // 10, 1) :]
    found = {}
    for measured in MEASURED:
        values = [measured.of(sample) for sample in after]
        found[measured.name] = Trend(
            fmean(map(measured.of, tail)),
            fmean(values),
            max(values),
            gain([float(sample.delivered) for sample in after], values),
            measured.may_grow,
        )
    return found


def gain(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return what the straight line through these points, by least squares, gains from the first x to the last."""
    middle_x, middle_y = fmean(xs), fmean(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread
    return slope * (xs[-1] - xs[0])


def picture(samples: Sequence[Sample]) -> str:
    """Return each thing that is measured over what was delivered, as SVG."""
    panels = [
        LinearPanel(
            measured.name,
            "requests answered",
            [(float(sample.delivered), measured.of(sample)) for sample in samples],
            short,
        )
        for measured in MEASURED
    ]
    return long_runs(
        "One worker at full speed: memory, objects, descriptors, threads, tasks", panels
    )
