"""Child processes of tests, chaos runs and benchmarks.

Owns their whole life: a child ends with the `with` block, with `stop()` or `kill()`, and also when this process is
killed, so that nothing is left behind to hold a port or a core. Every wait has a deadline.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

_BOUND_EXEC = Path(__file__).with_name("bound_exec.py")
_PORT_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TCP_LISTEN = "0A"
_POLL_SECONDS = 0.02
_REAP_SECONDS = 10.0

T = TypeVar("T")


class ChildFailedError(Exception):
    """A child ended, or did not become what was expected; says so with the end of its output."""


class ChildProcess:
    """One running child. Its output goes to `log_path`; `name` is what errors call it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        """`environment` is added to this process's own."""
        if threading.current_thread() is not threading.main_thread():
            # the kernel's "parent" is the thread: a child of a short thread would be killed with it
            raise RuntimeError(f"{name} must be started from the main thread, found {threading.current_thread().name}")
        self.name = name
        self.log_path = log_path
        wrapper = [sys.executable, "-I", "-S", str(_BOUND_EXEC), str(os.getpid())]
        with log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                [*wrapper, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        return self.returncode is None

    def wait(self, timeout_seconds: float) -> int:
        """The exit code. Raises `ChildFailedError` if it still runs at the deadline (and leaves it running)."""
        try:
            return self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise ChildFailedError(self.explain(f"still runs after {timeout_seconds:g} s")) from None

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait(_REAP_SECONDS)

    def stop(self, grace_seconds: float = 10.0) -> int:
        """SIGTERM, then SIGKILL when the grace is over. Returns the exit code; one that has ended is no error."""
        self.thaw()
        self.terminate()
        try:
            return self._popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.returncode

    def freeze(self) -> None:
        """SIGSTOP: the process stands still, its connections stay open."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)  # does nothing if the child has ended

    def listens_on(self, port: int) -> bool:
        """Whether this very process does. That somebody does proves nothing: another may have taken the port first."""
        if sys.platform != "linux":
            return self.is_running and listens(port)
        return bool(_listening_sockets(port) & _open_sockets(self.pid))

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    def explain(self, what: str, lines_max: int = 30) -> str:
        """`what` with the name, the exit code and the end of the output."""
        code = self.returncode
        state = "it runs" if code is None else f"it ended with {code}"
        tail = "\n".join(self.log_text().splitlines()[-lines_max:])
        return f"{self.name}: {what} ({state}); the end of its output:\n{tail or '(nothing)'}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until(
    probe: Callable[[], T | None], timeout_seconds: float, what: str, child: ChildProcess | None = None
) -> T:
    """The first result of `probe` that is neither None nor False. Raises `ChildFailedError` at the deadline, or at once
    when `child` has ended."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = probe()
        if found is not None and found is not False:
            return found
        if child is not None and not child.is_running:
            raise ChildFailedError(child.explain(f"ended before {what}"))
        if time.monotonic() >= deadline:
            message = f"not within {timeout_seconds:g} s: {what}"
            raise ChildFailedError(child.explain(message) if child else message)
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now; whoever takes it retries when another was quicker.

    It lies outside the range from which the kernel gives ports to outgoing connections. A port inside can be lost
    while its server is down for a moment: a client that tries to reconnect to it may even be given it, connect to
    itself, and keep the server from coming back.
    """
    low, high = _ephemeral_range()
    candidates: list[int] = [*range(10_000, low), *range(high + 1, 65_536)]
    for port in random.sample(candidates, min(len(candidates), 100)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        any_port: int = probe.getsockname()[1]
        return any_port


def _ephemeral_range() -> tuple[int, int]:
    try:
        low, high = _PORT_RANGE_FILE.read_text().split()
    except OSError:
        return 32_768, 65_535
    return int(low), int(high)


def _listening_sockets(port: int) -> set[str]:
    """The inodes of the sockets that listen on it, on any address."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                local_address, state, inode = fields[1], fields[3], fields[9]
                if state == _TCP_LISTEN and int(local_address.rpartition(":")[2], 16) == port:
                    found.add(inode)
    return found


def _open_sockets(pid: int) -> set[str]:
    found = set()
    with suppress(FileNotFoundError, PermissionError):  # it has ended
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
