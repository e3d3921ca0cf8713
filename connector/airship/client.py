"""POSTs to one address over connections that are kept. Lives in the loop, owns the idle connections.

No redirect is followed and no request is repeated, with one exception that cannot make a duplicate: on a connection
that was used before, when it is proved that nothing of the request was received (`connection.py`). Then it is sent
once more on a new connection, counted in the answer's `resends` and logged.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
from collections import deque
from collections.abc import Iterable

from connector import __version__
from connector.airship.addresses import Address, Proxy
from connector.airship.connection import Connection, ExchangeFault
from connector.airship.dialer import Dialer
from connector.core.records import HttpAnswer
from connector.http_thread import HttpThread

logger = logging.getLogger(__name__)

USER_AGENT = f"airship-connector/{__version__}"
IDLE_MARGIN_SECONDS = 1.0
"""Before the end that the endpoint itself announces (`Keep-Alive: timeout=5`)."""


class HttpClient:
    """At most as many connections as there are requests at once: the caller's limit is this one's."""

    def __init__(
        self,
        address: Address,
        *,
        proxy: Proxy | None,
        tls: ssl.SSLContext | None,
        connect_seconds_max: float,
        idle_seconds_max: float,
        http: HttpThread,
    ) -> None:
        self._dialer = Dialer(address, proxy, tls, connect_seconds_max, http)
        self._idle_seconds_max = idle_seconds_max
        self._idle: deque[tuple[Connection, float]] = deque()
        """(connection, when it is closed), the last used one at the right, which is used next."""
        self._busy: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        in_clear_through_proxy = proxy is not None and not address.tls
        lines = [
            f"POST {address.url if in_clear_through_proxy else address.path} HTTP/1.1",
            f"Host: {address.authority}",
        ]
        if in_clear_through_proxy and proxy is not None and proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self._first_lines = [*lines, f"User-Agent: {USER_AGENT}", "Accept-Encoding: identity"]

    def head(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """The beginning of a request, made once for many. Raises ValueError on what no header may contain."""
        lines = list(self._first_lines)
        for name, value in headers:
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"found a character in the value of {name} that no header may contain")
            lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, ""]).encode("ascii")

    async def post(self, head: bytes, body: bytes, deadline: float) -> HttpAnswer:
        """`head` as made by `head`, possibly with more header lines. Raises ExchangeFault."""
        request = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        loop = asyncio.get_running_loop()
        kept = self._kept_connection(loop.time())
        if kept is not None:
            try:
                return await self._exchange(loop, kept, request, deadline)
            except ExchangeFault as fault:
                if fault.may_have_arrived:
                    raise
                logger.debug("sent once more on a new connection, nothing of it had arrived: %s", fault.detail)
        connection = await self._dialer.dial(deadline)
        answer = await self._exchange(loop, connection, request, deadline)
        return answer if kept is None else dataclasses.replace(answer, resends=1)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop()[0].close()
        for connection in self._busy:
            connection.abort()

    async def _exchange(
        self, loop: asyncio.AbstractEventLoop, connection: Connection, request: bytes, deadline: float
    ) -> HttpAnswer:
        self._busy.add(connection)
        try:
            answer = await connection.exchange(request, deadline)
        finally:
            self._busy.discard(connection)
        self._keep(loop, connection)
        return answer

    def _kept_connection(self, now: float) -> Connection | None:
        while self._idle:
            connection, until = self._idle.pop()
            if now < until and connection.usable():
                return connection
            connection.close()
        return None

    def _keep(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        seconds = self._idle_seconds_max
        offered = connection.idle_seconds_offered()
        if offered is not None:
            seconds = min(seconds, offered - IDLE_MARGIN_SECONDS)
        if not connection.reusable or seconds <= 0:
            connection.close()
            return
        self._idle.append((connection, loop.time() + seconds))
        if self._sweep is None:
            self._sweep = loop.call_at(self._idle[0][1], self._close_expired, loop)

    def _close_expired(self, loop: asyncio.AbstractEventLoop) -> None:
        """The ones at the left were idle longest: one timer for all, while there are any."""
        self._sweep = None
        while self._idle and (self._idle[0][1] <= loop.time() or not self._idle[0][0].reusable):
            self._idle.popleft()[0].close()
        if self._idle:
            self._sweep = loop.call_at(self._idle[0][1], self._close_expired, loop)
