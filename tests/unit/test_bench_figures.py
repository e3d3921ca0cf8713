"""How the benchmarks come from what they measured to the figures that they show."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench import plot
from bench.callgrind import read_dump
from bench.children import run_child
from bench.cost import Compared, Cost, cost_table
from bench.dataset import Shape
from bench.orders import ORDER_ROUTE
from bench.recording import Spread, record
from bench.systems import REDPANDA_CONFIGURATIONS, SYSTEMS
from bench.wall import steady_rate
from bench.yardsticks.answers import Answer
from bench.yardsticks.bare_primitives import REQUESTS_MAX
from tests.support.processes import ChildFailedError


def cost(cpu_us: float) -> Cost:
    return Cost(cpu_us, 1000.0, 50.0)


COMPARED = Compared(
    {"bare": [cost(4.0), cost(8.0), cost(5.0)], "avro": [cost(8.0), cost(24.0), cost(10.0)]},
    {"redpanda": "not run: it is not here"},
)


def test_a_ratio_is_taken_within_its_repetition() -> None:
    ratio = COMPARED.ratio("avro")
    assert ratio is not None
    assert ratio.values == (2.0, 3.0, 2.0)
    assert ratio.text() == "2.00 (2.00 to 3.00)"
    assert Compared({"avro": [cost(1.0)]}, {}).ratio("avro") is None, "nothing to compare with"


def test_the_table_says_what_was_not_run_and_why() -> None:
    lines = cost_table(COMPARED).splitlines()
    assert "| connector, Avro mapped | 10.00 (8.00 to 24.00) | 2.00 (2.00 to 3.00) | 1,000 | 50 |" in lines
    assert any("Redpanda Connect" in line and "not run: it is not here" in line for line in lines)
    assert len(lines) == 2 + 3


def test_every_system_has_a_key_and_a_title_of_its_own() -> None:
    assert len({system.key for system in SYSTEMS}) == len({system.title for system in SYSTEMS}) == len(SYSTEMS)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_a_peers_configuration_is_there_for_each_shape_and_names_what_it_is_given(shape: str) -> None:
    """Whether it runs takes the program; that it is given what it names, and posts as the others do, can be seen."""
    text = (REDPANDA_CONFIGURATIONS / f"{shape}.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z_]+)\}", text))
    registry = {"REGISTRY"} if shape == "order-avro" else set()
    assert used == {"BOOTSTRAP_SERVERS", "TOPIC", "GROUP", "ENDPOINT", *registry}
    configuration = yaml.safe_load(text)
    assert configuration["input"]["redpanda"]["start_offset"] == "earliest"
    output = configuration["output"]["http_client"]
    assert (output["batching"]["count"], output["max_in_flight"]) == (100, REQUESTS_MAX)
    fields = ORDER_ROUTE["event"]["body"] if shape != "event" else {}
    assert [field for field in fields if f'"{field}":' not in text] == [], "fields of the route"


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "cost.png"
    plot.plot_costs(COMPARED, path)
    assert path.read_bytes().startswith(b"\x89PNG")


@given(rate=st.integers(100, 100_000), batch=st.integers(1, 100), count=st.integers(30, 400))
def test_a_steady_rate_is_found_whatever_the_ends_look_like(rate: int, batch: int, count: int) -> None:
    numbers = tuple(range(batch))
    times = [index * batch / rate for index in range(count)]
    late = [time + 5.0 for time in times]  # the start took five seconds
    late[-1] += 3.0  # and the last answer was long in coming
    answers = [Answer(int(time * 1e9), numbers) for time in late]
    assert steady_rate(answers) == pytest.approx(rate, rel=0.01)


def test_what_is_recorded_says_on_which_machine_and_with_what(tmp_path: Path) -> None:
    path = record("cost", COMPARED.figures(), {"broker": "a broker"}, tmp_path)
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["broker"] == "a broker"
    assert told["cores"] >= 1
    assert told["libraries"]["confluent-kafka"]
    assert told["times_bare"]["avro"] == [2.0, 3.0, 2.0]
    assert [file.name for file in tmp_path.iterdir()] == ["cost.json"], "no draft is left"


def test_of_one_figure_there_is_no_spread() -> None:
    assert Spread((1.234,)).text() == "1.23"


DUMP = """\
desc: Trigger: dump order and batch
fn=(12) _PyEval_EvalFrameDefault
1 20
cfn=(7) malloc
calls=5 0
1 300
fn=(9) PyList_New
cfn=(7)
calls=40 0
1 1000
cfn=(12)
calls=1000 0
1 5000
fn=(30) calloc
cob=(4)
cfn=(31) memset
calls=3 0
1 1
cfn=(30)
calls=2 0
totals: 123456
"""


def test_a_dump_of_callgrind_is_read() -> None:
    """A name is written once and stands for its number from then on, whoever calls it."""
    name, dump = read_dump(DUMP.splitlines(keepends=True))
    assert name == "order and batch"
    assert dump.instructions == 123_456
    assert dump.allocations == 5 + 40 + 2
    assert read_dump(["desc: Trigger: Program termination\n"])[0] is None


def python(code: str) -> list[str | Path]:
    return [sys.executable, "-c", code]


def test_what_a_child_used_is_its_own(tmp_path: Path) -> None:
    """CPU time, not time; memory of the program, not of the process that became it."""
    busy = "import time\nheld = bytearray(100_000_000)\nwhile time.process_time() < 0.5: pass\nprint('done', len(held))"
    used = run_child("busy", python(busy), tmp_path)
    assert 0.5 <= used.cpu_seconds < 2.0
    assert used.output == "done 100000000\n"
    assert 100 <= used.rss_max_mb < 200


def test_a_child_that_fails_fails_the_measurement(tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError, match="no such topic"):
        run_child("failing", python("raise SystemExit('no such topic')"), tmp_path)


def test_a_child_without_an_end_is_asked_to_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    waiting = "import pathlib, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    waiting += f"pathlib.Path({str(ready)!r}).touch()\nsignal.pause()"
    used = run_child("waiting", python(waiting), tmp_path, is_done=ready.exists)
    assert used.wall_seconds < 60
