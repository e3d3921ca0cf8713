"""Members of one group: each takes its share of the rate, and a static one comes back without a rebalance."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.airship.sandbox import LatencyFault, RunningSandbox, SandboxOptions, running_sandbox
from tests.integration.events import inversions, numbers, records, repeated
from tests.integration.test_delivery import all_committed
from tests.support.broker import Broker
from tests.support.brokers import require, start_broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Topics, produce, read_to_end

COUNT = 12_000
SESSION_MS = 25_000
REPEATED_BY_A_KILL = 16 * 100 + 16 * 100 * (100 + 100) // 50
"""In flight, and settled since the last commit: 50 ms a request, a commit each 100 ms, and one under way."""
_REBALANCES = re.compile(r"^connector_rebalances_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
_DELIVERED = re.compile(r'^connector_records_settled_total\{[^}]*"delivered"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


def counted(connector: Connector, what: re.Pattern[str]) -> int:
    return int(sum(float(value) for value in what.findall(connector.get("/metrics")[1])))


def partitions_of(connector: Connector) -> set[int]:
    status, page = connector.get("/status.json")
    told = json.loads(page) if status == 200 else {}
    return {state["partition"] for state in told.get("partitions", [])}


def wait_to_hold(connector: Connector, partitions: int) -> set[int]:
    wait_until(lambda: len(partitions_of(connector)) == partitions, 40.0, f"{partitions} partitions", connector.process)
    return partitions_of(connector)


class Group:
    """A topic and settings for its members."""

    def __init__(self, broker: Broker, topics: Topics, sandbox: RunningSandbox, partitions: int, where: Path) -> None:
        self.broker, self.sandbox, self._where = broker, sandbox, where
        self.topic, self.dead = topics.create("events", partitions), topics.create("dead", 1)
        self.settings: dict[str, Any] = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [self.topic], "format": "json"}],
            self.dead,
        )

    def member(self, name: str, **kafka: Any) -> Connector:
        return Connector(self._where, {**self.settings, "kafka": {**self.settings["kafka"], **kafka}}, name=name)

    def expect_everything(self, repeated_max: int, last: Connector) -> None:
        def accepted() -> bool:
            return len({event.event["body"]["properties"]["number"] for event in self.sandbox.events()}) == COUNT

        wait_until(accepted, 90.0, "everything to arrive", last.process)
        group = self.settings["kafka"]["group_id"]
        wait_until(lambda: all_committed(self.broker, group, self.topic), 30, "everything to be committed")
        arrived = numbers(self.sandbox.events())
        assert sorted(set(arrived)) == list(range(COUNT))
        assert repeated(arrived) <= repeated_max
        assert read_to_end(self.broker.bootstrap_servers, self.dead) == []


@contextmanager
def grouped(broker: Broker, topics: Topics, partitions: int, where: Path) -> Iterator[Group]:
    with running_sandbox(SandboxOptions(keep=4 * COUNT)) as sandbox:
        yield Group(broker, topics, sandbox, partitions, where)


@pytest.mark.broker_can("own_settings")
def test_members_share_the_rate_by_the_partitions_that_they_hold(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    rate, seconds = 300.0, 10.0
    with grouped(broker, topics, 3, tmp_path) as group:
        group.settings["delivery"] |= {"rate_limit": {"events_per_second": rate}, "batch": {"events_max": 20}}
        produce(broker.bootstrap_servers, group.topic, records(COUNT, users=3000))
        with group.member("first") as first:
            wait_to_hold(first, 3)
            with group.member("second") as second:
                members = [first, second]
                wait_until(
                    lambda: sorted(len(partitions_of(member)) for member in members) == [1, 2],
                    40.0,
                    "two partitions and one",
                    second.process,
                )
                time.sleep(2.0)  # a member learns its share once a second, and may still spend a second's worth
                held = [len(partitions_of(member)) for member in members]
                before = [(time.monotonic(), counted(member, _DELIVERED)) for member in members]
                time.sleep(seconds)
                after = [(counted(member, _DELIVERED), time.monotonic()) for member in members]
    for (started, then), (now, ended), partitions in zip(before, after, held, strict=True):
        share = rate * partitions / 3
        assert 0.6 < (now - then) / (share * (ended - started)) < 1.2, (before, after, held)


@pytest.fixture(scope="module")
def patient_broker() -> Iterator[Broker]:
    """With the new protocol the session is the broker's setting, and a process has to start again within it."""
    with start_broker({"group.consumer.session.timeout.ms": str(SESSION_MS)}) as running:
        require(running, "own_settings")
        yield running


def prepared(group: Group, protocol: str) -> None:
    if protocol == "consumer":
        del group.settings["kafka"]["session_timeout_ms"]
        group.settings["kafka"]["group_protocol"] = protocol
    else:
        group.settings["kafka"]["session_timeout_ms"] = SESSION_MS
    group.sandbox.set_fault(LatencyFault(seconds=0.05))
    produce(group.broker.bootstrap_servers, group.topic, records(COUNT, users=300))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_static_member_that_is_restarted_takes_its_partitions_over_and_nobody_else_notices(
    patient_broker: Broker, tmp_path: Path, protocol: str
) -> None:
    with grouped(patient_broker, Topics(patient_broker), 4, tmp_path) as group:
        prepared(group, protocol)
        with group.member("one", group_instance_id="one") as one:
            wait_to_hold(one, 4)
            with group.member("two", group_instance_id="two") as two:
                wait_to_hold(two, 2)
                held = wait_to_hold(one, 2)
                noticed = counted(two, _REBALANCES)
                one.process.terminate()
                one.expect_end(20)
                with group.member("one-again", group_instance_id="one") as again:
                    assert wait_to_hold(again, 2) == held
                    group.expect_everything(0, again)
                    assert counted(two, _REBALANCES) == noticed
                    assert inversions(group.sandbox.events()) == 0
                    two.process.terminate()
                    two.expect_end(20)
                    again.process.terminate()
                    again.expect_end(20)


def test_a_static_member_that_is_killed_comes_back_within_its_session_without_a_rebalance(
    patient_broker: Broker, tmp_path: Path
) -> None:
    with grouped(patient_broker, Topics(patient_broker), 4, tmp_path) as group:
        prepared(group, "classic")
        with group.member("one", group_instance_id="one") as one:
            wait_to_hold(one, 4)
            with group.member("two", group_instance_id="two") as two:
                wait_to_hold(two, 2)
                held = wait_to_hold(one, 2)
                noticed = counted(two, _REBALANCES)
                one.process.kill()
                with group.member("one-again", group_instance_id="one") as again:
                    assert wait_to_hold(again, 2) == held
                    group.expect_everything(REPEATED_BY_A_KILL, again)
                    assert counted(two, _REBALANCES) == noticed


def test_with_the_new_protocol_a_killed_static_member_is_refused_until_its_session_is_over(
    patient_broker: Broker, tmp_path: Path
) -> None:
    with grouped(patient_broker, Topics(patient_broker), 4, tmp_path) as group:
        prepared(group, "consumer")
        with group.member("one", group_instance_id="one") as one:
            wait_to_hold(one, 4)
            one.process.kill()
        with group.member("too-early", group_instance_id="one") as early:
            assert early.process.wait(30.0) == 1
            assert "instance" in early.process.log_text().lower()

        def holds() -> bool:
            with group.member("in-time", group_instance_id="one") as late:
                wait_until(
                    lambda: not late.process.is_running or bool(partitions_of(late)), 20.0, "an end or partitions"
                )
                if not late.process.is_running:
                    return False
                group.expect_everything(REPEATED_BY_A_KILL, late)
                return True

        wait_until(holds, 60.0, "the session of the killed one to be over")
