"""The sandbox as a server: its life, its port, and what a program may ask of it.

Everything lives on the event loop on which `start` was awaited; from other threads use `running_sandbox`. The ledger,
the clock and the rules outlive `stop`, so a sandbox can be stopped and started again on its port, as an endpoint that
was away.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from aiohttp import web

from connector.airship.sandbox.clock import SandboxClock
from connector.airship.sandbox.control import ControlPages
from connector.airship.sandbox.endpoint import EVENTS_PATHS, TOKEN_PATH, Endpoint
from connector.airship.sandbox.fault_rules import LatencyFault, Rule, UnreachableFault
from connector.airship.sandbox.faults import FaultBook, StandingRule
from connector.airship.sandbox.ledger import AcceptedEvent, Ledger, RequestEntry, Summary
from connector.airship.sandbox.options import BODY_BYTES_MAX, SandboxOptions
from connector.airship.sandbox.tokens import TokenDesk

EXAMPLE_APP_KEY = "sandbox_app_key_000000"
"""An app key of the right form, for settings that are printed and for examples."""

_READ_BYTES = 1024 * 1024
"""A whole batch is read without pausing the transport in between."""


@dataclass(frozen=True, slots=True)
class _Outage:
    """An `unreachable` rule on its way; the task opens the port again when it ends, also when it is cancelled."""

    task: asyncio.Task[None]
    begun: asyncio.Event
    at_once: bool


class Sandbox:
    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.clock = SandboxClock(self.options.now, frozen=self.options.frozen)
        self.host = ""
        self.port = 0
        self._faults = FaultBook(self.options.seed)
        self._ledger = Ledger(self.options.keep, self.options.keep_bytes, self.options.record)
        self._tokens = TokenDesk(self.options, self.clock)
        self._endpoint = Endpoint(self.options, self.clock, self._faults, self._ledger, self._tokens)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._faults_to_set = list(self.options.faults)
        self._outages: dict[int, _Outage] = {}
        self._closed_by: set[int] = set()

    # Life

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 takes a free one. Raises OSError when the port is taken."""
        assert self._runner is None, "the sandbox is running already"
        self._ledger.open()
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self.options.idle_seconds,
            read_bufsize=_READ_BYTES,
            shutdown_timeout=self.options.stop_seconds,
        )
        self.host, self.port = host, port
        try:
            await self._runner.setup()
            await self._listen()
        except OSError:
            await self.stop()
            raise
        while self._faults_to_set:
            self.set_fault(self._faults_to_set.pop(0))

    async def stop(self) -> None:
        """Ends every connection and frees the port; raises the sandbox's own failures, if there were any.

        Requests in flight have `stop_seconds` to end, then they are cut off.
        """
        tasks = [outage.task for outage in self._outages.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._closed_by.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._site = None
        self._ledger.close()
        failures = self._ledger.take_failures()
        if failures:
            raise ExceptionGroup("the sandbox failed while it served requests", failures)

    async def __aenter__(self) -> Self:
        """Starts on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        for path in EVENTS_PATHS:
            application.router.add_route("*", path, self._endpoint.serve_events)
        application.router.add_route("*", TOKEN_PATH, self._endpoint.serve_token)
        ControlPages(self._ledger, self.clock, self).add_to(application.router)
        # Everything else: 404 and counted, because a sender with a wrong address must be seen.
        application.router.add_route("*", "/{rest:(?!sandbox/).*}", self._endpoint.serve_events)
        return application

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls())
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def _tls(self) -> ssl.SSLContext | None:
        if self.options.tls_certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.options.tls_certificate, self.options.tls_key)
        return context

    @property
    def base_url(self) -> str:
        scheme = "http" if self.options.tls_certificate is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def token_url(self) -> str:
        return self.base_url + TOKEN_PATH

    # The ledger

    def events(self, after: int = 0, limit: int | None = None) -> list[AcceptedEvent]:
        return self._ledger.events(after, limit)

    def requests(self, after: int = 0, limit: int | None = None) -> list[RequestEntry]:
        return self._ledger.requests(after, limit)

    def summary(self) -> Summary:
        return self._ledger.summary()

    def clear(self) -> None:
        self._ledger.clear()

    async def wait_until(self, condition: Callable[[Summary], bool], within_seconds: float) -> Summary:
        """Waits until the sums fulfil a condition, asked whenever a request begins or ends; else TimeoutError."""
        return await self._ledger.wait_until(condition, within_seconds)

    # Faults and clock

    def set_fault(self, rule: Rule) -> int:
        """Sets a rule and gives its number; ValueError says what is wrong with it."""
        standing = self._faults.add(rule, time.monotonic())
        if isinstance(standing.rule, UnreachableFault):
            begun = asyncio.Event()
            task = asyncio.get_running_loop().create_task(self._outage(standing, begun))
            self._outages[standing.id] = _Outage(task, begun, at_once=not rule.after_seconds)
        return standing.id

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Ends one rule, or all; gives how many were ended. A closed port is open again soon after.

        Requests that wait go on at once when a latency rule is ended, or all rules are, used up ones included.
        """
        ended = self._faults.remove(fault_id)
        for standing in ended:
            if standing.id in self._outages:
                self._outages[standing.id].task.cancel()
        if fault_id is None or any(isinstance(standing.rule, LatencyFault) for standing in ended):
            self._endpoint.release()
        return len(ended)

    async def port_settled(self, within_seconds: float = 10.0) -> None:
        """Waits until the port is closed or open again as the `unreachable` rules set or ended just now want it."""
        async with asyncio.timeout(within_seconds):
            for outage in list(self._outages.values()):
                if outage.task.cancelling():
                    await asyncio.wait({outage.task})
                elif outage.at_once:
                    await outage.begun.wait()

    def standing_faults(self) -> list[StandingRule]:
        return self._faults.standing(time.monotonic())

    def set_clock(self, now: datetime, *, frozen: bool = False) -> None:
        self.clock.set(now, frozen=frozen)

    def advance_clock(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def _outage(self, standing: StandingRule, begun: asyncio.Event) -> None:
        rule = standing.rule
        assert rule.for_seconds is not None
        try:
            await asyncio.sleep(rule.after_seconds)
            self._closed_by.add(standing.id)
            await self._close_port()
            standing.hits += 1
            begun.set()
            await asyncio.sleep(rule.for_seconds)
        finally:
            self._closed_by.discard(standing.id)
            if not self._closed_by and self._site is None and self._runner is not None:
                await self._listen()
            self._outages.pop(standing.id, None)

    async def _close_port(self) -> None:
        if self._site is None or self._runner is None:
            return
        await self._site.stop()
        self._site = None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.close()
