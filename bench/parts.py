"""The parts of the benchmark: each runs, prints its table beside its target, and records its figures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from bench import cost, latency, members, memory, plot, start, steps, telemetry, wall
from bench.recording import RESULTS, Spread, record, table
from bench.stage import Stage

_SHORT_LONG = (200_000, 1_000_000)
_SHORT_LONG_QUICK = (50_000, 250_000)


@dataclass(frozen=True, slots=True)
class Options:
    quick: bool
    repetitions: int
    systems: tuple[str, ...]
    record: bool


def run_cost(stage: Stage, options: Options) -> None:
    sizes = _sizes(options)
    for compared in cost.compare(stage, options.systems, sizes, options.repetitions, tell):
        _show(cost.cost_table(compared))
        if options.record:
            record("cost", {"events": list(sizes), **compared.figures()}, stage.descriptions)
            plot.plot_costs(compared, RESULTS / "cost.png")


def run_latency(stage: Stage, options: Options) -> None:
    found = latency.measure_all(stage, [(1000, 5.0), (10, 10.0)] if options.quick else [(1000, 30.0), (10, 60.0)], tell)
    _show(latency.latency_table(found))
    if options.record:
        record("latency", latency.figures(found), stage.descriptions)


def run_wall(stage: Stage, options: Options) -> None:
    found = wall.measure_all(stage, (2.0, 8.0) if options.quick else (3.0, 10.0), options.repetitions, tell)
    _show(wall.wall_table(found))
    if options.record:
        record("wall", wall.figures(found), stage.descriptions)


def run_memory(stage: Stage, options: Options) -> None:
    count = 200_000 if options.quick else 1_000_000
    peaks = memory.measure(stage, count, options.repetitions, tell)
    head = ["backlog", "peak RSS MB", "target"]
    _show(table(head, [[f"{count:,}", Spread(tuple(peaks)).text(".0f"), f"under {memory.TARGET_MB}"]]))
    if options.record:
        record("memory", {"events": count, "rss_max_mb": peaks}, stage.descriptions)


def run_telemetry(stage: Stage, options: Options) -> None:
    costs = telemetry.measure(stage, _sizes(options), options.repetitions, tell)
    rows = [
        ["off", Spread(tuple(costs.off)).text(), "", ""],
        ["on", Spread(tuple(costs.on)).text(), costs.ratio.text(), f"at most {telemetry.RATIO_MAX:.2f}"],
    ]
    _show(table(["telemetry", "CPU us per event", "x off", "target"], rows))
    if options.record:
        record("telemetry", {"off_us": costs.off, "on_us": costs.on}, stage.descriptions)


def run_start(stage: Stage, options: Options) -> None:
    found = start.measure(stage, options.repetitions, tell)
    seconds, cpu_seconds = (
        Spread(tuple(getattr(one, name) for one in found)).text() for name in ("seconds", "cpu_seconds")
    )
    head = ["seconds to the first 200", "target", "CPU seconds of the run"]
    _show(table(head, [[seconds, f"under {start.TARGET_SECONDS}", cpu_seconds]]))
    if options.record:
        record("start", {"starts": [asdict(one) for one in found]}, stage.descriptions)


def run_members(stage: Stage, options: Options) -> None:
    count = 150_000 if options.quick else 300_000
    found = members.measure_all(stage, count, options.repetitions, tell)
    _show(members.members_table(found))
    if options.record:
        record("members", {"events": count, **members.figures(found)}, stage.descriptions)


def run_steps(_stage: Stage, options: Options) -> None:
    found = steps.measure(with_valgrind=not options.quick)
    _show(steps.steps_table(found))
    if options.record:
        record("steps", steps.figures(found), {})


PARTS: Mapping[str, Callable[[Stage, Options], None]] = {
    "cost": run_cost,
    "wall": run_wall,
    "latency": run_latency,
    "memory": run_memory,
    "telemetry": run_telemetry,
    "start": run_start,
    "members": run_members,
    "steps": run_steps,
}


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(lines: str) -> None:
    print(lines, flush=True)


def _sizes(options: Options) -> tuple[int, int]:
    return _SHORT_LONG_QUICK if options.quick else _SHORT_LONG
