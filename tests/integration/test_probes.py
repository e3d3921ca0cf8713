"""The probes of a container: ready says why not, live is the loop's heartbeat alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.airship.sandbox import LatencyFault, SandboxOptions, running_sandbox
from tests.integration.events import records
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Topics, produce


@pytest.mark.broker_can("admin")
def test_a_start_that_waits_is_alive_and_says_for_what(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("events", 1), topics.unique_name("dead")
    settings = settings_for(
        broker.bootstrap_servers, topics.unique_name("group"), "http://127.0.0.1:9", [{"topics": [topic]}], dead
    )
    settings["dead_letters"]["create"] = False
    with Connector(tmp_path, settings) as connector:
        connector.wait_not_ready(f"starting: the dead-letter topic {dead} is missing; create it: kafka-topics.sh")
        assert connector.get("/livez") == (200, "ok\n")
        assert connector.status()["headline"]["state"] == "starting"
        broker.create_topic(dead, 1)
        connector.wait_ready()
        assert connector.status()["troubles"] == [], "what it waited for is there"
    broker.delete_topic(dead)


def test_an_endpoint_that_stands_still_fails_no_probe_and_a_drain_is_not_ready_but_alive(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 1), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        sandbox.set_fault(LatencyFault(seconds=600))
        settings = settings_for(
            broker.bootstrap_servers, topics.unique_name("group"), sandbox.base_url, [{"topics": [topic]}], dead
        )
        with Connector(tmp_path, settings) as connector:
            produce(broker.bootstrap_servers, topic, records(500))
            sandbox.wait_until(lambda summary: summary.in_flight > 0, 60)
            assert connector.get("/livez") == (200, "ok\n")
            assert connector.get("/readyz") == (200, "ok\n")
            connector.process.terminate()
            connector.wait_not_ready("stopping")
            assert connector.get("/livez") == (200, "ok\n")
            wait_until(lambda: not connector.process.is_running, 15, "the end within the drain's deadline")
            connector.expect_end()
        sandbox.clear_faults()
