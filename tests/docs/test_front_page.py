"""The five minutes of the README: its sandbox, its settings, its commands, on a real broker."""

from __future__ import annotations

import json
import re
import shlex
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks, spans, text_of
from tests.support.broker import Broker
from tests.support.connector_process import answer_of
from tests.support.processes import ChildProcess, free_port, wait_until
from tests.support.topics import Record, Topics, produce

README = ROOT / "README.md"
PROGRAM = Path(sys.executable).with_name("airship-connector")
ORDER = {"status": "paid", "customer": {"id": "hugh", "state": "OR"}, "total": 239.85}


def command(beginning: str) -> list[str]:
    [line] = re.findall(rf"^ {{4}}\.venv/bin/airship-connector ({beginning}\b.*)$", text_of(README), re.MULTILINE)
    return [str(PROGRAM), *shlex.split(line)]


@pytest.mark.integration
def test_from_kafka_to_the_sandbox(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """As it stands there, but for ports and names, which are this run's own."""
    topic, sandbox_port, admin_port = topics.create("orders", 1), free_port(), free_port()
    written = next(block.text for block in blocks(README) if block.text.startswith("kafka:"))
    own = {
        "localhost:9092": broker.bootstrap_servers,
        "http://127.0.0.1:9000": f"http://127.0.0.1:{sandbox_port}",
        "[orders]": f"[{topic}]",
    }
    for stands_there, here in own.items():
        assert stands_there in written
        written = written.replace(stands_there, here)
    settings: dict[str, Any] = yaml.safe_load(written)
    settings["kafka"]["group_id"] = topics.unique_name("group")
    settings["admin"] = {"host": "127.0.0.1", "port": admin_port}
    settings["dead_letters"] = {"topic": topics.create("dead", 1)}
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    occurred = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    paid = {**ORDER, "created_at": occurred}
    produce(
        broker.bootstrap_servers,
        topic,
        [Record(json.dumps(order).encode()) for order in (paid, {**paid, "status": "open"})],
    )
    sandbox = [word if word != "9000" else str(sandbox_port) for word in command("sandbox")]
    with ChildProcess("sandbox", sandbox, log_path=tmp_path / "sandbox.log") as stand_in:
        wait_until(lambda: answer_of(sandbox_port, "/sandbox/events")[0] == 200, 30, "the sandbox", stand_in)
        with ChildProcess("run", command("run"), log_path=tmp_path / "run.log", directory=tmp_path) as job:
            wait_until(lambda: answer_of(admin_port, "/readyz")[0] == 200, 60, "it delivers", job)
            wait_until(lambda: accepted(sandbox_port) != [], 30, "the event arrives", job)
            assert accepted(sandbox_port) == [
                {
                    "occurred": occurred,
                    "user": {"named_user_id": "hugh"},
                    "body": {"name": "purchased", "value": 239.85, "properties": {"state": "OR"}},
                }
            ]
            job.terminate()
            assert job.wait(30) == 0
    assert {"curl localhost:9000/sandbox/events", "curl localhost:8080/readyz"} <= set(spans(README))


def accepted(port: int) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/events", timeout=5) as answer:
        return [event["event"] for event in json.load(answer)["events"]]
