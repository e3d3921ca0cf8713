"""`python -m bench`: what an event costs, beside two yardsticks in the same run.

CPU by difference of a long and a short run, so that the start is excluded; the systems take turns, so that all of them
see the same machine. `bench/README.md` says what is compared and how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bench.dataset import Pool, avro_order_pool, create_topic, event_pool, order_pool, produce_dataset
from bench.orders import ORDER_ROUTE, ORDER_SCHEMA
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from connector import __version__
from tests.support.brokers import running_broker
from tests.support.registry_stub import registry_stub

SYSTEMS = ("consume only", "bare primitives", "connector", "connector, mapped", "connector, Avro")
_SHAPES = {"connector, mapped": "order", "connector, Avro": "order-avro"}
_SCHEMA_ID = 7
_RUN_SECONDS_MAX = 600


@dataclass(frozen=True)
class Measured:
    events: int
    cpu_seconds: float
    wall_seconds: float
    rss_max_mb: float


@dataclass(frozen=True)
class Cost:
    """Of one event, from a long and a short run."""

    cpu_us: float
    events_per_second: float
    rss_max_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", type=int, default=200_000, help="events of the short run")
    parser.add_argument("--long", type=int, default=1_000_000, help="events of the long run")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--results", type=Path, help="where the figures are written as JSON")
    arguments = parser.parse_args()
    known = {str(_SCHEMA_ID): {"schema": json.dumps(ORDER_SCHEMA)}}
    with (
        running_broker() as broker,
        cheapest_endpoint() as endpoint,
        registry_stub(schemas=known) as registry,
        tempfile.TemporaryDirectory() as directory,
    ):
        run = Bench(broker.bootstrap_servers, endpoint.url, registry.url, Path(directory))
        print(f"broker: {broker.description}; endpoint: {endpoint.description}", flush=True)
        sizes = (arguments.short, arguments.long)
        run.prepare(sizes, arguments.users, {_SHAPES.get(system, "event") for system in arguments.systems})
        costs: dict[str, list[Cost]] = {system: [] for system in arguments.systems}
        for repetition in range(arguments.repeat):
            for system in arguments.systems:
                cost = run.cost(system, sizes)
                costs[system].append(cost)
                print(f"run {repetition + 1}: {system}: {cost.cpu_us:.2f} us, {cost.rss_max_mb:.0f} MB", flush=True)
        print(table(costs))
        if arguments.results:
            arguments.results.write_text(json.dumps(report(costs, broker.description, endpoint.description), indent=2))


class Bench:
    def __init__(self, bootstrap_servers: str, endpoint_url: str, registry_url: str, directory: Path) -> None:
        self._bootstrap = bootstrap_servers
        self._endpoint = endpoint_url
        self._registry = registry_url
        self._directory = directory
        self._topics: dict[tuple[str, int], str] = {}
        self._runs = 0

    def prepare(self, sizes: Sequence[int], users: int, shapes: Collection[str]) -> None:
        """One topic for each size and shape."""
        for size in sizes:
            for shape in shapes:
                topic = f"{shape}-{size}"
                create_topic(self._bootstrap, topic)
                produce_dataset(self._bootstrap, topic, size, pool=_pool(shape, datetime.now(UTC)), users=users)
                self._topics[shape, size] = topic

    def cost(self, system: str, sizes: Sequence[int]) -> Cost:
        short, long = (self._run(system, size) for size in sizes)
        events = long.events - short.events
        wall = long.wall_seconds - short.wall_seconds
        return Cost(
            1e6 * (long.cpu_seconds - short.cpu_seconds) / events,
            events / wall if wall > 0 else float("nan"),
            max(short.rss_max_mb, long.rss_max_mb),
        )

    def _run(self, system: str, size: int) -> Measured:
        match system:
            case "consume only":
                return self._yardstick("consume_only", size)
            case "bare primitives":
                return self._yardstick("bare_primitives", size, "--endpoint", self._endpoint)
            case "connector":
                return self._connector(size, "event", {"format": "json"})
            case "connector, mapped":
                return self._connector(size, "order", {"format": "json", **ORDER_ROUTE})
            case "connector, Avro":
                return self._connector(size, "order-avro", {"format": "avro", **ORDER_ROUTE})
            case _:
                raise AssertionError(system)

    def _yardstick(self, name: str, size: int, *arguments: str) -> Measured:
        command = [sys.executable, "-m", f"bench.yardsticks.{name}", "--bootstrap-servers", self._bootstrap]
        command += ["--topic", self._topics["event", size], "--count", str(size), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_RUN_SECONDS_MAX)
        told = json.loads(done.stdout.splitlines()[-1])
        return Measured(told["events"], told["cpu_seconds"], told["wall_seconds"], told["rss_max_mb"])

    def _connector(self, size: int, shape: str, route: Mapping[str, Any]) -> Measured:
        self._runs += 1
        settings = {
            "kafka": {"bootstrap_servers": self._bootstrap, "group_id": f"bench-{self._runs}"},
            "schema_registry": {"url": self._registry},
            "airship": {
                "base_url": self._endpoint.split("/api/")[0],
                "app_key": "bench-app-key-00000000",
                "auth": {"bearer_token": "bench"},
            },
            "routes": [{"topics": [self._topics[shape, size]], **route}],
            "admin": {"host": "127.0.0.1", "port": 0},
            "log": {"level": "warning"},
        }
        config = self._directory / f"run-{self._runs}.yaml"
        config.write_text(yaml.safe_dump(settings))
        log = self._directory / f"run-{self._runs}.log"
        started = time.monotonic()
        with log.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "connector", "run", "--stop-at-end", "-c", str(config)], stdout=out, stderr=out
            )
            used, rss_max_mb = _until_end(child)
        if child.returncode != 0:
            raise RuntimeError(f"the connector ended with {child.returncode}: {log.read_text()[-2000:]}")
        return Measured(size, used.ru_utime + used.ru_stime, time.monotonic() - started, rss_max_mb)


def _pool(shape: str, now: datetime) -> Pool:
    match shape:
        case "event":
            return event_pool(now)
        case "order":
            return order_pool(now)
        case "order-avro":
            return avro_order_pool(now, _SCHEMA_ID)
        case _:
            raise AssertionError(shape)


def _until_end(child: subprocess.Popen[bytes]) -> tuple[resource.struct_rusage, float]:
    """What it used, and its peak RSS in MB as the kernel last told it: `ru_maxrss` would begin with this process's."""
    rss_max_mb = 0.0
    status = Path(f"/proc/{child.pid}/status")
    while True:
        told = status.read_text()
        if "VmHWM:" in told:
            rss_max_mb = int(told.split("VmHWM:")[1].split()[0]) / 1024
        ended, code, used = os.wait4(child.pid, os.WNOHANG)
        if ended:
            child.returncode = os.waitstatus_to_exitcode(code)
            return used, rss_max_mb
        time.sleep(0.02)


def table(costs: Mapping[str, Sequence[Cost]]) -> str:
    """Medians with (min to max); the ratio is that of the medians to the bare primitives."""
    bare = costs.get("bare primitives")
    base = statistics.median([cost.cpu_us for cost in bare]) if bare else None
    lines = ["| system | CPU us per event | x bare primitives | events/s | peak RSS MB |", "|---|---|---|---|---|"]
    for system, runs in costs.items():
        cpu = [cost.cpu_us for cost in runs]
        middle = statistics.median(cpu)
        ratio = f"{middle / base:.2f}" if base else ""
        rate = statistics.median([cost.events_per_second for cost in runs])
        rss = max(cost.rss_max_mb for cost in runs)
        lines.append(
            f"| {system} | {middle:.2f} ({min(cpu):.2f} to {max(cpu):.2f}) | {ratio} | {rate:,.0f} | {rss:.0f} |"
        )
    return "\n".join(lines)


def report(costs: Mapping[str, Sequence[Cost]], broker: str, endpoint: str) -> dict[str, Any]:
    return {
        "version": __version__,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "broker": broker.split(" at ", maxsplit=1)[0],
        "endpoint": endpoint.split(" at ", maxsplit=1)[0],
        "costs": {system: [vars(cost) for cost in runs] for system, runs in costs.items()},
    }


if __name__ == "__main__":
    main()
