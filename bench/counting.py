"""How much a piece of Python does, counted: bytecode instructions and calls into C. The same every time.

It needs nothing but the interpreter, so a test can hold a step to its count on any machine. What happens inside of a
call into C is not seen; `bench.steps` counts that too, where valgrind is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class Count:
    bytecodes: float
    c_calls: float


def count(function: Callable[[], object]) -> Count:
    bytecodes = c_calls = 0

    def within(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal bytecodes
        if event == "opcode":
            bytecodes += 1
        return within

    def entered(frame: FrameType, _event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return within

    def called(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal c_calls
        if event == "c_call":
            c_calls += 1

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(called)
    sys.settrace(entered)
    try:
        function()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return Count(bytecodes, c_calls)
