"""What a table of metrics is made of: labels with known values, and metrics that are bound to their series once.

Nothing that a payment, a partner's answer or a URL says becomes a label: a value that a label does not know counts as
`other`, and a label whose values come with the configuration takes at most `MOST_DECLARED` of them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Generic, Self, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OTHER = "other"
MOST_DECLARED = 100
"""How many partners, groups or topics have series of their own; the others share one."""

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Label:
    """A label and what it may say.

    Attributes:
        name: as Prometheus has it.
        values: all of them; none where the worker's configuration names them (see `Catalogue.declare`).
        meaning: for the documentation.
        seldom: most values never occur, so their series appear when they do.
    """

    name: str
    values: tuple[str, ...]
    meaning: str
    seldom: bool = False


class Family(Generic[Kind]):
    """A metric with labels. Every series is looked up in the client library once.

    Args:
        metric: of the client library.
        known: what each label may say; the caller may add to it.
    """

    def __init__(self, metric: Kind, known: tuple[set[str], ...]) -> None:
        self._metric: Kind = metric
        self._known = known
        self._bound: dict[tuple[str, ...], Kind] = {}
        self._shown: set[tuple[str, ...]] = set()

    def labels(self, *values: str) -> Kind:
        """Return the series with these labels, in the table's order; what is not known there is `other`."""
        bound = self._bound.get(values)
        return self._meet(values) if bound is None else bound

    def clear(self) -> None:
        """Remove every series: their subjects no longer exist."""
        self._bound.clear()
        self._shown.clear()
        self._metric.clear()

    def remove(self, at: int, values: Collection[str]) -> None:
        """Remove the series in which the label at this place has one of these values."""
        for series in [series for series in self._shown if series[at] in values]:
            self._shown.discard(series)
            self._bound.pop(series, None)
            self._metric.remove(*series)

    def _meet(self, values: tuple[str, ...]) -> Kind:
        kept = tuple(
            str(value) if value in known else OTHER
            for value, known in zip(values, self._known, strict=True)
        )
        series: Kind = self._metric.labels(*kept)
        self._shown.add(kept)
        if OTHER not in kept:  # else whatever comes would be remembered
            self._bound[values] = series
        return series


@dataclass(frozen=True, slots=True)
class Spec(Generic[Kind]):
    """A line of the table.

    Attributes:
        kind: the client library's class.
        name: as it is shown; a histogram's without `_bucket`.
        meaning: one sentence.
        names: its labels.
        buckets: upper edges of a histogram, without the infinite one.
        from_start: its series exist before anything was counted.
    """

    kind: type[Kind]
    name: str
    meaning: str
    names: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    from_start: bool = True

    def made(self, registry: CollectorRegistry) -> Kind:
        """Return the client library's metric, registered."""
        names = [label.name for label in self.names]
        more = {"buckets": self.buckets} if self.buckets else {}
        return self.kind(self.name, self.meaning, names, registry=registry, **more)  # type: ignore[arg-type]  # buckets


@dataclass(frozen=True, slots=True)
class Single(Spec[Kind]):
    """A metric without labels."""

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: "Catalogue", kind: type) -> Kind: ...
    def __get__(self, owner: "Catalogue | None", kind: type) -> Self | Kind:
        """Return the line of the table; a catalogue's attribute hides this one, see there."""
        return self


@dataclass(frozen=True, slots=True)
class Many(Spec[Kind]):
    """A metric with labels."""

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: "Catalogue", kind: type) -> Family[Kind]: ...
    def __get__(self, owner: "Catalogue | None", kind: type) -> Self | Family[Kind]:
        """Return the line of the table; a catalogue's attribute hides this one, see there."""
        return self


class Catalogue:
    """A table of metrics, one line each as class attributes, and its series on a registry.

    On the class an attribute is its line of the table, on an instance what counts: the metric itself, or its `Family`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[str, set[str]] = {}
        self._families: list[tuple[Spec[Any], Family[Any]]] = []
        for attribute, spec in self.table().items():
            metric = spec.made(self.registry)
            if isinstance(spec, Single):
                self.__dict__[attribute] = metric
                continue
            known = tuple(self._values_of(label) for label in spec.names)
            family = self.__dict__[attribute] = Family(metric, known)
            self._families.append((spec, family))
            self._begin(spec, family, {})

    @classmethod
    def table(cls) -> dict[str, Spec[Any]]:
        """Return the lines by attribute, in their order."""
        return {name: line for name, line in vars(cls).items() if isinstance(line, Spec)}

    def declare(self, label: Label, values: Iterable[str]) -> None:
        """Give a label these values from now on, and no others; those above the bound go to `other`.

        The series of values that it had before and has no more are removed.
        """
        known = self._known.setdefault(label.name, set())
        declared = list(islice(dict.fromkeys(values), MOST_DECLARED))
        gone, new = known.difference(declared), [value for value in declared if value not in known]
        known.difference_update(gone)
        known.update(new)
        for spec, family in self._families:
            if label in spec.names:
                if gone:
                    family.remove(spec.names.index(label), gone)
                if new:
                    self._begin(spec, family, {label.name: tuple(new)})

    def shown(self, label: Label, value: str) -> str:
        """Return what a label whose values are declared says for this one: itself, or `other`."""
        return value if value in self._known[label.name] else OTHER

    def _values_of(self, label: Label) -> set[str]:
        return set(label.values) if label.values else self._known.setdefault(label.name, set())

    @staticmethod
    def _begin(
        spec: Spec[Any], family: Family[Any], declared: Mapping[str, tuple[str, ...]]
    ) -> None:
        # A rate over a counter that appears with its first count misses that count.
        if spec.from_start and not any(label.seldom for label in spec.names):
            those = (declared.get(label.name, label.values) for label in spec.names)
            for values in product(*those):
                family.labels(*values)
