"""The metrics as Prometheus reads them: the same families, names made by OpenTelemetry's rules for Prometheus.

Dots become underscores, the unit is added (`_seconds`, `_bytes`; not `{event}`), `_total` ends a counter. OpenMetrics
is served to those who ask for it, and only that form has room for exemplars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as PrometheusExemplar

from connector.telemetry.instruments import (
    Buckets,
    Counter,
    Declaration,
    Gauge,
    Histogram,
    Instrument,
    Labels,
    ObservedCounter,
    varying_attributes,
)
from connector.telemetry.registry import Registry

_UNITS = {"s": "seconds", "By": "bytes"}

_Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Exposition:
    """`/metrics`: renders the registry as it stands. `resource` describes the process, as `target_info`."""

    def __init__(self, registry: Registry, resource: Mapping[str, str]) -> None:
        self._collectors = CollectorRegistry(auto_describe=False)
        self._collectors.register(_Families(registry, resource))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._collectors), content_type


def prometheus_name(declaration: Declaration) -> str:
    """Without the suffix that a sample adds (`_total`, `_bucket`)."""
    name = declaration.name.replace(".", "_")
    unit = _UNITS.get(declaration.unit, "")
    return name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


class _Families(Collector):
    def __init__(self, registry: Registry, resource: Mapping[str, str]) -> None:
        self._registry = registry
        self._target = InfoMetricFamily("target", "What runs here")
        self._target.add_metric([], {name.replace(".", "_"): value for name, value in sorted(resource.items())})

    def collect(self) -> Iterable[_Family | InfoMetricFamily]:
        yield self._target
        for instrument in self._registry.instruments:
            yield _family(instrument, self._registry.constant)


def _family(instrument: Instrument, constant: Mapping[str, str]) -> _Family:
    declaration = instrument.declaration
    fixed = [name for name in declaration.attributes if name in constant]
    label_names = [name.replace(".", "_") for name in (*fixed, *varying_attributes(declaration, constant))]
    fixed_values = [constant[name] for name in fixed]
    name, unit = prometheus_name(declaration), _UNITS.get(declaration.unit, "")

    def values(labels: Labels) -> list[str]:
        return [*fixed_values, *labels]

    match instrument:
        case Counter() | ObservedCounter():
            counter = CounterMetricFamily(name, declaration.meaning, labels=label_names, unit=unit)
            for labels, value in instrument.points():
                counter.add_metric(values(labels), value)
            return counter
        case Gauge():
            gauge = GaugeMetricFamily(name, declaration.meaning, labels=label_names, unit=unit)
            for labels, value in instrument.points():
                gauge.add_metric(values(labels), value)
            return gauge
        case Histogram():
            histogram = HistogramMetricFamily(name, declaration.meaning, labels=label_names, unit=unit)
            for labels, buckets in instrument.points():
                histogram.add_metric(values(labels), _cumulative(declaration, buckets), buckets.total)
            return histogram
        case _:
            assert_never(instrument)


def _cumulative(
    declaration: Declaration, buckets: Buckets
) -> list[tuple[str, float] | tuple[str, float, PrometheusExemplar]]:
    counts, exemplars = buckets.counts.copy(), buckets.exemplars.copy()
    rows: list[tuple[str, float] | tuple[str, float, PrometheusExemplar]] = []
    total = 0
    for place, count in enumerate(counts):
        total += count
        bound = str(declaration.bounds[place]) if place < len(declaration.bounds) else "+Inf"
        exemplar = exemplars.get(place)
        if exemplar is None:
            rows.append((bound, total))
        else:
            ids = {"trace_id": f"{exemplar.trace_id:032x}", "span_id": f"{exemplar.span_id:016x}"}
            rows.append((bound, total, PrometheusExemplar(ids, exemplar.value, exemplar.time_ns / 1e9)))
    return rows
