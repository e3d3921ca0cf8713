"""pytest's side of the real parts, in a run of its own on the mock cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(90)

ROOT = Path(__file__).resolve().parents[2]

INNER = """
import pytest
from confluent_kafka.admin import AdminClient
from tests.support.brokers import require

def answers(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}).list_topics(timeout=5).brokers

def test_kills(broker):
    broker.kill()

def test_finds_it_healed(broker):
    assert answers(broker)

def test_leaves_topics_on_a_dead_broker(broker, topics):
    topics.create("left")
    broker.kill()

def test_has_its_own(own_broker, broker):
    assert own_broker.bootstrap_servers != broker.bootstrap_servers
    assert answers(own_broker)

@pytest.mark.broker_can("restart")
def test_is_served():
    pass

@pytest.mark.broker_can("restart", "freeze")
def test_is_skipped_by_the_marker():
    raise AssertionError("must not run")

def test_is_skipped_by_the_call(broker):
    require(broker, "compaction")
    raise AssertionError("must not run")
"""


def run_pytest(directory: Path, tests: str, *arguments: str) -> str:
    (directory / "test_inner.py").write_text(tests)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -ra\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.plugin", *arguments, "test_inner.py"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_run_says_what_it_used_and_what_it_skipped(tmp_path: Path) -> None:
    said = run_pytest(tmp_path, INNER, "--broker", "mock")

    assert "5 passed, 2 skipped" in said
    used = r"librdkafka's mock cluster in this process at 127\.0\.0\.1:\d+"
    assert re.search(rf"^broker: {used}$", said, re.MULTILINE)
    assert re.search(rf"needs a broker that can do freeze; this run uses {used}", said)
    assert re.search(rf"needs a broker that can do compaction; this run uses {used}", said)


def test_a_run_that_asks_for_no_broker_starts_none(tmp_path: Path) -> None:
    assert "broker:" not in run_pytest(tmp_path, "def test_alone():\n    pass\n")
