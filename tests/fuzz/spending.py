"""What a call takes, told in ways that do not depend on the machine: memory at the peak, and steps of Python."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

from bench.counting import count

T = TypeVar("T")


def within_bytes(bytes_max: int, call: Callable[[], T]) -> T:
    """What `call` gives; fails when it holds more than `bytes_max` above what was there before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        given = call()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= bytes_max, f"{peak} bytes at the peak, expected at most {bytes_max}"
    return given


def within_steps(steps_max: int, call: Callable[[], object]) -> None:
    """Fails when `call` takes more than `steps_max` bytecodes and calls into C."""
    taken = count(call)
    steps = taken.bytecodes + taken.c_calls
    assert steps <= steps_max, f"{steps:.0f} steps, expected at most {steps_max}"
