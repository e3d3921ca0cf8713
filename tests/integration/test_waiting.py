"""Trouble that is nobody's reject: the connector waits, says why, and goes on by itself when it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastavro
import pytest

from connector.airship.sandbox import SandboxOptions, running_sandbox
from tests.integration.events import custom_event, numbers, records
from tests.integration.test_delivery import all_committed
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.registry_stub import Fault, registry_stub
from tests.support.topics import Record, Topics, committed, end_offsets, produce, read_to_end

SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}]}


def framed(number: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), {"n": number})
    return b"\x00\x00\x00\x00\x07" + out.getvalue()


def test_a_registry_that_is_down_delays_and_rejects_nothing(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("orders", 2), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, [Record(framed(number)) for number in range(300)])
    route = {
        "topics": [topic],
        "format": "avro",
        "event": {
            "user": {"named_user_id": "one"},
            "body": {"name": "bought", "properties": {"number": "${{ n }}"}},
        },
    }
    group = topics.unique_name("group")
    schemas = {"7": {"schema": json.dumps(SCHEMA)}}
    with running_sandbox(SandboxOptions()) as sandbox, registry_stub(schemas=schemas, fault=Fault(503)) as registry:
        settings = settings_for(broker.bootstrap_servers, group, sandbox.base_url, [route], dead)
        settings["schema_registry"] = {"url": registry.url, "timeout_ms": 500}
        with Connector(tmp_path, settings) as connector:
            connector.wait_not_ready("schema_registry")
            assert sandbox.summary().accepted == 0
            registry.fault = None
            sandbox.wait_until(lambda summary: summary.accepted >= 300, 30)
            connector.wait_ready()
            connector.process.terminate()
            connector.expect_end()
        assert sorted(numbers(sandbox.events())) == list(range(300))
    assert read_to_end(broker.bootstrap_servers, dead) == []
    assert all_committed(broker, group, topic)


def test_a_flood_of_rejects_stops_consuming_and_says_how_to_go_on(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 1), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, [Record(b"not json") for _ in range(10_000)])
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], "format": "json"}], dead
        )
        settings["dead_letters"]["rejects_run_max"] = 1000
        with Connector(tmp_path, settings) as connector:
            connector.wait_not_ready("rejects_run_max")
            assert connector.get("/livez")[0] == 200
            connector.process.terminate()
            connector.expect_end()
    letters = len(read_to_end(broker.bootstrap_servers, dead))
    assert letters <= 1000 + 500  # what was read when it tripped may be one read more
    done = committed(broker.bootstrap_servers, group, topic).get(0)
    assert done is None or done.offset <= letters


@pytest.mark.broker_can("restart")
def test_a_broker_that_is_killed_and_comes_back_costs_nothing(own_broker: Broker, tmp_path: Path) -> None:
    topics = Topics(own_broker)
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    group = topics.unique_name("group")
    produce(own_broker.bootstrap_servers, topic, records(3000))
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            own_broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], "format": "json"}], dead
        )
        with Connector(tmp_path, settings) as connector:
            sandbox.wait_until(lambda summary: summary.accepted >= 3000, 30)
            own_broker.restart()
            produce(own_broker.bootstrap_servers, topic, [Record(custom_event(number)) for number in range(3000, 3100)])
            sandbox.wait_until(lambda summary: summary.accepted >= 3100, 60)
            wait_until(
                lambda: (
                    sum(at.offset for at in committed(own_broker.bootstrap_servers, group, topic).values())
                    == sum(end_offsets(own_broker.bootstrap_servers, topic).values())
                ),
                30,
                "everything to be committed",
                connector.process,
            )
            connector.process.terminate()
            connector.expect_end()
        assert set(numbers(sandbox.events())) == set(range(3100))
