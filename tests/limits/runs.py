"""The two runs: a backlog of small events through an endpoint in three states, and large records without a schema.

Each gives what was found wrong as texts; none means that every limit held.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.limits import plan as limits
from tests.limits.feed import LARGE_ROUTE, LARGE_SCHEMA, PARTITIONS, SCHEMA_ID, feed_large, feed_small
from tests.limits.plan import Plan
from tests.limits.watch import Phase, Watch
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import ChildProcess, free_port, wait_until
from tests.support.registry_stub import Fault, registry_stub
from tests.support.topics import committed, end_offsets

_CHECKOUT = Path(__file__).resolve().parents[2]
_SLOW_MS = 2000
Print = Callable[[str], None]


@contextmanager
def endpoint(port: int, delay_ms: int, directory: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.yardsticks.stand_in", "--port", str(port), "--delay-ms", str(delay_ms)]
    with ChildProcess("endpoint", command, log_path=directory / "endpoint.log", directory=_CHECKOUT) as child:
        wait_until(lambda: child.listens_on(port), 20.0, "the endpoint to listen", child)
        yield


def small_events(bootstrap_servers: str, topics: tuple[str, str], plan: Plan, where: Path, say: Print) -> list[str]:
    """A backlog against an endpoint that is away, then slow, then healthy. `topics`: of the events, of dead letters."""
    topic, dead = topics
    feed_small(bootstrap_servers, topic, plan.events)
    say(f"{plan.events} events of about 300 bytes are in {topic}")
    port = free_port()
    settings = _settings(bootstrap_servers, topic, port, {"topics": [topic], "format": "json"}, dead)
    phases: list[Phase] = []
    with Connector(where, settings, "--stop-at-end") as connector:
        wait_until(lambda: connector.get("/readyz")[0] != 0, 30.0, "the admin pages", connector.process)
        watch = Watch(connector)

        def see(name: str, until: Callable[[Any, float], bool], seconds_max: float) -> None:
            phases.append(watch.phase(name, until, seconds_max))
            say(phases[-1].line())

        see("start", lambda status, _: bool(status["partitions"]), 30.0)
        see("stopped", lambda _, seconds: seconds >= plan.stopped_seconds, plan.stopped_seconds)
        with endpoint(port, _SLOW_MS, where):
            see("slow", lambda _, seconds: seconds >= plan.slow_seconds, plan.slow_seconds)
        with endpoint(port, 0, where):
            see("healthy", lambda _status, _seconds: False, plan.drain_seconds_max)
            faults = _end(connector)
    faults += _not_committed(bootstrap_servers, topic)
    return faults + _broken(phases, watch, limits.RSS_MAX_SMALL_MB)


def large_records(bootstrap_servers: str, topics: tuple[str, str], plan: Plan, where: Path, say: Print) -> list[str]:
    """Records of 50 KB whose schema cannot be had for a while, then a slow endpoint, then a healthy one."""
    topic, dead = topics
    feed_large(bootstrap_servers, topic, plan.large_records)
    say(f"{plan.large_records} records of about 50 KB are in {topic}")
    port = free_port()
    settings = _settings(bootstrap_servers, topic, port, {"topics": [topic], **LARGE_ROUTE}, dead)
    known = {str(SCHEMA_ID): {"schema": json.dumps(LARGE_SCHEMA)}}
    phases: list[Phase] = []
    with registry_stub(schemas=known, fault=Fault(503)) as registry:
        settings["schema_registry"] = {"url": registry.url, "timeout_ms": 500}
        with Connector(where, settings, "--stop-at-end") as connector:
            wait_until(lambda: connector.get("/readyz")[0] != 0, 30.0, "the admin pages", connector.process)
            watch = Watch(connector)
            phases.append(watch.phase("held", lambda _, seconds: seconds >= plan.stopped_seconds, plan.stopped_seconds))
            say(phases[-1].line())
            registry.fault = None
            with endpoint(port, _SLOW_MS, where):
                done = plan.slow_seconds
                phases.append(watch.phase("slow", lambda _, seconds: seconds >= done, done))
                say(phases[-1].line())
            with endpoint(port, 0, where):
                phases.append(watch.phase("healthy", lambda _status, _seconds: False, plan.drain_seconds_max))
                say(phases[-1].line())
                faults = _end(connector)
    faults += _not_committed(bootstrap_servers, topic)
    return faults + _broken(phases, watch, limits.RSS_MAX_MB)


def _settings(bootstrap_servers: str, topic: str, port: int, route: dict[str, Any], dead: str) -> dict[str, Any]:
    settings = settings_for(bootstrap_servers, f"{topic}-group", f"http://127.0.0.1:{port}", [route], dead)
    settings["kafka"]["max_poll_interval_ms"] = limits.MAX_POLL_INTERVAL_MS
    settings["log"] = {"format": "json", "level": "error"}
    return settings


def _end(connector: Connector) -> list[str]:
    if connector.process.is_running:
        return ["it has not reached the end of its topic in time"]
    code = connector.process.wait(1.0)
    return [] if code == 0 else [connector.process.explain(f"ended with {code}")]


def _not_committed(bootstrap_servers: str, topic: str) -> list[str]:
    done = committed(bootstrap_servers, f"{topic}-group", topic)
    ends = end_offsets(bootstrap_servers, topic)
    left = {number: end for number, end in ends.items() if end and (number not in done or done[number].offset != end)}
    return [f"not committed to the end: {left}"] if left else []


def _broken(phases: list[Phase], watch: Watch, rss_max_mb: int) -> list[str]:
    """What was above its limit."""
    faults = []
    for phase in phases:
        if phase.rss_max_mb > rss_max_mb:
            faults.append(f"{phase.name}: RSS {phase.rss_max_mb:.0f} MB, the limit is {rss_max_mb} MB")
        pauses_max = limits.PAUSES_FREE + PARTITIONS * limits.PAUSES_PER_MINUTE_MAX * phase.seconds / 60.0
        if phase.pauses > pauses_max:
            faults.append(
                f"{phase.name}: {phase.pauses} pauses in {phase.seconds:.0f} s, the limit is {pauses_max:.0f}"
            )
        if phase.window_bytes_max > watch.window_bytes_limit * (1 + limits.WINDOW_EXCESS):
            faults.append(f"{phase.name}: {phase.window_bytes_max} bytes in the window of {watch.window_bytes_limit}")
        silence = limits.MAX_POLL_INTERVAL_MS / 1000
        if phase.longest_silence_seconds > silence:
            faults.append(f"{phase.name}: the loop said nothing for {phase.longest_silence_seconds:.1f} s")
    if sum(phase.rebalances for phase in phases) > 1:
        faults.append(f"{sum(phase.rebalances for phase in phases)} rebalances, expected the first assignment alone")
    return faults
