"""Lag, window and age are right while delivery is blocked and reading paused, when all is done, after a rebalance, and
after a broker came back; and nothing is shown of partitions that were given away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.airship.sandbox import SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from tests.integration.events import custom_event, records
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Record, Topics, produce

LAG = "connector_consumer_lag"


def gauge(connector: Connector, name: str) -> dict[str, float]:
    """Its series, by their labels."""
    lines = connector.get("/metrics")[1].splitlines()
    found = [re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", line) for line in lines]
    return {match[1] or "": float(match[2]) for match in found if match}


def total(connector: Connector, name: str) -> float:
    return sum(gauge(connector, name).values())


def expect(connector: Connector, what: str, holds: Callable[[], bool]) -> None:
    wait_until(holds, 60, what, connector.process)


def test_blocked_and_paused_then_idle(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, topics.unique_name("group"), sandbox.base_url, [{"topics": [topic]}], dead
        )
        settings["delivery"]["window"] = {"records_max": 1000}
        with Connector(tmp_path, settings) as connector:
            connector.wait_ready()
            blocked = sandbox.set_fault(StatusFault(status=403, body="text"))
            hours_ago_ms = int(time.time() * 1000) - 7_200_000
            old = Record(custom_event(0), partition=0, timestamp_ms=hours_ago_ms)
            produce(broker.bootstrap_servers, topic, [old])
            expect(connector, "the old one to be read", lambda: total(connector, "connector_window_records") == 1)
            produce(broker.bootstrap_servers, topic, records(3000))
            expect(connector, "the lag of all", lambda: total(connector, LAG) == 3001)
            expect(connector, "a pause", lambda: total(connector, "connector_partitions_paused") == 2)
            assert 500 <= total(connector, "connector_window_records") <= 1500
            age = total(connector, "connector_window_oldest_age_seconds")
            assert 7_200 <= age < 7_300
            shown = connector.status()["partitions"]
            assert sum(partition["lag"] for partition in shown) == 3001
            assert shown[0]["oldest_seconds"] == pytest.approx(age, abs=30)
            assert shown[1]["oldest_seconds"] < 60, "each partition has its own oldest"
            expect(connector, "it to grow", lambda: total(connector, "connector_window_oldest_age_seconds") > age + 1)

            sandbox.clear_faults(blocked)
            expect(connector, "no lag", lambda: total(connector, LAG) == 0)
            names = ("window_records", "window_bytes", "window_oldest_age_seconds", "partitions_paused")
            expect(
                connector, "nothing to wait", lambda: sum(total(connector, f"connector_{name}") for name in names) == 0
            )
            assert len(gauge(connector, LAG)) == 2, "an idle partition has a lag of 0, not none"


def test_partitions_that_were_given_away_are_shown_by_their_new_owner_alone(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 4), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, topics.unique_name("group"), sandbox.base_url, [{"topics": [topic]}], dead
        )
        with Connector(tmp_path, settings, name="first") as first:
            sandbox.set_fault(StatusFault(status=403, body="text"))
            produce(broker.bootstrap_servers, topic, records(1000))
            expect(first, "all of it", lambda: len(gauge(first, LAG)) == 4 and total(first, LAG) == 1000)
            with Connector(tmp_path, settings, name="second") as second:
                expect(first, "a rebalance", lambda: len(gauge(first, LAG)) == 2)
                expect(second, "its share", lambda: len(gauge(second, LAG)) == 2)
                assert not set(gauge(first, LAG)) & set(gauge(second, LAG))
                expect(
                    second,
                    "each record to be counted once",
                    lambda: total(first, LAG) + total(second, LAG) == 1000,
                )
                expect(
                    second,
                    "each to wait in one window",
                    lambda: sum(total(member, "connector_window_records") for member in (first, second)) == 1000,
                )
                assert len(first.status()["partitions"]) == 2


@pytest.mark.broker_can("restart")
def test_the_lag_goes_on_after_a_broker_came_back(own_broker: Broker, tmp_path: Path) -> None:
    topics = Topics(own_broker)
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(own_broker.bootstrap_servers, "group", sandbox.base_url, [{"topics": [topic]}], dead)
        with Connector(tmp_path, settings) as connector:
            expect(connector, "a lag of none", lambda: list(gauge(connector, LAG).values()) == [0, 0])
            own_broker.kill()
            connector.wait_not_ready("partitions_lost")
            assert gauge(connector, LAG) == {}
            assert connector.get("/livez")[0] == 200, "a broker that is away is no reason for a restart"
            headline = connector.status()["headline"]
            assert headline["text"] == "Not delivering: the group counts this member as gone"
            own_broker.start()
            connector.wait_ready()
            sandbox.set_fault(StatusFault(status=403, body="text"))
            produce(own_broker.bootstrap_servers, topic, records(500))
            expect(connector, "the lag of what came since", lambda: total(connector, LAG) == 500)
