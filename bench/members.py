"""One member and two of one group, by the clock: how far adding members helps on one machine.

In two situations: the endpoint takes 100 ms, so that requests in flight are the limit; and it costs nothing, so that
the CPU is. The second one does not scale on the two cores that broker, endpoint and members share, and is not meant
to: it shows where this machine ends. Rates are read at the endpoint, while all members run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.children import run_children
from bench.commands import connector_command
from bench.recording import Spread, table
from bench.stage import Dataset, Stage
from bench.wall import steady_rate
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint


@dataclass(frozen=True, slots=True)
class Setting:
    delay_ms: int
    members: int


@dataclass(frozen=True, slots=True)
class Rate:
    events_per_second: float
    cpu_us: float
    """Of one event, all members together, their starts included."""


SETTINGS = (Setting(100, 1), Setting(100, 2), Setting(0, 1), Setting(0, 2))


def measure(stage: Stage, setting: Setting, count: int) -> Rate:
    topic, group = stage.topic(Dataset("event", count)), stage.name("group")
    told = stage.directory / f"{group}.answers"
    with cheapest_endpoint(setting.delay_ms, record=told) as endpoint:
        commands = [
            connector_command(stage, topic, "event", endpoint_url=endpoint.url, group=group)
            for _ in range(setting.members)
        ]
        used = run_children(group, commands, stage.directory)
    return Rate(round(steady_rate(read_answers(told))), round(1e6 * used.cpu_seconds / count, 2))


def measure_all(stage: Stage, count: int, repetitions: int, tell: Callable[[str], None]) -> dict[Setting, list[Rate]]:
    found: dict[Setting, list[Rate]] = {setting: [] for setting in SETTINGS}
    for _ in range(repetitions):
        for setting, rates in found.items():
            rates.append(measure(stage, setting, count))
            tell(f"{setting.members} members, {setting.delay_ms} ms: {rates[-1].events_per_second:,.0f} events/s")
    return found


def members_table(found: Mapping[Setting, Sequence[Rate]]) -> str:
    alone = {setting.delay_ms: rates for setting, rates in found.items() if setting.members == 1}
    rows = []
    for setting, rates in found.items():
        times = zip(rates, alone[setting.delay_ms], strict=True)
        rows.append(
            [
                f"{setting.delay_ms} ms",
                str(setting.members),
                Spread(tuple(rate.events_per_second for rate in rates)).text(",.0f"),
                Spread(tuple(rate.events_per_second / one.events_per_second for rate, one in times)).text(),
                Spread(tuple(rate.cpu_us for rate in rates)).text(),
            ]
        )
    return table(["endpoint", "members", "events/s", "x one member", "CPU us per event"], rows)


def figures(found: Mapping[Setting, Sequence[Rate]]) -> dict[str, Any]:
    return {
        "members": [{**asdict(setting), "runs": [asdict(rate) for rate in rates]} for setting, rates in found.items()]
    }
