"""From the start of the process to its first 200: imports, settings, the group, the first fetch, the first request.

A new group each time, and a broker that does not hold a new group back (`group.initial.rebalance.delay.ms` is 0; the
default of 3 s would be the broker's, not the connector's).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.commands import connector_command
from bench.stage import Dataset, Stage
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from tests.support.processes import ChildProcess

TARGET_SECONDS = 1.5
_CHECKOUT = Path(__file__).resolve().parents[1]
_EVENTS = 1_000
_RUN_SECONDS_MAX = 60.0


def measure(stage: Stage, repetitions: int, tell: Callable[[str], None]) -> list[float]:
    """Seconds, of each repetition."""
    topic = stage.topic(Dataset("event", _EVENTS))
    found = []
    for _ in range(repetitions):
        name = stage.name("start")
        told, log = stage.directory / f"{name}.answers", stage.directory / f"{name}.log"
        with cheapest_endpoint(record=told) as endpoint:
            command = connector_command(stage, topic, "event", endpoint_url=endpoint.url)
            started = time.monotonic_ns()
            with ChildProcess("connector", command, log_path=log, directory=_CHECKOUT) as connector:
                connector.wait(_RUN_SECONDS_MAX)
        found.append(round((read_answers(told)[0].nanoseconds - started) / 1e9, 3))
        tell(f"first 200 after {found[-1]:.2f} s")
    return found
