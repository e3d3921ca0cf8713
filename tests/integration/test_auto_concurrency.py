"""`requests_max: auto` against a sandbox that turns requests away, by the whole connector."""

from __future__ import annotations

from pathlib import Path

from connector.airship.sandbox import SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import ConcurrencyFault, LatencyFault
from tests.integration.events import numbers, records
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Topics, produce, read_to_end

LIKES = 12
EVENTS = 40_000


def test_it_finds_how_many_requests_the_endpoint_takes(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("events", 4), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, records(EVENTS, users=EVENTS))
    with running_sandbox(SandboxOptions()) as sandbox:
        sandbox.set_fault(LatencyFault(seconds=0.1))
        sandbox.set_fault(ConcurrencyFault(limit=LIKES))
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], "format": "json"}],
            dead,
        )
        settings["delivery"] |= {"requests_max": "auto", "batch": {"events_max": 10}}
        with Connector(tmp_path, settings) as connector:
            limits: list[int] = []

            def found() -> bool:
                limits.append(connector.status()["requests"]["max"])
                return len(limits) > 60 and all(0.7 * LIKES <= limit <= 1.5 * LIKES for limit in limits[-60:])

            connector.wait_ready()
            wait_until(found, 60, f"a number near {LIKES}", connector.process)
            sandbox.clear_faults()
            sandbox.wait_until(lambda summary: summary.accepted >= EVENTS, 120)
            connector.process.terminate()
            connector.expect_end()
        assert sorted(numbers(sandbox.events())) == list(range(EVENTS))
        turned_away = sandbox.summary().requests_by_status.get("429", 0)
        assert turned_away < 0.2 * sandbox.summary().requests
    assert read_to_end(broker.bootstrap_servers, dead) == []
