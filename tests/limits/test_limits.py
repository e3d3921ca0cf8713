"""The short form of `make limits`: the same runs and limits, fewer events, seconds per phase."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.limits.plan import SHORT, Plan
from tests.limits.runs import Print, large_records, small_events
from tests.support.broker import Broker
from tests.support.topics import Topics

pytestmark = [pytest.mark.integration, pytest.mark.broker_can("admin", "retention")]

Run = Callable[[str, tuple[str, str], Plan, Path, Print], list[str]]


@pytest.mark.parametrize("run", [small_events, large_records])
def test_memory_pauses_and_polling_stay_within_their_limits(
    broker: Broker, topics: Topics, tmp_path: Path, run: Run
) -> None:
    names = (topics.unique_name(run.__name__.replace("_", "-")), topics.create("dead", 1))
    try:
        assert run(broker.bootstrap_servers, names, SHORT, tmp_path, print) == []
    finally:
        broker.delete_topic(names[0])
