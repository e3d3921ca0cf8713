"""From `produce` to the 200: events at a steady rate, each timed from the producer's call to the endpoint's answer.

Producer, broker, connector and endpoint share one machine and one monotonic clock. The producer does not linger; the
broker's acknowledgement is not waited for. The first events warm everything up and are not counted.

How late the producer itself woke from its sleeps says what the machine was worth at that time: where that is
milliseconds, so are latencies, whoever's they are.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bench.commands import connector_command
from bench.dataset import PARTITIONS, USERS, create_topic, event_pool, user_key
from bench.recording import table
from bench.stage import Stage
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from tests.support.broker import wait_for_leaders
from tests.support.processes import ChildProcess, wait_until

_CHECKOUT = Path(__file__).resolve().parents[1]
_ARRIVE_SECONDS = 30.0
_WARM_UP_SHARE = 0.2
_SEED = 20_250_102


@dataclass(frozen=True, slots=True)
class Latency:
    events_per_second: int
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    wake_p99_ms: float
    """How late the producer woke from a sleep."""


TARGETS = {1000: "p50 under 5 ms, p99 under 25 ms", 10: "p99 under 15 ms"}


def measure(stage: Stage, rate: int, seconds: float) -> Latency:
    """`seconds` of events at `rate` a second, after a fifth of that to warm up."""
    topic = stage.name("latency")
    create_topic(stage.bootstrap_servers, topic, PARTITIONS)
    told = stage.directory / f"{topic}.answers"
    with cheapest_endpoint(record=told) as endpoint:
        command = connector_command(stage, topic, "event", endpoint_url=endpoint.url, stop_at_end=False)
        log = stage.directory / f"{topic}.log"
        with ChildProcess("connector", command, log_path=log, directory=_CHECKOUT) as connector:
            warm_up = 1 + int(rate * seconds * _WARM_UP_SHARE)
            count = warm_up + int(rate * seconds)
            events = Events(stage.bootstrap_servers, topic, count)

            def wait_for(wanted: int) -> dict[int, int]:
                what = f"{wanted} events at the endpoint"
                arrived = lambda: found if len(found := _answers(told)) == wanted else None  # noqa: E731
                return wait_until(arrived, _ARRIVE_SECONDS, what, connector)

            events.produce(0)
            wait_for(1)  # the connector has started
            events.produce_steadily(rate)
            answered = wait_for(count)
    produced = events.produced
    late = sorted(events.woke_late_ms)
    waits = sorted((answered[number] - produced[number]) / 1e6 for number in range(warm_up, count))
    return Latency(
        events_per_second=rate,
        events=len(waits),
        p50_ms=round(statistics.median(waits), 2),
        p99_ms=_p99(waits),
        max_ms=round(waits[-1], 2),
        wake_p99_ms=_p99(late),
    )


def _p99(ascending: Sequence[float]) -> float:
    return round(ascending[int(0.99 * (len(ascending) - 1))], 2)


class Events:
    """What is produced, made before it is needed. `produced`: when each was handed over, in nanoseconds."""

    def __init__(self, bootstrap_servers: str, topic: str, count: int) -> None:
        chance = random.Random(_SEED)
        pool = event_pool(datetime.now(UTC))
        users = [user_key(user) for user in chance.choices(range(USERS), k=count)]
        self._records = [(user, pool.fill(number, user, number)) for number, user in enumerate(users)]
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 0, "log_level": 0})
        wait_for_leaders(self._producer, topic, PARTITIONS)
        self.produced: list[int] = []
        self.woke_late_ms: list[float] = []

    def produce(self, number: int) -> None:
        user, value = self._records[number]
        self.produced.append(time.monotonic_ns())
        self._producer.produce(self._topic, value, user)
        self._producer.poll(0)

    def produce_steadily(self, rate: int) -> None:
        """All that are left, `rate` a second."""
        first = len(self.produced)
        started = time.monotonic()
        for number in range(first, len(self._records)):
            due = started + (number - first) / rate
            if (early := due - time.monotonic()) > 0:
                time.sleep(early)
                self.woke_late_ms.append(1000 * (time.monotonic() - due))
            self.produce(number)
        if left := self._producer.flush(_ARRIVE_SECONDS):
            raise TimeoutError(f"{self._topic}: {left} events were not delivered within {_ARRIVE_SECONDS:g} s")


def _answers(told: Path) -> dict[int, int]:
    """When each number was answered for the first time."""
    found: dict[int, int] = {}
    for answer in read_answers(told):
        for number in answer.numbers:
            found.setdefault(number, answer.nanoseconds)
    return found


def measure_all(stage: Stage, seconds: Sequence[tuple[int, float]], tell: Callable[[str], None]) -> list[Latency]:
    """`seconds`: (rate, how long) of each."""
    found = []
    for rate, duration in seconds:
        latency = measure(stage, rate, duration)
        tell(f"{rate} events/s: p50 {latency.p50_ms} ms, p99 {latency.p99_ms} ms, at most {latency.max_ms} ms")
        found.append(latency)
    return found


def latency_table(found: Sequence[Latency]) -> str:
    rows = [
        [
            f"{one.events_per_second:,}",
            f"{one.events:,}",
            f"{one.p50_ms:.2f}",
            f"{one.p99_ms:.2f}",
            f"{one.max_ms:.2f}",
            f"{one.wake_p99_ms:.2f}",
            TARGETS.get(one.events_per_second, ""),
        ]
        for one in found
    ]
    return table(["events/s", "events", "p50 ms", "p99 ms", "most ms", "a sleep's wake, p99 ms", "target"], rows)


def figures(found: Sequence[Latency]) -> dict[str, Any]:
    return {"latencies": [asdict(one) for one in found]}
