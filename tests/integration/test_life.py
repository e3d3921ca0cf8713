"""Both ends of a life on a real broker: signals, kills, members that come and go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.airship.sandbox import LatencyFault, RunningSandbox, SandboxOptions, running_sandbox
from tests.integration.events import inversions, numbers, records, repeated
from tests.integration.test_delivery import all_committed
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Record, Topics, committed, produce, read_to_end

COUNT = 20_000
IN_FLIGHT_MAX = 16 * 100  # requests at once, by events of one


class Scene:
    """A topic full of events, a sandbox that takes 50 ms for a request, and settings for members of one group."""

    def __init__(self, broker: Broker, topics: Topics, sandbox: RunningSandbox, events_each: int) -> None:
        self.broker = broker
        self.sandbox = sandbox
        self.topic, self.dead = topics.create("events", 6), topics.create("dead", 1)
        self.group = topics.unique_name("group")
        self.settings: dict[str, Any] = settings_for(
            broker.bootstrap_servers,
            self.group,
            sandbox.base_url,
            [{"topics": [self.topic], "format": "json"} | ({"for_each": "lines[]"} if events_each > 1 else {})],
            self.dead,
        )
        sandbox.set_fault(LatencyFault(seconds=0.05))
        events = records(COUNT, users=300)
        produce(broker.bootstrap_servers, self.topic, joined(events, events_each) if events_each > 1 else events)

    def wait_for(self, accepted: int) -> None:
        self.sandbox.wait_until(lambda summary: summary.accepted >= accepted, 60)

    def uncommitted_max(self) -> int:
        """Once a life has ended: what it can have sent and the group has not committed, so the next one sends again."""
        delivered = len(set(numbers(self.sandbox.events())))
        done = committed(self.broker.bootstrap_servers, self.group, self.topic)
        return delivered + IN_FLIGHT_MAX - sum(at.offset for at in done.values())

    def expect_everything(self, repeated_max: int) -> None:
        arrived = numbers(self.sandbox.events())
        assert sorted(set(arrived)) == list(range(COUNT))
        assert repeated(arrived) <= repeated_max
        wait_until(lambda: all_committed(self.broker, self.group, self.topic), 15, "everything to be committed")
        assert read_to_end(self.broker.bootstrap_servers, self.dead) == []


def joined(events: list[Record], each: int) -> list[Record]:
    """Messages of `each` events."""
    groups = [events[at : at + each] for at in range(0, len(events), each)]
    return [
        Record(b'{"lines":[%s]}' % b",".join(event.value or b"" for event in group), group[0].key) for group in groups
    ]


def expect_no_repetition_from_sigterms(scene: Scene, directory: Path) -> None:
    """Three lives that end in full flow, and one to the end of the topic."""
    for accepted in (2000, 6000, 10_000):
        with Connector(directory, scene.settings) as connector:
            scene.wait_for(accepted)
            connector.process.terminate()
            connector.expect_end(20)
    with Connector(directory, scene.settings, "--stop-at-end") as connector:
        connector.expect_end()
    scene.expect_everything(repeated_max=0)


@contextmanager
def opened(broker: Broker, topics: Topics, events_each: int = 1) -> Iterator[Scene]:
    with running_sandbox(SandboxOptions(keep=10 * COUNT)) as sandbox:
        yield Scene(broker, topics, sandbox, events_each)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_sigterm_in_full_flow_repeats_nothing(broker: Broker, topics: Topics, tmp_path: Path, protocol: str) -> None:
    with opened(broker, topics) as scene:
        scene.settings["kafka"]["group_protocol"] = protocol
        if protocol == "consumer":
            del scene.settings["kafka"]["session_timeout_ms"]
        expect_no_repetition_from_sigterms(scene, tmp_path)


def test_a_sigterm_repeats_no_part_of_a_message_with_several_events(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    with opened(broker, topics, events_each=7) as scene:
        expect_no_repetition_from_sigterms(scene, tmp_path)


def test_a_second_signal_stops_at_once_and_loses_nothing(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    with opened(broker, topics) as scene:
        slow = scene.sandbox.set_fault(LatencyFault(seconds=20, after_requests=20))
        with Connector(tmp_path, scene.settings) as connector:
            scene.wait_for(1000)
            connector.process.signal(signal.SIGINT)
            wait_until(lambda: "stopping" in connector.get("/readyz")[1], 10, "the drain to begin", connector.process)
            connector.process.signal(signal.SIGINT)
            connector.expect_end(15)
        uncommitted = scene.uncommitted_max()
        scene.sandbox.clear_faults(slow)
        with Connector(tmp_path, scene.settings, "--stop-at-end") as connector:
            connector.expect_end()
        scene.expect_everything(uncommitted)


def test_a_kill_loses_nothing_and_repeats_only_what_was_not_committed(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    with opened(broker, topics) as scene:
        uncommitted = 0
        for kill in range(4):
            with Connector(tmp_path, scene.settings) as connector:
                scene.wait_for((kill + 1) * 3000)
                connector.process.kill()
            uncommitted += scene.uncommitted_max()
        with Connector(tmp_path, scene.settings, "--stop-at-end") as connector:
            connector.expect_end(120)
        scene.expect_everything(uncommitted)


def test_what_is_settled_ahead_of_a_waiting_batch_is_not_sent_again_after_a_kill(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    from connector.airship.sandbox.fault_rules import StatusFault

    with opened(broker, topics) as scene:
        scene.settings["delivery"]["retry"] = {"initial_ms": 600_000, "max_ms": 600_000}
        scene.settings["delivery"]["ordering"] = "none"
        scene.sandbox.set_fault(StatusFault(status=503, next=1))  # one batch waits for minutes
        with Connector(tmp_path, scene.settings) as connector:
            scene.wait_for(COUNT - 100)

            def named() -> bool:
                done = committed(broker.bootstrap_servers, scene.group, scene.topic)
                return any(at.metadata for at in done.values())

            wait_until(named, 10, "a commit that names what is settled ahead", connector.process)
            before = scene.sandbox.summary().accepted
            # the last commit has to hold all of it: the next one has nothing new to say
            settled = committed(broker.bootstrap_servers, scene.group, scene.topic)
            wait_until(
                lambda: (
                    settled == committed(broker.bootstrap_servers, scene.group, scene.topic)
                    or bool(settled.update(committed(broker.bootstrap_servers, scene.group, scene.topic)))
                ),
                10,
                "the commits to stand still",
            )
            connector.process.kill()
        assert before < COUNT
        with Connector(tmp_path, scene.settings, "--stop-at-end") as connector:
            connector.expect_end(120)
        scene.expect_everything(repeated_max=500)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_that_join_and_leave_repeat_nothing(
    broker: Broker, topics: Topics, tmp_path: Path, protocol: str
) -> None:
    with opened(broker, topics) as scene:
        scene.settings["kafka"]["group_protocol"] = protocol
        if protocol == "consumer":
            del scene.settings["kafka"]["session_timeout_ms"]
        with Connector(tmp_path, scene.settings, name="first") as first:
            scene.wait_for(1000)
            with Connector(tmp_path, scene.settings, name="second") as second:
                second.wait_ready()
                wait_until(lambda: second.status()["partitions"], 30, "the second to hold partitions", second.process)
                scene.wait_for(8000)
                first.process.terminate()
                first.expect_end(20)
                scene.wait_for(COUNT)
                second.process.terminate()
                second.expect_end(20)
        arrived = scene.sandbox.events()
        scene.expect_everything(repeated_max=0)
        assert inversions(arrived) == 0
