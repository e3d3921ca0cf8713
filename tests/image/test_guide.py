"""docs/image.md: its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import docker  # type: ignore[import-untyped]
import pytest
import yaml

from connector.airship.sandbox import SandboxOptions, running_sandbox
from tests.image.containers import Containers
from tests.integration.events import records
from tests.support.broker import Broker
from tests.support.connector_process import settings_for
from tests.support.processes import free_port, wait_until
from tests.support.topics import Topics, produce

# the image first: where it cannot be had, no broker is started for it
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("image")]

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    text = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    return re.findall(r"^    ((?:make|docker) .*(?:\n {8}.*)*)", text, re.MULTILINE)


def test_every_variable_that_the_guide_names_is_one_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE)) | {"OSV_URL"}
    assert named == {"IMAGE", "PYTHON_IMAGE", "BUILD_IMAGE", "PIP_CONF", "CA_FILE", "BUILD_OPTIONS", "OSV_URL"}
    assert all(f"$({name})" in makefile for name in named)
    # those with registry.example are built with other names in the other tests
    built = [command for command in commands() if command.startswith("make")]
    assert all(re.match(r"make image( [A-Z_]+=\S+)*$", command) for command in built)
    assert len(built) == 3


def test_the_guides_containers_run_and_stop(
    broker: Broker, topics: Topics, tmp_path: Path, engine: docker.DockerClient, image: str, containers: Containers
) -> None:
    demo, run, check, stop = [command for command in commands() if command.startswith("docker")]
    topic, dead, port = topics.create("events", 1), topics.create("dead", 1), free_port()
    name = f"airship-connector-{topics.unique_name('guide')}"
    with running_sandbox(SandboxOptions(tokens=("of-the-shell",))) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("g"),
            sandbox.base_url,
            [{"topics": [topic], "format": "json"}],
            dead,
        )
        settings["admin"] = {"port": port}
        (tmp_path / "connector.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        (tmp_path / "connector.yaml").chmod(0o644)

        def shell(command: str) -> subprocess.CompletedProcess[str]:
            """With this test's names, and on this machine's network, where broker and sandbox are."""
            named = re.sub(r"\bairship-connector( demo| check|$)", rf"{image}\1", command)
            named = named.replace("--name airship-connector", f"--name {name}").replace(
                "--publish 127.0.0.1:8080:8080", "--network host"
            )
            named = named.replace("docker run --rm --read-only", "docker run --rm --network host --read-only")
            environment = {**os.environ, "CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN": "of-the-shell"}
            return subprocess.run(
                ["sh", "-euc", named],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )

        shown = shell(demo)
        assert shown.returncode == 0, shown.stderr
        assert "the sums agree" in " ".join(shown.stdout.split())

        if broker.has_admin:
            checked = shell(check)
            assert checked.returncode == 0, checked.stdout + checked.stderr

        produce(broker.bootstrap_servers, topic, records(500))
        started = shell(run)
        assert started.returncode == 0, started.stderr
        containers.adopt(name)
        wait_until(lambda: sandbox.summary().accepted >= 500, 60, "the events arrive")
        stopped = shell(stop.replace("airship-connector", name))
        assert stopped.returncode == 0, stopped.stderr
        wait_until(lambda: not engine.containers.list(all=True, filters={"name": name}), 20, "it is removed")
