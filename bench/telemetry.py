"""What telemetry adds to an event: traces at 1 % sampling and metrics, both pushed to a collector, against none.

The collector is a stand-in that reads and forgets, in a process of its own. On and off take turns, and the ratio is
taken within each repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.children import run_child
from bench.commands import connector_command
from bench.recording import Spread
from bench.stage import Dataset, Stage
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint

RATIO_MAX = 1.10
_EXPORT_MS = 5000


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU us of one event, by repetition."""

    off: list[float]
    on: list[float]

    @property
    def ratio(self) -> Spread:
        return Spread(tuple(on / off for on, off in zip(self.on, self.off, strict=True)))


def measure(stage: Stage, sizes: tuple[int, int], repetitions: int, tell: Callable[[str], None]) -> Costs:
    """`sizes`: events of the short and of the long run."""
    costs = Costs([], [])
    with cheapest_endpoint(stand_in=True) as collector:
        switched_on = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
            "OTEL_METRIC_EXPORT_INTERVAL": str(_EXPORT_MS),
        }
        for _ in range(repetitions):
            costs.off.append(_cpu_us(stage, sizes, {}))
            costs.on.append(_cpu_us(stage, sizes, switched_on))
            tell(f"off {costs.off[-1]:.2f} us, on {costs.on[-1]:.2f} us")
    return costs


def _cpu_us(stage: Stage, sizes: tuple[int, int], environment: Mapping[str, str]) -> float:
    used = []
    for size in sizes:
        command = connector_command(stage, stage.topic(Dataset("event", size)), "event")
        used.append(run_child(stage.name("telemetry"), command, stage.directory, environment=environment))
    return round(1e6 * (used[1].cpu_seconds - used[0].cpu_seconds) / (sizes[1] - sizes[0]), 3)
