"""Counters, histograms and gauges as the loop needs them: a dict update for a count, a bisection for a duration.

The SDK's own cost 3 to 11 us a call (tried), a dozen calls for each batch, and have no histogram that is observed
instead of recorded. These cost a few tenths of a microsecond. They are written by the loop's thread alone and read by
the threads that export: each read copies one list or one dict in a single step of the interpreter, so a reader sees
some moment, at worst one with the latest sample missing from a sum. No lock.

Names, units and attributes are OpenTelemetry's; `prometheus.py` and `otlp.py` carry the same families out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

Labels: TypeAlias = tuple[str, ...]
"""Values of a metric's attributes, in the order in which it declares them. An empty one is left out."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One metric: what it is called, what it counts, and what somebody does about it."""

    name: str
    kind: Kind
    unit: str
    """UCUM, as OpenTelemetry wants it: `s`, `By`, `{event}`."""
    attributes: tuple[str, ...]
    meaning: str
    action: str
    """What to do about it."""
    bounds: tuple[float, ...] = ()
    """Upper limits of a histogram's buckets, ascending."""


class Exemplar(NamedTuple):
    """The trace of one sample, so that a bucket leads to a request."""

    trace_id: int
    span_id: int
    value: float
    time_ns: int


class Counter:
    """A sum that only grows."""

    __slots__ = ("declaration", "series")

    def __init__(self, declaration: Declaration) -> None:
        assert declaration.kind == "counter"
        self.declaration = declaration
        self.series: dict[Labels, float] = {}

    def add(self, amount: float, labels: Labels = ()) -> None:
        self.series[labels] = self.series.get(labels, 0) + amount

    def points(self) -> list[tuple[Labels, float]]:
        return list(self.series.copy().items())  # copy() is one step of the interpreter, an iteration is not


class Histogram:
    """Counts by bucket."""

    __slots__ = ("_bounds", "declaration", "series")

    def __init__(self, declaration: Declaration) -> None:
        assert declaration.kind == "histogram"
        assert list(declaration.bounds) == sorted(set(declaration.bounds))
        self.declaration = declaration
        self._bounds = declaration.bounds
        self.series: dict[Labels, Buckets] = {}

    def record(self, value: float, labels: Labels = (), count: int = 1, exemplar: Exemplar | None = None) -> None:
        """`count` samples of `value`."""
        buckets = self.series.get(labels)
        if buckets is None:
            buckets = self.series[labels] = Buckets(len(self._bounds) + 1)
        place = bisect_left(self._bounds, value)
        buckets.counts[place] += count
        buckets.total += value * count
        if exemplar is not None:
            buckets.exemplars[place] = exemplar

    def points(self) -> list[tuple[Labels, Buckets]]:
        return list(self.series.copy().items())  # copy() is one step of the interpreter, an iteration is not


class Buckets:
    """One series of a histogram. Bucket i holds samples up to bound i and above bound i - 1; the last has no bound."""

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}


class Gauge:
    """What is true at the moment it is asked for: read from the latest snapshot, nothing is kept."""

    __slots__ = ("declaration", "points")

    def __init__(self, declaration: Declaration, read: Callable[[], Iterable[tuple[Labels, float]]]) -> None:
        assert declaration.kind == "gauge"
        self.declaration = declaration
        self.points = read


class ObservedCounter:
    """A sum that somebody else keeps, like the process's CPU time."""

    __slots__ = ("declaration", "points")

    def __init__(self, declaration: Declaration, read: Callable[[], Iterable[tuple[Labels, float]]]) -> None:
        assert declaration.kind == "counter"
        self.declaration = declaration
        self.points = read


Instrument: TypeAlias = Counter | ObservedCounter | Gauge | Histogram


def attributes_of(declaration: Declaration, labels: Labels, constant: Mapping[str, str]) -> dict[str, str]:
    """The attributes of one series. A constant one is put where the metric declares it."""
    named = {name: constant[name] for name in declaration.attributes if name in constant}
    varying = [name for name in declaration.attributes if name not in constant]
    named.update({name: value for name, value in zip(varying, labels, strict=True) if value})
    return named


def varying_attributes(declaration: Declaration, constant: Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
    """The attributes whose values come with each sample, in their order."""
    return tuple(name for name in declaration.attributes if name not in constant)
