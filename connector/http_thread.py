"""One thread with one asyncio loop, for everything that talks HTTP: the sender, the admin pages, schema look-ups.

Owned by the thread that made it. That thread submits work and is answered through futures or queues; nothing else
is shared, so there is no lock. All threads here are daemons: none of them keeps the process alive, whatever it hangs
in (a resolver, a file system, a registry).

An exception that nobody handles in the loop is a fault of the program. It is stored, not logged and forgotten, and
`raise_if_failed` gives it to the owner. Only an OSError that asyncio itself reports (say, no file descriptor left for
`accept`) is the world's doing: it is logged, and asyncio goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

BLOCKING_THREADS_MAX = 4
START_SECONDS_MAX = 10.0


class BlockingCalls:
    """Runs functions that block, at most four at once; more of them wait in line.

    Not a ThreadPoolExecutor: the interpreter joins that one's threads at its end, so a look-up that hangs would keep
    the process.
    """

    def __init__(self) -> None:
        self._line: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """From any thread. What the function raises is the future's exception, and nobody else's."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001  the future carries it to whoever asked
                future.set_exception(error)
            else:
                future.set_result(result)

        self._line.put(run)
        if len(self._threads) < BLOCKING_THREADS_MAX:
            thread = threading.Thread(target=self._work, name=f"blocking-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _work(self) -> None:
        while True:
            self._line.get()()


class HttpThread:
    """`start`, then `call`, `post` and `run_blocking` from any thread, then `stop`."""

    def __init__(self, name: str = "http") -> None:
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._blocking = BlockingCalls()
        self._failures: list[BaseException] = []
        self._stopping = False

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._running_loop is not None, "not started"
        return self._running_loop

    @property
    def failed(self) -> bool:
        return bool(self._failures)

    def start(self) -> None:
        self._running_loop = asyncio.new_event_loop()
        started = threading.Event()
        self._loop.set_exception_handler(self._unhandled)
        self._loop.call_soon(started.set)
        self._thread.start()
        if not started.wait(START_SECONDS_MAX):
            self.raise_if_failed()
            raise RuntimeError(f"the HTTP thread did not start within {START_SECONDS_MAX:.0f} s")

    def call(self, coro_factory: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Runs the coroutine in the loop. Cancelling the future cancels it.

        Its exception is the future's: whoever drops the future drops the exception. The factory runs in the loop, so
        that no coroutine is made that never starts.
        """
        future: Future[T] = Future()

        def start() -> None:
            if future.cancelled():
                return
            task = self._loop.create_task(coro_factory())
            task.add_done_callback(lambda done: _hand_over(done, future))
            future.add_done_callback(lambda _: self._cancel_too(task, future))

        self.post(start)
        return future

    def post(self, callback: Callable[[], object]) -> None:
        """Runs the callback in the loop. What it raises is a failure of this thread."""
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            self.raise_if_failed()
            raise

    def run_blocking(self, function: Callable[[], T]) -> Future[T]:
        """Runs a function that blocks outside the loop, from any thread; in the loop, `asyncio.wrap_future` it."""
        return self._blocking.submit(function)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """In the loop alone: a task whose exception is a failure of this thread."""
        task = self._loop.create_task(coroutine)
        task.add_done_callback(self._fail_with)
        return task

    def raise_if_failed(self) -> None:
        """Raises the first exception that escaped in the thread. Cheap: meant for every turn of the owner's loop."""
        if self._failures:
            raise self._failures[0]

    def stop(self, deadline_seconds: float) -> bool:
        """Cancels what still runs, waits for it, and ends the thread. False if it did not end by the deadline.

        The owner's parts come first: a sender gives its last answers in its own `stop`. A thread that hangs is left
        behind; it is a daemon.
        """
        if not self._thread.is_alive():
            return True
        end = time.monotonic() + deadline_seconds
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself, by a failure
            self._loop.call_soon_threadsafe(self._begin_stop, max(0.0, deadline_seconds - 0.2))
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._thread.is_alive():
            logger.warning("the HTTP thread did not end within %.1f s and is left behind", deadline_seconds)
            return False
        return True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        except BaseException as error:  # noqa: BLE001  the top of the thread: handed to the owner
            self._failures.append(error)
        finally:
            self._loop.close()

    def _begin_stop(self, seconds: float) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()

        async def finish() -> None:
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
            await asyncio.sleep(0)  # transports that were aborted report their end in the next turn
            self._loop.stop()

        self._finishing = self._loop.create_task(finish())

    def _cancel_too(self, task: asyncio.Task[Any], future: Future[Any]) -> None:
        if future.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                self._loop.call_soon_threadsafe(task.cancel)

    def _fail_with(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, OSError):
            self._failures.append(error)
        elif not self._stopping:
            logger.warning("%s: %s", context.get("message"), type(error).__name__ if error else "no exception")


def _hand_over(task: asyncio.Task[T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report what its owner gave up
        return
    if task.cancelled():
        future.set_exception(FutureCancelledError())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
