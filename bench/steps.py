"""What each step costs an event: microseconds, bytecodes, calls into C; with valgrind instructions and allocations too.

    python -m bench.steps           the table; records it with --record

Counts are the same every time (`tests/unit/test_step_counts.py` holds them); instructions, by callgrind, are
stable to a percent; microseconds are the least of many rounds and only show how the rest translates on this machine.
The cyclic collector is off while a step is measured.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

from bench import callgrind
from bench.counting import Count, count
from bench.dataset import Shape
from bench.recording import record, table
from bench.walk import EVENTS, Walk
from tests.support.directories import data_directory

Key: TypeAlias = str
"""Shape and step."""

ROUNDS = 15
COUNTED_EVENTS = 2_000
_VALGRIND_SECONDS_MAX = 1500.0
_CHECKOUT = Path(__file__).resolve().parents[1]
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """Of one event. None where valgrind is not on the PATH."""

    microseconds: float
    bytecodes: float
    c_calls: float
    instructions: float | None
    allocations: float | None


def key_of(shape: Shape, step: str) -> Key:
    """What a shape has for itself is its preparation; the other steps are the same for all."""
    return f"{step}: {shape}" if step == "prepare" else step


def counts() -> dict[Key, Count]:
    """Of one event."""
    found = {}
    for shape in get_args(Shape):
        _warm_up(shape)
        for step, call in Walk(shape, COUNTED_EVENTS).steps().items():
            whole = count(call)
            each = Count(whole.bytecodes / COUNTED_EVENTS, whole.c_calls / COUNTED_EVENTS)
            found[key_of(shape, step)] = each
    return found


def _warm_up(shape: Shape) -> None:
    """The first walk fills caches and lets the interpreter specialise its code."""
    for call in Walk(shape, COUNTED_EVENTS).steps().values():
        call()


def _microseconds() -> dict[Key, float]:
    best: dict[Key, float] = {}
    for shape in get_args(Shape):
        for _ in range(ROUNDS):
            for step, call in Walk(shape).steps().items():
                gc.collect()
                gc.disable()
                started = time.thread_time()
                call()
                seconds = time.thread_time() - started
                gc.enable()
                key = key_of(shape, step)
                best[key] = min(best.get(key, seconds), seconds)
    return {key: 1e6 * seconds / EVENTS for key, seconds in best.items()}


def walk_under_valgrind() -> None:
    """Runs inside of it: asks for one dump after each step."""
    for shape in get_args(Shape):
        _warm_up(shape)
        walk = Walk(shape)
        gc.collect()
        gc.disable()
        callgrind.dump("start")
        callgrind.dump(_NOTHING)  # what the dump itself costs
        for step, call in walk.steps().items():
            call()
            callgrind.dump(key_of(shape, step))
        gc.enable()


def _under_valgrind(environment: Mapping[str, str]) -> dict[str, callgrind.Dump] | None:
    if shutil.which("valgrind") is None:
        return None
    with data_directory("callgrind") as directory:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory / 'out'}"]
        command += [sys.executable, "-m", "bench.steps", "--under-valgrind"]
        everything = {**os.environ, "PYTHONHASHSEED": "0", **environment}
        subprocess.run(
            command, cwd=_CHECKOUT, env=everything, check=True, capture_output=True, timeout=_VALGRIND_SECONDS_MAX
        )
        return callgrind.read_dumps(directory)


def measure(*, with_valgrind: bool = True) -> dict[Key, Step]:
    counted, timed = counts(), _microseconds()
    plain = _under_valgrind({}) if with_valgrind else None
    # the interpreter's own allocator serves small objects without anybody seeing it
    allocating = _under_valgrind({"PYTHONMALLOC": "malloc"}) if with_valgrind else None

    def instructions(key: Key) -> float | None:
        return None if plain is None else (plain[key].instructions - plain[_NOTHING].instructions) / EVENTS

    def allocations(key: Key) -> float | None:
        return None if allocating is None else (allocating[key].allocations - allocating[_NOTHING].allocations) / EVENTS

    return {
        key: Step(
            microseconds=round(timed[key], 3),
            bytecodes=round(counted[key].bytecodes, 2),
            c_calls=round(counted[key].c_calls, 2),
            instructions=_rounded(instructions(key)),
            allocations=_rounded(allocations(key)),
        )
        for key in counted
    }


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 2)


def steps_table(steps: Mapping[Key, Step]) -> str:
    rows = [
        [
            key,
            f"{step.microseconds:.2f}",
            "" if step.instructions is None else f"{step.instructions:,.0f}",
            "" if step.allocations is None else f"{step.allocations:.1f}",
            f"{step.bytecodes:.1f}",
            f"{step.c_calls:.1f}",
        ]
        for key, step in steps.items()
    ]
    return table(["step, for one event", "us", "instructions", "allocations", "bytecodes", "calls into C"], rows)


def figures(steps: Mapping[Key, Step]) -> dict[str, Any]:
    return {"steps": {key: asdict(step) for key, step in steps.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write bench/results/steps.json")
    parser.add_argument("--under-valgrind", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.under_valgrind:
        walk_under_valgrind()
        return
    steps = measure()
    print(steps_table(steps))
    if arguments.record:
        record("steps", figures(steps), {})


if __name__ == "__main__":
    main()
