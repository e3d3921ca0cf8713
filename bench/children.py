"""Runs one system as a process of its own and says what it used.

CPU is what the kernel accounts to the ended child, user and system time of all its threads. The peak of its memory is
the kernel's high-water mark of that very program: `ru_maxrss` would begin with what the process was before it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ChildFailedError, ChildProcess

RUN_SECONDS_MAX = 600.0
_LOOK_SECONDS = 0.02
_CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Used:
    """By one run, or by several that ran together."""

    cpu_seconds: float
    wall_seconds: float
    """From the start of the first process to the end of the last one."""
    rss_max_mb: float
    """Of the largest."""
    output: str


def run_child(
    name: str,
    command: Sequence[str | Path],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    is_done: Callable[[], bool] | None = None,
) -> Used:
    """`is_done` is for a program that does not end by itself: it is asked to end as soon as that is true."""
    return run_children(name, [command], directory, environment=environment, is_done=is_done)


def run_children(
    name: str,
    commands: Sequence[Sequence[str | Path]],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    when_started: Callable[[], None] | None = None,
    is_done: Callable[[], bool] | None = None,
) -> Used:
    """`when_started` is called once, while they run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    logs = [directory / f"{name}-{number}.log" for number in range(len(commands))]
    children = [
        ChildProcess(name, command, log_path=log, environment=environment, directory=_CHECKOUT)
        for command, log in zip(commands, logs, strict=True)
    ]
    peaks = dict.fromkeys(children, 0.0)
    try:
        if when_started is not None:
            when_started()
        while any(child.is_running for child in children):
            for child in children:
                peaks[child] = max(peaks[child], _rss_max_mb(child.pid))
            if is_done is not None and is_done():
                _end(children)
            if time.monotonic() - started > RUN_SECONDS_MAX:
                raise ChildFailedError(children[0].explain(f"still runs after {RUN_SECONDS_MAX:g} s"))
            time.sleep(_LOOK_SECONDS)
        wall_seconds = time.monotonic() - started
    finally:
        for child in children:
            child.stop()
    for child in children:
        if child.returncode != 0:
            raise ChildFailedError(child.explain("expected exit code 0"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    output = "".join(log.read_text(errors="replace") for log in logs)
    return Used(cpu_seconds, wall_seconds, max(peaks.values()), output)


def _end(children: Sequence[ChildProcess]) -> None:
    for child in children:
        child.stop(grace_seconds=30.0)


def _rss_max_mb(pid: int) -> float:
    """0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.split("VmHWM:")[1].split()[0]) / 1000 if "VmHWM:" in status else 0.0
