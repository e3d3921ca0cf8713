"""From the start of the process to its first 200: imports, settings, the group, the first fetch, the first request.

A new group each time, and a broker that does not hold a new group back (`group.initial.rebalance.delay.ms` is 0; the
default of 3 s would be the broker's, not the connector's). On a busy machine the clock says more about the others than
about the start, so the CPU of the whole run over a thousand events stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.children import run_child
from bench.commands import connector_command
from bench.stage import Dataset, Stage
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint

TARGET_SECONDS = 1.5
_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Started:
    seconds: float
    """To the first 200, by the clock."""
    cpu_seconds: float
    """Of the whole run."""


def measure(stage: Stage, repetitions: int, tell: Callable[[str], None]) -> list[Started]:
    topic = stage.topic(Dataset("event", _EVENTS))
    found = []
    for _ in range(repetitions):
        name = stage.name("start")
        told = stage.directory / f"{name}.answers"
        with cheapest_endpoint(record=told) as endpoint:
            command = connector_command(stage, topic, "event", endpoint_url=endpoint.url)
            started = time.monotonic_ns()
            used = run_child(name, command, stage.directory)
        seconds = (read_answers(told)[0].nanoseconds - started) / 1e9
        found.append(Started(round(seconds, 3), round(used.cpu_seconds, 3)))
        tell(f"first 200 after {seconds:.2f} s; CPU of the run {used.cpu_seconds:.2f} s")
    return found
