"""How fast one process is by the clock, when the endpoint takes 100 ms for each answer.

Until the CPU is the limit, `requests_max` requests of 100 events are answered every 100 ms: that product is the
ceiling. Few users are the hard case: most records are parked behind an earlier event of their user. The bare primitives
stand beside it, for what the machine allowed at that time.

The rate is read at the endpoint: events answered between a fifth of the run and its last tenth, by the time that took.
So neither the start nor the end is in it, and it is quantised by one round of answers, 100 ms. CPU is by the difference
of that run and a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, assert_never

from bench.children import run_child
from bench.commands import Command, connector_command, program_command
from bench.recording import Spread, table
from bench.stage import Dataset, Stage
from bench.yardsticks.answers import Answer, read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint

DELAY_MS = 100
_EVENTS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Setting:
    system: Literal["connector", "bare primitives"]
    requests_max: int
    users: int

    @property
    def ceiling(self) -> float:
        """Events per second."""
        return self.requests_max * _EVENTS_PER_REQUEST * 1000 / DELAY_MS


@dataclass(frozen=True, slots=True)
class Wall:
    events_per_second: float
    cpu_us: float
    """Of one event."""


SETTINGS = (
    Setting("bare primitives", 16, 200_000),
    Setting("connector", 16, 200_000),
    Setting("connector", 16, 1_000),
    Setting("bare primitives", 64, 200_000),
    Setting("connector", 64, 200_000),
    Setting("connector", 64, 1_000),
)


def measure(stage: Stage, setting: Setting, seconds: tuple[float, float]) -> Wall:
    """`seconds`: how long the short and the long run take at the ceiling."""
    sizes = [int(setting.ceiling * length) for length in seconds]
    used, rates = [], []
    for size in sizes:
        topic = stage.topic(Dataset("event", size, setting.users))
        told = stage.directory / f"{stage.name('wall')}.answers"
        with cheapest_endpoint(DELAY_MS, record=told) as endpoint:
            command = _command(stage, setting, topic, size, endpoint.url)
            used.append(run_child(stage.name("wall"), command, stage.directory))
        rates.append(steady_rate(read_answers(told)))
    cpu_seconds = used[1].cpu_seconds - used[0].cpu_seconds
    return Wall(round(rates[1]), round(1e6 * cpu_seconds / (sizes[1] - sizes[0]), 2))


def _command(stage: Stage, setting: Setting, topic: str, count: int, endpoint_url: str) -> Command:
    match setting.system:
        case "connector":
            delivery = {"requests_max": setting.requests_max}
            return connector_command(stage, topic, "event", endpoint_url=endpoint_url, delivery=delivery)
        case "bare primitives":
            more = ["--endpoint", endpoint_url, "--requests-max", str(setting.requests_max)]
            return program_command(stage, "bench.yardsticks.bare_primitives", topic, count, *more)
        case _:
            assert_never(setting.system)


def steady_rate(answers: Sequence[Answer]) -> float:
    """Events per second between the first fifth of them and the last tenth."""
    total = sum(len(answer.numbers) for answer in answers)
    seen = 0
    inside: list[Answer] = []
    for answer in answers:
        seen += len(answer.numbers)
        if 0.2 * total <= seen <= 0.9 * total:
            inside.append(answer)
    first, *rest = inside
    return sum(len(answer.numbers) for answer in rest) / (rest[-1].seconds - first.seconds)


def measure_all(
    stage: Stage, seconds: tuple[float, float], repetitions: int, tell: Callable[[str], None]
) -> dict[Setting, list[Wall]]:
    found: dict[Setting, list[Wall]] = {setting: [] for setting in SETTINGS}
    for _ in range(repetitions):
        for setting, walls in found.items():
            walls.append(measure(stage, setting, seconds))
            shown = f"{walls[-1].events_per_second:,.0f} events/s of {setting.ceiling:,.0f}, {walls[-1].cpu_us} us"
            tell(f"{setting.system}, {setting.requests_max} requests, {setting.users:,} users: {shown}")
    return found


def wall_table(found: Mapping[Setting, Sequence[Wall]]) -> str:
    rows = []
    for setting, walls in found.items():
        rate = Spread(tuple(wall.events_per_second for wall in walls))
        rows.append(
            [
                setting.system,
                str(setting.requests_max),
                f"{setting.users:,}",
                f"{setting.ceiling:,.0f}",
                rate.text(",.0f"),
                f"{rate.median / setting.ceiling:.0%}",
                Spread(tuple(wall.cpu_us for wall in walls)).text(),
            ]
        )
    head = ["system", "requests_max", "users", "ceiling, events/s", "events/s", "of the ceiling", "CPU us per event"]
    return table(head, rows)


def figures(found: Mapping[Setting, Sequence[Wall]]) -> dict[str, Any]:
    return {
        "walls": [{**asdict(setting), "runs": [asdict(wall) for wall in walls]} for setting, walls in found.items()]
    }
