"""The image at work: events from a real broker to the sandbox, signals, the other commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.airship.sandbox import LatencyFault, SandboxOptions, running_sandbox
from tests.image.containers import Container, Containers
from tests.integration.events import numbers, records, repeated
from tests.support.broker import Broker
from tests.support.connector_process import answer_of, settings_for
from tests.support.processes import free_port, wait_until
from tests.support.topics import Topics, committed, end_offsets, produce

# the image first: where it cannot be had, no broker is started for it
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("image")]

CONFIG = "/etc/airship-connector/connector.yaml"
UID = 65532
# a third of max.poll.interval.ms, half the session time-out: here the latter, 3 s; and what closing takes
STOP_SECONDS = 8


class Job:
    """What one group carries from one topic; its containers come and go."""

    def __init__(self, broker: Broker, topics: Topics, folder: Path, containers: Containers, base_url: str) -> None:
        self.topic, self.group, self.port = topics.create("events", 4), topics.unique_name("group"), free_port()
        dead = topics.create("dead", 1)
        settings = settings_for(
            broker.bootstrap_servers, self.group, base_url, [{"topics": [self.topic], "format": "json"}], dead
        )
        settings["admin"] = {"host": "127.0.0.1", "port": self.port}
        self._file = folder / "connector.yaml"
        self._file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._file.chmod(0o644)
        self._servers = broker.bootstrap_servers
        self._containers = containers

    def options(self) -> dict[str, Any]:
        return {"mounts": {CONFIG: str(self._file)}, "environment": {"CONNECTOR_CONFIG": CONFIG}}

    def start(self) -> Container:
        """By the image's own command; returns when it is ready."""
        container = self._containers.start(**self.options())

        def ready() -> bool:
            assert container.is_running, container.output()
            return answer_of(self.port, "/readyz")[0] == 200

        wait_until(ready, 60, "the container to be ready")
        return container

    def produce(self, count: int, start: int = 0) -> None:
        produce(self._servers, self.topic, records(count, start=start))

    def is_committed(self) -> bool:
        done = committed(self._servers, self.group, self.topic)
        return all(
            end == 0 or (at in done and done[at].offset == end)
            for at, end in end_offsets(self._servers, self.topic).items()
        )


def test_it_delivers_as_an_unprivileged_user_with_nothing_to_write_to(
    broker: Broker, topics: Topics, tmp_path: Path, containers: Containers
) -> None:
    with running_sandbox(SandboxOptions()) as sandbox:
        job = Job(broker, topics, tmp_path, containers, sandbox.base_url)
        job.produce(3000)
        container = job.start()
        wait_until(lambda: sandbox.summary().accepted >= 3000, 60, "all events arrive")
        lines = Path(f"/proc/{container.pid}/status").read_text(encoding="utf-8").splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        assert status["Uid"].split() == [str(UID)] * 4
        assert status["Gid"].split() == [str(UID)] * 4
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        changed = container.changed_files()
        container.terminate()
        assert container.wait(STOP_SECONDS) == 0, container.output()
        arrived = numbers(sandbox.events())

    assert sorted(arrived) == list(range(3000))
    assert job.is_committed()
    assert [path for path in changed if path not in {"/etc", "/etc/airship-connector", CONFIG}] == []


def test_a_stop_in_the_middle_repeats_nothing(
    broker: Broker, topics: Topics, tmp_path: Path, containers: Containers
) -> None:
    with running_sandbox(SandboxOptions(faults=(LatencyFault(seconds=0.05),))) as sandbox:
        job = Job(broker, topics, tmp_path, containers, sandbox.base_url)
        job.produce(20_000)
        first = job.start()
        wait_until(lambda: sandbox.summary().accepted >= 2000, 60, "it is in the middle")
        first.terminate()
        assert first.wait(STOP_SECONDS) == 0, first.output()
        before = sandbox.summary().accepted
        second = job.start()
        wait_until(job.is_committed, 90, "the rest is committed")
        second.terminate()
        assert second.wait(STOP_SECONDS) == 0, second.output()
        arrived = numbers(sandbox.events())

    assert 2000 <= before < 20_000
    assert sorted(set(arrived)) == list(range(20_000))
    assert repeated(arrived) == 0
    assert json.loads(first.output().splitlines()[-1])["message"], "it logs a JSON object a line"


@pytest.mark.broker_can("admin")
def test_check_says_what_is_wrong(broker: Broker, topics: Topics, tmp_path: Path, containers: Containers) -> None:
    with running_sandbox(SandboxOptions()) as sandbox:
        job = Job(broker, topics, tmp_path, containers, sandbox.base_url)
        code, output = containers.run("check", **job.options())
        assert code == 0, output
        assert "fail" not in output
        options = job.options()
        options["environment"]["CONNECTOR__AIRSHIP__BASE_URL"] = f"http://127.0.0.1:{free_port()}"
        code, output = containers.run("check", "--timeout", "5", **options)
    assert code == 3, output
    assert [line for line in output.splitlines() if line.startswith("fail")]


def test_without_settings_it_says_so_and_ends_with_2(containers: Containers) -> None:
    code, output = containers.run(network="none")
    assert code == 2, output
    assert output.startswith("error: found no settings")


def test_the_demo_needs_a_temporary_directory_and_no_network(containers: Containers) -> None:
    code, output = containers.run("demo", "--orders", "2000", network="none", tmpfs=True)
    assert code == 0, output
    assert "the sums agree" in " ".join(output.split())

    code, output = containers.run("demo", network="none")
    assert code == 1
    assert output.startswith("error: found no directory for temporary files")


def test_the_sandbox_stops_on_request(containers: Containers) -> None:
    port = free_port()
    container = containers.start("sandbox", "--port", str(port))
    wait_until(lambda: answer_of(port, "/sandbox/summary")[0] == 200, 30, "the sandbox listens")
    container.terminate()
    assert container.wait(STOP_SECONDS) == 0
    assert "accepted 0 events" in container.output()


@pytest.mark.broker_can("admin")
def test_a_command_that_takes_no_signal_itself_is_ended_by_it(
    broker: Broker, topics: Topics, tmp_path: Path, containers: Containers
) -> None:
    """The kernel would keep a first process without a handler alive."""
    with running_sandbox(SandboxOptions(faults=(LatencyFault(seconds=120),))) as sandbox:
        job = Job(broker, topics, tmp_path, containers, sandbox.base_url)
        container = containers.start("check", "--timeout", "120", **job.options())
        wait_until(lambda: "schemas:" in container.output(), 60, "it waits for the endpoint")
        container.terminate()
        assert container.wait(STOP_SECONDS) == 128 + 15, container.output()
