"""The thread with the loop: answers to its owner, failures are never lost, it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from connector.http_thread import BLOCKING_THREADS_MAX, HttpThread

SECONDS_MAX = 10.0


@pytest.fixture
def http() -> Iterator[HttpThread]:
    thread = HttpThread()
    thread.start()
    yield thread
    thread.stop(SECONDS_MAX)


def fail() -> None:
    raise LookupError("a fault of the program")


def wait_for_failure(http: HttpThread) -> None:
    deadline = threading.Event()
    for _ in range(1000):
        if http.failed:
            return
        deadline.wait(SECONDS_MAX / 1000)
    pytest.fail("no failure was stored")


def test_call_gives_the_result_or_the_exception(http: HttpThread) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    async def fails() -> None:
        fail()

    assert http.call(name).result(SECONDS_MAX) == "http"
    with pytest.raises(LookupError):
        http.call(fails).result(SECONDS_MAX)
    http.raise_if_failed()  # the exception was the future's


def test_cancelling_the_future_cancels_the_coroutine(http: HttpThread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    future = http.call(waits)
    assert begun.wait(SECONDS_MAX)
    assert future.cancel()
    assert cancelled.wait(SECONDS_MAX)


def test_blocking_functions_run_beside_the_loop(http: HttpThread) -> None:
    together = threading.Barrier(BLOCKING_THREADS_MAX)
    waiting = [http.run_blocking(lambda: together.wait(SECONDS_MAX)) for _ in range(BLOCKING_THREADS_MAX)]
    assert sorted(future.result(SECONDS_MAX) for future in waiting) == list(range(BLOCKING_THREADS_MAX))
    names = {http.run_blocking(lambda: threading.current_thread().name).result(SECONDS_MAX) for _ in range(50)}
    assert len(names) <= BLOCKING_THREADS_MAX
    with pytest.raises(LookupError):
        http.run_blocking(fail).result(SECONDS_MAX)
    http.raise_if_failed()


@pytest.mark.parametrize("how", ["callback", "spawned task", "forgotten task"])
def test_an_escaped_exception_is_raised_to_the_owner(http: HttpThread, how: str) -> None:
    async def fails() -> None:
        fail()

    async def forgets() -> None:
        task = asyncio.get_running_loop().create_task(fails())
        await asyncio.wait([task])
        del task

    if how == "callback":
        http.post(fail)
    elif how == "spawned task":
        http.post(lambda: http.spawn(fails()))
    else:
        http.call(forgets).result(SECONDS_MAX)
    wait_for_failure(http)
    for _ in range(2):
        with pytest.raises(LookupError, match="a fault of the program"):
            http.raise_if_failed()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_ends_by_an_exception_says_so() -> None:
    thread = HttpThread()
    thread.start()
    thread.post(sys.exit)
    wait_for_failure(thread)
    with pytest.raises(SystemExit):
        thread.raise_if_failed()
    assert thread.stop(SECONDS_MAX)
    with pytest.raises(SystemExit):
        thread.post(fail)


def test_what_the_world_does_to_asyncio_is_logged(http: HttpThread, caplog: pytest.LogCaptureFixture) -> None:
    async def report() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "accept failed", "exception": OSError(24, "no descriptor")})

    http.call(report).result(SECONDS_MAX)
    http.raise_if_failed()
    assert "accept failed: OSError" in caplog.text


def test_stop_cancels_what_runs_and_gives_it_time() -> None:
    thread = HttpThread()
    thread.start()
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("tidied up")

    async def ready() -> None:
        pass

    future = thread.call(waits)
    thread.call(ready).result(SECONDS_MAX)
    assert thread.stop(SECONDS_MAX)
    assert ended == ["tidied up"]
    with pytest.raises(CancelledError):
        future.result(0)
    assert thread.stop(SECONDS_MAX)
    thread.raise_if_failed()


def test_stop_leaves_a_thread_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    thread = HttpThread()
    thread.start()
    hanging, let_go = threading.Event(), threading.Event()
    thread.post(lambda: (hanging.set(), let_go.wait(SECONDS_MAX)))
    assert hanging.wait(SECONDS_MAX)
    assert not thread.stop(0.05)
    assert "left behind" in caplog.text
    let_go.set()
    thread._thread.join(SECONDS_MAX)


def test_stop_before_start() -> None:
    assert HttpThread().stop(SECONDS_MAX)


def test_the_process_ends_whatever_hangs() -> None:
    program = (
        "import threading, time\n"
        "from connector.http_thread import HttpThread\n"
        "http = HttpThread(); http.start()\n"
        "begun = threading.Barrier(3)\n"
        "http.run_blocking(lambda: (begun.wait(), time.sleep(600)))\n"
        "http.post(lambda: (begun.wait(), time.sleep(600)))\n"
        "begun.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=30, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
