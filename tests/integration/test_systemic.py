"""Systemic trouble on a real broker: it stops what it has to, says why and how to go on, costs nothing, and heals."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from connector.airship.sandbox import RunningSandbox, SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from tests.integration.events import custom_event, numbers, records
from tests.integration.test_delivery import all_committed
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.mock_broker import MockBroker
from tests.support.processes import wait_until
from tests.support.topics import Record, Topics, produce, read_to_end

GUARD_SECONDS = 90.0
"""Thirty until the first sample, and that of a topic which has ended waits thirty more."""


def cpu_share(connector: Connector, seconds: float) -> float:
    """Of one core, user and system, over so long."""

    def used() -> float:
        fields = Path(f"/proc/{connector.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, started = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - started)


def waits_for(connector: Connector, reason: str) -> dict[str, Any]:
    """The trouble of that reason, as the status page tells it."""

    def found() -> dict[str, Any] | None:
        code, page = connector.get("/status.json")
        troubles = json.loads(page)["troubles"] if code == 200 else []
        return next((trouble for trouble in troubles if trouble["reason"] == reason), None)

    return wait_until(found, 30.0, f"the trouble {reason}", connector.process)


def wait_for(sandbox: RunningSandbox, accepted: int, seconds: float = 30.0) -> None:
    sandbox.wait_until(lambda summary: summary.accepted >= accepted, seconds)


def logged(connector: Connector, *words: str) -> bool:
    return any(all(word in line for word in words) for line in connector.process.log_text().splitlines())


def scene(
    broker: Broker, topics: Topics, sandbox: RunningSandbox, partitions: int = 1
) -> tuple[dict[str, Any], str, str]:
    """(settings, topic, dead-letter topic)."""
    topic, dead = topics.create("events", partitions), topics.create("dead", 1)
    routes = [{"topics": [topic], "format": "json"}]
    settings = settings_for(broker.bootstrap_servers, topics.unique_name("group"), sandbox.base_url, routes, dead)
    return settings, topic, dead


def test_floods_of_rejects_stop_consuming_say_how_to_go_on_and_heal_when_they_end(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    """Two members of their own groups at once: one meets undecodable messages in a row, one a share of refused ones."""
    with running_sandbox(SandboxOptions()) as sandbox, running_sandbox(SandboxOptions()) as other:
        in_row, row_topic, row_dead = scene(broker, topics, sandbox)
        in_row["dead_letters"] |= {"rejects_run_max": 300, "rejects_share_max": 0.5}
        by_share, share_topic, share_dead = scene(broker, topics, other)
        by_share["dead_letters"] |= {"rejects_run_max": 1_000_000, "rejects_share_max": 0.2}
        produce(broker.bootstrap_servers, row_topic, [Record(b"not json") for _ in range(330)])
        refused = [Record(custom_event(number, sandbox_refuse=number % 3 == 0)) for number in range(1500)]
        produce(broker.bootstrap_servers, share_topic, refused)
        with (
            Connector(tmp_path, in_row, name="in-row") as first,
            Connector(tmp_path, by_share, name="by-share") as second,
        ):
            for connector, reason in ((first, "rejects_run"), (second, "rejects_share")):
                told = waits_for(connector, reason)
                assert told["stops_delivery"]
                assert "messages were rejected, so consuming stopped" in told["detail"]
                for setting in ("dead_letters.rejects_share_max", "rejects_run_max"):
                    assert setting in told["mend"]
                assert "dlq list" in told["mend"]
                assert logged(connector, "delivery waits", "rejected, so consuming stopped")
                assert connector.get("/readyz")[0] == 503
                assert connector.get("/livez")[0] == 200
            produce(broker.bootstrap_servers, row_topic, records(500))
            produce(broker.bootstrap_servers, share_topic, records(500, start=1500))
            assert cpu_share(first, 3.0) < 0.3
            written = len(read_to_end(broker.bootstrap_servers, row_dead))
            for connector, accepts, count in ((first, sandbox, 500), (second, other, 1500)):
                wait_for(accepts, count, GUARD_SECONDS)
                connector.wait_ready()
                connector.process.terminate()
                connector.expect_end()
        arrived = numbers(sandbox.events())
    assert written < 330
    assert len(read_to_end(broker.bootstrap_servers, row_dead)) == 330
    assert len(read_to_end(broker.bootstrap_servers, share_dead)) == 500
    assert sorted(arrived) == list(range(500))
    assert all_committed(broker, in_row["kafka"]["group_id"], row_topic)
    assert all_committed(broker, by_share["kafka"]["group_id"], share_topic)


def test_every_block_and_the_breaker_say_why_cost_no_core_reject_nothing_and_heal(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    states = [(403, "forbidden"), (404, "wrong_address"), (302, "wrong_address"), (418, "unexpected_answer"), (503, "")]
    with running_sandbox(SandboxOptions()) as sandbox:
        settings, topic, dead = scene(broker, topics, sandbox, partitions=4)
        with Connector(tmp_path, settings) as connector:
            connector.wait_ready()
            for turn, (status, reason) in enumerate(states, start=1):
                fault = sandbox.set_fault(StatusFault(status=status, body="text"))
                produce(broker.bootstrap_servers, topic, records(2000, start=2000 * (turn - 1)))
                if reason:
                    assert str(status) in waits_for(connector, reason)["detail"]
                    connector.wait_not_ready(reason)
                else:
                    wait_until(
                        lambda: connector.status()["breaker"]["state"] == "open",
                        30.0,
                        "the breaker to open",
                        connector.process,
                    )
                    assert "503" in connector.status()["breaker"]["reason"]
                if turn in {1, len(states)}:
                    assert cpu_share(connector, 2.0) < 0.3
                sandbox.clear_faults(fault)
                wait_for(sandbox, 2000 * turn)
                connector.wait_ready()
                assert connector.status()["troubles"] == []
            connector.process.terminate()
            connector.expect_end()
        assert sorted(numbers(sandbox.events())) == list(range(2000 * len(states)))
    assert read_to_end(broker.bootstrap_servers, dead) == []
    assert all_committed(broker, settings["kafka"]["group_id"], topic)


@pytest.mark.broker_can("compaction")
def test_a_dead_letter_topic_that_refuses_holds_its_partition_alone_says_so_and_heals(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    with running_sandbox(SandboxOptions()) as sandbox:
        settings, topic, dead = scene(broker, topics, sandbox, partitions=2)
        with Connector(tmp_path, settings) as connector:
            connector.wait_ready()
            set_topic(broker, dead, "cleanup.policy", "compact")  # which takes no record without a key
            produce(broker.bootstrap_servers, topic, one_bad_among(200))
            assert "INVALID_RECORD" in held_back(connector, sandbox)["detail"]
            set_topic(broker, dead, "cleanup.policy", "delete")
            heals(connector, broker, settings, topic)
        assert sorted(numbers(sandbox.events())) == list(range(200))
    assert len(read_to_end(broker.bootstrap_servers, dead)) == 1


def test_a_dead_letter_topic_without_a_leader_is_told_although_the_client_is_silent_and_heals(tmp_path: Path) -> None:
    with MockBroker() as broker, running_sandbox(SandboxOptions()) as sandbox:
        topics = Topics(broker)
        settings, topic, dead = scene(broker, topics, sandbox, partitions=2)
        with Connector(tmp_path, settings) as connector:
            connector.wait_ready()
            broker.faults.set_leader(dead, 0, -1)
            produce(broker.bootstrap_servers, topic, one_bad_among(200))
            assert "acknowledges no letter" in held_back(connector, sandbox)["detail"]
            broker.faults.set_leader(dead, 0, 1)
            heals(connector, broker, settings, topic)
        assert sorted(numbers(sandbox.events())) == list(range(200))
        assert len(read_to_end(broker.bootstrap_servers, dead)) == 1


def one_bad_among(count: int) -> list[Record]:
    made = [Record(custom_event(number), partition=number % 2) for number in range(count)]
    made.insert(20, Record(b"not json", partition=0))
    return made


def held_back(connector: Connector, sandbox: RunningSandbox) -> dict[str, Any]:
    """All that is good arrives; the trouble that is told, and that it costs no core."""
    wait_for(sandbox, 200)
    told = waits_for(connector, "dead_letters_not_writable")
    assert "dead-letter topic cannot be written" in told["title"]
    assert cpu_share(connector, 3.0) < 0.3
    return told


def heals(connector: Connector, broker: Broker, settings: dict[str, Any], topic: str) -> None:
    wait_until(lambda: all_committed(broker, settings["kafka"]["group_id"], topic), 60.0, "everything to be committed")
    connector.wait_ready()
    connector.process.terminate()
    connector.expect_end()


def set_topic(broker: Broker, topic: str, name: str, value: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result(15)
