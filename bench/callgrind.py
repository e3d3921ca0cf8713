"""Callgrind, asked from inside of the program that it watches for one dump after each step, and its dumps read.

The format: https://valgrind.org/docs/manual/cl-format.html
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_DUMP_SECONDS_MAX = 60.0
_ALLOCATORS = frozenset({"malloc", "calloc", "realloc"})
_CALLED = re.compile(r"cfn=\((\d+)\)(?: (.*))?")
_NAMED = re.compile(r"fn=\((\d+)\) (.*)")
_CALLS = re.compile(r"calls=(\d+) ")
_TRIGGER = re.compile(r"desc: Trigger: dump (.*)")
_TOTALS = re.compile(r"totals: (\d+)")


@dataclass(frozen=True, slots=True)
class Dump:
    """Since the dump before."""

    instructions: int
    allocations: int
    """Calls of the C library's allocator."""


def dump(name: str) -> None:
    """Writes what was counted since the last one, under this name, and begins anew."""
    command = ["callgrind_control", f"--dump={name}", str(os.getpid())]
    subprocess.run(command, check=True, capture_output=True, timeout=_DUMP_SECONDS_MAX)


def read_dumps(directory: Path) -> dict[str, Dump]:
    """By name; of several of one name the last."""
    found = {}
    for path in sorted(directory.glob("out.*"), key=lambda path: int(path.suffix[1:])):
        with path.open(encoding="utf-8", errors="replace") as lines:
            name, read = read_dump(lines)
        if name is not None:
            found[name] = read
    return found


def read_dump(lines: Iterable[str]) -> tuple[str | None, Dump]:
    """The name is None for what callgrind wrote unasked."""
    name, instructions, allocations = None, 0, 0
    names: dict[str, str] = {}  # a function's name is written once, its number from then on
    called = ""
    for line in lines:
        if match := _CALLED.match(line):
            called, named = match[1], match[2]
            if named:
                names[called] = named.strip()
        elif match := _NAMED.match(line):
            names[match[1]] = match[2].strip()
        elif match := _CALLS.match(line):
            if names.get(called) in _ALLOCATORS:
                allocations += int(match[1])
        elif match := _TOTALS.match(line):
            instructions = int(match[1])
        elif match := _TRIGGER.match(line):
            name = match[1].strip()
    return name, Dump(instructions, allocations)
