"""What the tests lean on: children that cannot outlive a run, directories that are removed, waits that end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import directories
from tests.support.directories import data_directory, exclusive, made_atomically
from tests.support.java import find_java
from tests.support.parts import PartUnavailableError
from tests.support.processes import ChildFailedError, ChildProcess, free_port, listens, wait_until

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]


def is_gone(pid: int) -> bool:
    """A zombie that waits for somebody to collect it has ended, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def started(child: ChildProcess) -> ChildProcess:
    wait_until(lambda: "ready" in child.log_text(), 20, "it is ready", child)
    return child


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    with ChildProcess("sleeper", SLEEPER, log_path=tmp_path / "log") as child:
        started(child)
        assert child.is_running
    assert child.returncode == -signal.SIGTERM
    assert is_gone(child.pid)


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    deaf = [*SLEEPER[:2], "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER[2]]
    child = started(ChildProcess("deaf", deaf, log_path=tmp_path / "log"))
    assert child.stop(grace_seconds=0.2) == -signal.SIGKILL


def test_a_frozen_child_stands_still_and_can_be_stopped(tmp_path: Path) -> None:
    child = started(ChildProcess("sleeper", SLEEPER, log_path=tmp_path / "log"))
    child.freeze()
    wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "T", 5, "it is stopped")
    assert child.stop() == -signal.SIGTERM


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import signal
from contextlib import suppress
from pathlib import Path
from tests.support.processes import ChildProcess
child = ChildProcess("sleeper", {SLEEPER!r}, log_path=Path({str(tmp_path / "child.log")!r}))
Path({str(tmp_path / "pid.draft")!r}).write_text(str(child.pid))
Path({str(tmp_path / "pid.draft")!r}).rename({str(tmp_path / "pid")!r})
signal.pause()
"""
    environment = {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    parent = ChildProcess("parent", command, log_path=tmp_path / "log", environment=environment)
    try:
        wait_until((tmp_path / "pid").exists, 20, "the child runs", parent)
        pid = int((tmp_path / "pid").read_text())
        assert not is_gone(pid)
    finally:
        parent.kill()
    wait_until(lambda: is_gone(pid), 10, "the child is gone")


def test_a_child_is_refused_to_a_thread_that_may_end_before_it(tmp_path: Path) -> None:
    found: list[str] = []

    def start() -> None:
        try:
            ChildProcess("sleeper", SLEEPER, log_path=tmp_path / "log")
        except RuntimeError as error:
            found.append(str(error))

    thread = threading.Thread(target=start, name="short")
    thread.start()
    thread.join(10)
    assert found == ["sleeper must be started from the main thread, found short"]


def test_a_program_that_is_not_there_is_explained(tmp_path: Path) -> None:
    child = ChildProcess("nothing", [tmp_path / "missing"], log_path=tmp_path / "log")
    with pytest.raises(ChildFailedError, match=r"nothing: ended before it works \(it ended with 1\)[\s\S]*cannot run"):
        wait_until(lambda: False, 20, "it works", child)


def test_a_wait_ends_at_its_deadline() -> None:
    with pytest.raises(ChildFailedError, match=r"not within 0\.05 s: the sky falls"):
        wait_until(lambda: None, 0.05, "the sky falls")
    assert wait_until(lambda: 0, 0.05, "zero counts") == 0


def test_a_free_port_cannot_be_given_to_a_client_that_reconnects() -> None:
    port = free_port()
    assert not listens(port)
    low, high = (int(bound) for bound in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not low <= port <= high


def test_only_the_child_itself_counts_as_listening(tmp_path: Path) -> None:
    program = "import socket, time; s = socket.create_server(('', {})); print('ready', flush=True); time.sleep(600)"
    port, other = free_port(), free_port()
    with socket.create_server(("127.0.0.1", other)):
        command = [sys.executable, "-c", program.format(port)]
        with started(ChildProcess("server", command, log_path=tmp_path / "log")) as child:
            assert child.listens_on(port)
            assert listens(other)
            assert not child.listens_on(other)
        assert not child.listens_on(port)


def test_a_data_directory_goes_with_its_block() -> None:
    with data_directory("test") as path:
        (path / "deep").mkdir()
        (path / "deep" / "file").write_text("x")
    assert not path.exists()


def test_a_data_directory_of_a_killed_run_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program = """
import signal
from tests.support.directories import data_directory
with data_directory("dead"):
    print("ready", flush=True)
    signal.pause()
"""
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    command = [sys.executable, "-c", program]
    with started(ChildProcess("owner", command, log_path=tmp_path / "log", environment=environment)) as owner:
        [left] = temporary.iterdir()
        with data_directory("second"):
            assert left.exists(), "its owner lives"
        owner.kill()
    with data_directory("third"):
        assert not left.exists()


def test_a_directory_without_an_owner_is_left_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    young, old = tmp_path / "airship-connector-a", tmp_path / "airship-connector-b"
    young.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    with data_directory("test"):
        assert (young.exists(), old.exists()) == (True, False)


def test_what_is_half_made_does_not_appear(tmp_path: Path) -> None:
    with suppress(KeyError), made_atomically(tmp_path / "cache") as draft:
        (draft / "half").write_text("x")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".cache.draft-of-a-killed-run").mkdir()
    with made_atomically(tmp_path / "cache") as draft:
        (draft / "whole").write_text("x")
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "whole"]


def test_only_one_run_makes_a_thing_at_a_time(tmp_path: Path) -> None:
    first, second = exclusive(tmp_path / "thing", 1), exclusive(tmp_path / "thing", 0.0)
    with first, pytest.raises(PartUnavailableError, match="thing is being made by another run"):
        second.__enter__()
    with exclusive(tmp_path / "thing", 0.0):
        pass


def test_the_cache_moves_into_the_checkout_where_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(directories, "_CHECKOUT", tmp_path)
    assert directories.cache_directory() == tmp_path / ".cache" / "airship-connector"


def test_a_java_that_is_too_old_is_named() -> None:
    with pytest.raises(PartUnavailableError, match=r"Java 999 or newer is needed, found "):
        find_java(999)
