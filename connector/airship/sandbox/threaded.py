"""A sandbox in a thread of its own, for programs and tests without an event loop.

The sandbox lives on the thread's loop alone; each call here is handed to that loop and waits for its answer there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from connector.airship.sandbox.fault_rules import Rule
from connector.airship.sandbox.ledger import AcceptedEvent, RequestEntry, Summary
from connector.airship.sandbox.options import SandboxOptions
from connector.airship.sandbox.server import Sandbox

CALL_SECONDS_MAX = 30.0
_Result = TypeVar("_Result")


class RunningSandbox:
    """The same as `Sandbox`, to be called from any other thread while the `with` block lasts."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self._sandbox = sandbox
        self._loop = loop

    @property
    def options(self) -> SandboxOptions:
        return self._sandbox.options

    @property
    def port(self) -> int:
        return self._sandbox.port

    @property
    def base_url(self) -> str:
        return self._sandbox.base_url

    @property
    def token_url(self) -> str:
        return self._sandbox.token_url

    def events(self, after: int = 0, limit: int | None = None) -> list[AcceptedEvent]:
        return self._call(lambda: self._sandbox.events(after, limit))

    def requests(self, after: int = 0, limit: int | None = None) -> list[RequestEntry]:
        return self._call(lambda: self._sandbox.requests(after, limit))

    def summary(self) -> Summary:
        return self._call(self._sandbox.summary)

    def clear(self) -> None:
        self._call(self._sandbox.clear)

    def set_fault(self, rule: Rule) -> int:
        async def set_and_settle() -> int:
            fault_id = self._sandbox.set_fault(rule)
            await self._sandbox.port_settled()
            return fault_id

        return self._await(set_and_settle())

    def clear_faults(self, fault_id: int | None = None) -> int:
        async def clear_and_settle() -> int:
            ended = self._sandbox.clear_faults(fault_id)
            await self._sandbox.port_settled()
            return ended

        return self._await(clear_and_settle())

    def set_clock(self, now: datetime, *, frozen: bool = False) -> None:
        self._call(lambda: self._sandbox.set_clock(now, frozen=frozen))

    def advance_clock(self, seconds: float) -> None:
        self._call(lambda: self._sandbox.advance_clock(seconds))

    def wait_until(self, condition: Callable[[Summary], bool], within_seconds: float) -> Summary:
        """Waits until the sums fulfil a condition, asked whenever a request begins or ends; else TimeoutError."""
        waiting = self._sandbox.wait_until(condition, within_seconds)
        return self._await(waiting, within_seconds + CALL_SECONDS_MAX)

    def stop(self) -> None:
        """Frees the port and cuts the connections, as an endpoint that goes away; `start` brings it back."""
        self._await(self._sandbox.stop())

    def start(self) -> None:
        """Listens again, on the same port, with the same ledger."""
        self._await(self._sandbox.start(self._sandbox.host, self._sandbox.port))

    def _call(self, function: Callable[[], _Result]) -> _Result:
        async def on_the_loop() -> _Result:
            return function()

        return self._await(on_the_loop())

    def _await(self, work: Coroutine[Any, Any, _Result], within_seconds: float = CALL_SECONDS_MAX) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_seconds)


@contextmanager
def running_sandbox(
    options: SandboxOptions | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[RunningSandbox]:
    """Runs a sandbox in its own thread; the thread ends with the block, and an exception in it is raised here."""
    started: concurrent.futures.Future[tuple[RunningSandbox, asyncio.Event]] = concurrent.futures.Future()

    async def live() -> None:
        sandbox = Sandbox(options)
        end = asyncio.Event()
        await sandbox.start(host, port)
        started.set_result((RunningSandbox(sandbox, asyncio.get_running_loop()), end))
        await end.wait()
        await sandbox.stop()

    # A pool of one: its future carries whatever the thread raises.
    pool = concurrent.futures.ThreadPoolExecutor(1, "airship-sandbox")
    life = pool.submit(lambda: asyncio.run(live()))
    pool.shutdown(wait=False)
    futures: list[concurrent.futures.Future[Any]] = [started, life]
    concurrent.futures.wait(futures, CALL_SECONDS_MAX, concurrent.futures.FIRST_COMPLETED)
    if life.done():
        life.result()
    running, end = started.result(timeout=0)
    try:
        yield running
    finally:
        running._loop.call_soon_threadsafe(end.set)
        life.result(CALL_SECONDS_MAX)
