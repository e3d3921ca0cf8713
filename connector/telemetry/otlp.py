"""The metrics as OTLP: the registry's families as the SDK's data points, pushed by any of its exporters.

Only imported where an exporter is configured. The SDK's own metrics pipeline is not used (see `instruments.py`), so
what it would do is done here: points with their times, deltas where `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`
asks for them, one push each `OTEL_METRIC_EXPORT_INTERVAL`, and a last one on shutdown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, assert_never

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import (
    Gauge as GaugeData,
)
from opentelemetry.sdk.metrics.export import (
    Histogram as HistogramData,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from connector.telemetry import attributes as a
from connector.telemetry.instruments import (
    Counter,
    Declaration,
    Exemplar,
    Gauge,
    Histogram,
    Instrument,
    Labels,
    ObservedCounter,
    attributes_of,
)
from connector.telemetry.registry import Registry

Temporality: TypeAlias = Literal["cumulative", "delta", "lowmemory"]


class MetricPoints:
    """The registry as the SDK's data points. Owned by the thread that pushes: deltas are against its last reading."""

    def __init__(
        self,
        registry: Registry,
        resource: Resource,
        version: str,
        temporality: Temporality,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._registry = registry
        self._resource = resource
        self._scope = InstrumentationScope(a.SCOPE, version, a.SCHEMA_URL)
        self._temporality = temporality
        self._time_ns = time_ns
        self._started_ns = self._last_ns = time_ns()
        self._sums: dict[tuple[str, Labels], float] = {}
        self._buckets: dict[tuple[str, Labels], tuple[list[int], float]] = {}

    def read(self) -> MetricsData:
        now = self._time_ns()
        metrics = [self._metric(instrument, now) for instrument in self._registry.instruments]
        self._last_ns = now
        scope = ScopeMetrics(self._scope, [metric for metric in metrics if metric.data.data_points], a.SCHEMA_URL)
        return MetricsData([ResourceMetrics(self._resource, [scope], self._resource.schema_url)])

    def _metric(self, instrument: Instrument, now: int) -> Metric:
        declaration = instrument.declaration
        data: Sum | GaugeData | HistogramData
        match instrument:
            case Counter():
                data = self._sum(instrument, now, delta=self._temporality != "cumulative")
            case ObservedCounter():
                data = self._sum(instrument, now, delta=self._temporality == "delta")
            case Gauge():
                points = instrument.points()
                data = GaugeData([self._number(declaration, labels, value, now) for labels, value in points])
            case Histogram():
                data = self._histogram(instrument, now, delta=self._temporality != "cumulative")
            case _:
                assert_never(instrument)
        return Metric(declaration.name, declaration.meaning, declaration.unit, data)

    def _sum(self, counter: Counter | ObservedCounter, now: int, *, delta: bool) -> Sum:
        points: list[NumberDataPoint] = []
        for labels, value in counter.points():
            since = 0.0
            if delta:
                key = (counter.declaration.name, labels)
                since, self._sums[key] = self._sums.get(key, 0.0), value
            points.append(self._number(counter.declaration, labels, value - since, now, delta=delta))
        return Sum(points, _temporality(delta), is_monotonic=True)

    def _number(
        self, declaration: Declaration, labels: Labels, value: float, now: int, *, delta: bool = False
    ) -> NumberDataPoint:
        # always a float: a series that is now an integer and now a double is two for some backends
        return NumberDataPoint(self._attributes(declaration, labels), self._start(delta), now, float(value))

    def _histogram(self, histogram: Histogram, now: int, *, delta: bool) -> HistogramData:
        declaration = histogram.declaration
        points: list[HistogramDataPoint] = []
        for labels, buckets in histogram.points():
            counts, total, exemplars = buckets.counts.copy(), buckets.total, buckets.exemplars.copy()
            if delta:
                key = (declaration.name, labels)
                before, total_before = self._buckets.get(key, ([0] * len(counts), 0.0))
                self._buckets[key] = (counts, total)
                counts, total = [new - old for new, old in zip(counts, before, strict=True)], total - total_before
            points.append(
                HistogramDataPoint(
                    self._attributes(declaration, labels),
                    self._start(delta),
                    now,
                    sum(counts),
                    total,
                    counts,
                    declaration.bounds,
                    None,  # type: ignore[arg-type]  # minimum and maximum are optional in OTLP, and not kept
                    None,  # type: ignore[arg-type]
                    # what was sent once is not sent again
                    [_exemplar(exemplar) for exemplar in exemplars.values() if exemplar.time_ns >= self._last_ns],
                )
            )
        return HistogramData(points, _temporality(delta))

    def _start(self, delta: bool) -> int:
        return self._last_ns if delta else self._started_ns

    def _attributes(self, declaration: Declaration, labels: Labels) -> dict[str, str | int]:
        named: Mapping[str, str] = attributes_of(declaration, labels, self._registry.constant)
        return {name: int(value) if name in a.INTEGERS else value for name, value in named.items()}


class MetricPush:
    """Pushes each `interval_seconds`, on a thread of its own. A push that fails is the exporter's to report."""

    def __init__(
        self, points: MetricPoints, exporter: MetricExporter, interval_seconds: float, timeout_seconds: float
    ) -> None:
        self._points = points
        self._exporter = exporter
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metric-push", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self._push()
        self._push()
        self._exporter.shutdown()

    def _push(self) -> None:
        self._exporter.export(self._points.read(), timeout_millis=self._timeout_seconds * 1000)

    def shutdown(self, seconds: float) -> None:
        """Pushes once more; gives up after `seconds`."""
        self._stop.set()
        self._thread.join(seconds)


def _exemplar(exemplar: Exemplar) -> SdkExemplar:
    return SdkExemplar({}, exemplar.value, exemplar.time_ns, exemplar.span_id, exemplar.trace_id)


def _temporality(delta: bool) -> AggregationTemporality:
    return AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
