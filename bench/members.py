"""One member and two of one group, by the clock: how far adding members helps on one machine.

In two situations: the endpoint takes 100 ms, so that requests in flight are the limit; and it costs nothing, so that
the CPU is. The second one shows where this machine ends, for broker and endpoint share it with the members.

The members join first and share the partitions; the topic is filled while the endpoint stands still; then it goes on,
and the rate is read there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bench.children import run_children
from bench.commands import connector_command
from bench.dataset import PARTITIONS, create_topic, event_pool, produce_dataset
from bench.group_progress import GroupProgress, shares
from bench.recording import Spread, table
from bench.stage import Stage
from bench.wall import steady_rate
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from tests.support.processes import wait_until

_JOIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    delay_ms: int
    members: int


SETTINGS = (Setting(100, 1), Setting(100, 2), Setting(0, 1), Setting(0, 2))


def measure(stage: Stage, setting: Setting, count: int) -> float:
    """Events per second, all members together."""
    topic, group = stage.name("members"), stage.name("group")
    create_topic(stage.bootstrap_servers, topic, PARTITIONS)
    told = stage.directory / f"{group}.answers"
    even = [PARTITIONS // setting.members] * setting.members
    with cheapest_endpoint(setting.delay_ms, record=told) as endpoint:
        commands = [
            connector_command(stage, topic, "event", endpoint_url=endpoint.url, group=group, stop_at_end=False)
            for _ in range(setting.members)
        ]
        progress: list[GroupProgress] = []

        def fill() -> None:
            wait_until(lambda: shares(stage.bootstrap_servers, group) == even, _JOIN_SECONDS, f"{even} partitions held")
            endpoint.process.freeze()
            produce_dataset(stage.bootstrap_servers, topic, count, pool=event_pool(datetime.now(UTC)))
            progress.append(GroupProgress(stage.bootstrap_servers, group, topic))
            endpoint.process.thaw()

        run_children(
            group,
            commands,
            stage.directory,
            when_started=fill,
            is_done=lambda: bool(progress and progress[0].is_at_end()),
        )
    return round(steady_rate(read_answers(told)))


def measure_all(stage: Stage, count: int, repetitions: int, tell: Callable[[str], None]) -> dict[Setting, list[float]]:
    found: dict[Setting, list[float]] = {setting: [] for setting in SETTINGS}
    for _ in range(repetitions):
        for setting, rates in found.items():
            rates.append(measure(stage, setting, count))
            tell(f"{setting.members} members, {setting.delay_ms} ms: {rates[-1]:,.0f} events/s")
    return found


def members_table(found: Mapping[Setting, Sequence[float]]) -> str:
    alone = {setting.delay_ms: rates for setting, rates in found.items() if setting.members == 1}
    rows = []
    for setting, rates in found.items():
        times = Spread(tuple(rate / one for rate, one in zip(rates, alone[setting.delay_ms], strict=True)))
        rate = Spread(tuple(rates)).text(",.0f")
        rows.append([f"{setting.delay_ms} ms", str(setting.members), rate, times.text()])
    return table(["endpoint", "members", "events/s", "x one member"], rows)


def figures(found: Mapping[Setting, Sequence[float]]) -> dict[str, Any]:
    return {"members": [{**asdict(setting), "events_per_second": list(rates)} for setting, rates in found.items()]}
