"""What an event costs in CPU, by system: the difference of a long run and a short one, so that the start is left out.

Within a repetition each system takes its turn, and the ratio to the bare primitives is taken within it, too: whatever
else the machine does at that time burdens all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.recording import Spread, table
from bench.stage import Stage
from bench.systems import BASE, SYSTEMS, System, carry

_WALL_SECONDS_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_us: float
    """Of one event."""
    events_per_second: float | None
    """None where the two runs took the same time, or nearly: the clock is too coarse for it."""
    rss_max_mb: float


@dataclass(frozen=True, slots=True)
class Compared:
    """All repetitions of all systems that were run; `missing` says why the others were not."""

    costs: Mapping[str, Sequence[Cost]]
    missing: Mapping[str, str]

    def ratio(self, key: str) -> Spread | None:
        base = self.costs.get(BASE)
        if base is None or key not in self.costs:
            return None
        return Spread(tuple(one.cpu_us / bare.cpu_us for one, bare in zip(self.costs[key], base, strict=True)))

    def figures(self) -> dict[str, Any]:
        costs = {key: [asdict(cost) for cost in runs] for key, runs in self.costs.items()}
        ratios = {key: list(found.values) for key in self.costs if (found := self.ratio(key))}
        return {"costs": costs, "times_bare": ratios, "missing": dict(self.missing)}


def compare(
    stage: Stage, keys: Sequence[str], sizes: tuple[int, int], repetitions: int, tell: Callable[[str], None]
) -> Iterator[Compared]:
    """After each repetition all that is known, so that a run that is ended early leaves something.

    `sizes`: events of the short and of the long run.
    """
    wanted = [system for system in SYSTEMS if system.key in keys]
    missing = {system.key: reason for system in wanted if (reason := system.missing())}
    there = [system for system in wanted if system.key not in missing]
    costs: dict[str, list[Cost]] = {system.key: [] for system in there}
    for repetition in range(repetitions):
        for system in there:
            cost = measure(stage, system, sizes)
            costs[system.key].append(cost)
            tell(f"{repetition + 1}/{repetitions} {system.title}: {cost.cpu_us:.2f} us, {cost.rss_max_mb:.0f} MB")
        yield Compared({key: tuple(runs) for key, runs in costs.items()}, missing)


def measure(stage: Stage, system: System, sizes: tuple[int, int]) -> Cost:
    short, long = (carry(stage, system, size) for size in sizes)
    events = sizes[1] - sizes[0]
    wall_seconds = long.wall_seconds - short.wall_seconds
    return Cost(
        cpu_us=round(1e6 * (long.cpu_seconds - short.cpu_seconds) / events, 3),
        events_per_second=round(events / wall_seconds) if wall_seconds > _WALL_SECONDS_MIN else None,
        rss_max_mb=round(max(short.rss_max_mb, long.rss_max_mb), 1),
    )


def cost_table(compared: Compared) -> str:
    rows = []
    for system in SYSTEMS:
        if system.key in compared.missing:
            rows.append([system.title, compared.missing[system.key], "", "", ""])
        elif runs := compared.costs.get(system.key):
            ratio = compared.ratio(system.key)
            rates = tuple(run.events_per_second for run in runs if run.events_per_second is not None)
            rows.append(
                [
                    system.title,
                    Spread(tuple(run.cpu_us for run in runs)).text(),
                    ratio.text() if ratio else "",
                    f"{Spread(rates).median:,.0f}" if rates else "",
                    f"{max(run.rss_max_mb for run in runs):.0f}",
                ]
            )
    return table(["system", "CPU us per event", "x bare primitives", "events/s", "peak RSS MB"], rows)
