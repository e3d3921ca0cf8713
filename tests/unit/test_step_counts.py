"""No step costs an event half as much again as is recorded in `bench/results/steps.json`, without that being seen.

What is held is counted, not timed: bytecodes and calls into C (`bench/counting.py`), which are the same on every
machine. Newer interpreters need fewer bytecodes for the same, so the record of the oldest one holds for all.

A change that makes a step dearer on purpose, or much cheaper, records anew: `python -m bench.steps --record`.
"""

from __future__ import annotations

import json

import pytest

from bench.counting import Count, count
from bench.recording import RESULTS
from bench.steps import counts

TIMES_MAX = 1.3
LITTLE = 1.0
"""Of either, for one event: below that a step is cheap whatever it does."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Count]:
    steps = json.loads((RESULTS / "steps.json").read_text(encoding="utf-8"))["steps"]
    return {key: Count(step["bytecodes"], step["c_calls"]) for key, step in steps.items()}


@pytest.fixture(scope="module")
def counted() -> dict[str, Count]:
    return counts()


def dearer(found: Count, before: Count) -> list[str]:
    pairs = {
        "bytecodes": (found.bytecodes, before.bytecodes),
        "calls into C": (found.c_calls, before.c_calls),
    }
    return [
        f"{now:.1f} {what} for one event, {then:.1f} recorded"
        for what, (now, then) in pairs.items()
        if now > then * TIMES_MAX + LITTLE
    ]


def test_every_step_is_recorded(recorded: dict[str, Count], counted: dict[str, Count]) -> None:
    assert list(counted) == list(recorded)


def test_no_step_became_dearer(recorded: dict[str, Count], counted: dict[str, Count]) -> None:
    found = {key: faults for key, step in counted.items() if (faults := dearer(step, recorded[key]))}
    assert not found, "make it cheaper again, or record what it costs now: python -m bench.steps --record"


def test_a_step_that_costs_half_as_much_again_is_seen(recorded: dict[str, Count]) -> None:
    """`commit` is for a whole window, not for an event: next to nothing, and left out."""
    for key, step in recorded.items():
        if key != "commit":
            assert dearer(Count(step.bytecodes * 1.5, step.c_calls), step), key


def test_what_is_counted_is_the_same_every_time_and_all_of_it() -> None:
    def work() -> list[int]:
        return [number.bit_length() for number in range(100)]

    def twice() -> None:
        work()
        work()

    count(work)  # the interpreter specialises code that runs for the first time
    once = count(work)
    assert once == count(work)
    assert once.c_calls >= 100
    assert once.bytecodes > 300
    assert 1.9 < count(twice).bytecodes / once.bytecodes < 2.1
