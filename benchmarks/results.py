"""What a session found: kept as one JSON file for each scenario, read back for tables and plots."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figures, Latency
from benchmarks.machine import machine

DIRECTORY = Path(__file__).parents[1] / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Run:
    """A run with its place in the session.

    Attributes:
        point: where on a curve or at which offered rate; None in scenarios that have only one point.
    """

    round: int
    figures: Figures
    point: float | None = None


@dataclass
class Results:
    """All runs of a scenario.

    Attributes:
        scenario: its name.
        settings: what it was run with, for the reader.
        on: the machine and what is installed.
        signature_ms: CPU time of one signature, once a round.
        receiver_per_second: what the receiver answers a sender that does nothing else.
        receiver_ms: its CPU time for that, an answer.
        failures: runs that came to nothing, and why.
    """

    scenario: str
    settings: dict[str, Any]
    on: dict[str, Any] = field(default_factory=machine)
    signature_ms: list[float] = field(default_factory=list)
    receiver_per_second: list[float] = field(default_factory=list)
    receiver_ms: list[float] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def begun(
        cls,
        scenario: str,
        settings: dict[str, Any],
        *,
        goes_on: bool,
        say: Callable[[str], None],
    ) -> "Results":
        """Return what to add rounds to: nothing yet, or what an earlier session measured alike of this commit on such a machine.

        What else an earlier session left is deleted, so that it can't be taken for what this one finds.
        """
        new = cls(scenario, settings)
        file = DIRECTORY / f"{scenario}.json"
        if goes_on and file.exists():
            before = cls.load(scenario)
            undated = [results.on | {"date": ""} for results in (before, new)]
            if before.settings == json.loads(json.dumps(settings)) and undated[0] == undated[1]:
                return before
            say(f"{scenario}: begun anew, since {file} is of another commit, machine or plan")
        cls.forget(scenario)
        return new

    @classmethod
    def broken_off(cls, scenario: str, settings: dict[str, Any], why: str) -> "Results":
        """Return what is kept of a scenario that could not go on, with the reason as a failure."""
        found = cls(scenario, settings)
        with suppress(FileNotFoundError):
            kept = cls.load(scenario)
            found = kept if kept.on.get("commit") == found.on["commit"] else found
        found.failures.append(why)
        return found

    @staticmethod
    def forget(scenario: str) -> None:
        """Delete what is kept of a scenario."""
        (DIRECTORY / f"{scenario}.json").unlink(missing_ok=True)

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return len(self.signature_ms)

    @property
    def floor_ms(self) -> float:
        """The median signature."""
        return median(self.signature_ms)

    def systems(self) -> list[str]:
        """Return the systems in the order of their first runs."""
        return list(dict.fromkeys(run.figures.system for run in self.runs))

    def points(self, system: str) -> list[float | None]:
        """Return the points of a system in their order."""
        return list(dict.fromkeys(run.point for run in self.runs if run.figures.system == system))

    def of(self, system: str, point: float | None = None) -> list[Figures]:
        """Return a system's figures at a point, round by round."""
        return [
            run.figures for run in self.runs if (run.figures.system, run.point) == (system, point)
        ]

    def middle(self, name: str, system: str, point: float | None = None) -> float:
        """Return the median of a figure over the rounds; latencies by their own names."""
        return median(_value(figures, name) for figures in self.of(system, point))

    def spread(self, name: str, system: str, point: float | None = None) -> tuple[float, float]:
        """Return the lowest and the highest of a figure over the rounds."""
        values = [_value(figures, name) for figures in self.of(system, point)]
        return min(values), max(values)

    def signatures(self, system: str, point: float | None = None) -> float:
        """Return what a notification costs in signatures: the median over the rounds, each with its own signature."""
        return median(
            run.figures.cpu_ms / self.signature_ms[run.round - 1]
            for run in self.runs
            if (run.figures.system, run.point) == (system, point)
        )

    def ratios(
        self, name: str, ours: str, theirs: str, point: float | None = None
    ) -> tuple[float, float, float] | None:
        """Return one system's figure over another's, each within a round: median, lowest, highest; None without any."""
        by_round: dict[int, dict[str, float]] = {}
        for run in self.runs:
            if run.point == point and run.figures.system in {ours, theirs}:
                by_round.setdefault(run.round, {})[run.figures.system] = _value(run.figures, name)
        both = [found[ours] / found[theirs] for found in by_round.values() if len(found) == 2]  # noqa: PLR2004
        return (median(both), min(both), max(both)) if both else None

    def total(self, name: str, system: str, point: float | None = None) -> int:
        """Return the sum of a count over the rounds."""
        return int(sum(_value(figures, name) for figures in self.of(system, point)))

    @property
    def faults(self) -> list[str]:
        """What no system may do, over all runs, and runs that came to nothing."""
        return self.failures + [fault for run in self.runs for fault in run.figures.faults]

    @contextmanager
    def noting_failures(self, where: str, say: Callable[[str], None]) -> Iterator[None]:
        """Note a run that fails instead of ending the session with it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, other runs are made all the same
            self.failures.append(f"{self.scenario}, {where}: {told(error)}")
            say(f"  {told(error)}")

    def save(self, directory: Path | None = None) -> Path:
        """Write the file, into `DIRECTORY` by default."""
        directory = directory or DIRECTORY
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{self.scenario}.json"
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        return file

    @classmethod
    def load(cls, scenario: str, directory: Path | None = None) -> "Results":
        """Read a file, of `DIRECTORY` by default.

        Raises:
            FileNotFoundError: the scenario has not been run.
        """
        document = json.loads(((directory or DIRECTORY) / f"{scenario}.json").read_text("utf-8"))
        runs = [_run(run) for run in document.pop("runs")]
        return cls(**document, runs=runs)


def told(error: Exception) -> str:
    """Return what went wrong; with the error's type, where it isn't one of our own messages."""
    ours = isinstance(error, RuntimeError | OSError)
    return str(error) if ours and str(error) else f"{type(error).__name__}: {error}"


def _run(document: dict[str, Any]) -> Run:
    figures = document["figures"]
    latency = figures.pop("latency")
    return Run(
        document["round"],
        Figures(**figures, latency=Latency(**latency) if latency else None),
        document["point"],
    )


def _value(figures: Figures, name: str) -> float:
    holder = figures.latency if name in Latency.__slots__ else figures
    return float(getattr(holder, name))
