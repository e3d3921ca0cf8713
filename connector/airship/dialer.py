"""Opens connections: look-up, TCP (both address families, staggered), CONNECT through a proxy, TLS. One deadline."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import partial

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from connector.airship.addresses import Address, Proxy
from connector.airship.connection import Connection, ExchangeFault, describe
from connector.http_thread import HttpThread

READ_BYTES_MAX = 64 * 1024
HAPPY_EYEBALLS_SECONDS = 0.25
TLS_SHUTDOWN_SECONDS_MAX = 2.0
"""How long a closed connection waits for the endpoint's goodbye; asyncio's own limit is 30 s."""


class Dialer:
    """Every fault of it is an ExchangeFault of which nothing can have arrived: no request was sent yet."""

    def __init__(
        self,
        address: Address,
        proxy: Proxy | None,
        tls: ssl.SSLContext | None,
        connect_seconds_max: float,
        http: HttpThread,
    ) -> None:
        assert (tls is not None) == address.tls
        self._address = address
        self._proxy = proxy
        self._tls = tls
        self._connect_seconds_max = connect_seconds_max
        self._http = http
        self._looking: asyncio.Future[Sequence[AddrInfoType]] | None = None
        self._buffer = memoryview(bytearray(READ_BYTES_MAX))

    async def dial(self, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        hop = f"{self._peer[0]}:{self._peer[1]}" + ("" if self._proxy is None else " (proxy)")
        limit = asyncio.timeout_at(min(deadline, loop.time() + self._connect_seconds_max))
        try:
            async with limit:
                return await self._open(loop)
        except TimeoutError as error:
            detail = f"no connection through {hop} in time" if limit.expired() else f"{hop}: {describe(error)}"
            raise ExchangeFault("connect", detail, may_have_arrived=False) from None
        except ssl.SSLError as error:
            raise ExchangeFault("tls", f"{hop}: {describe(error)}", may_have_arrived=False) from None
        except OSError as error:
            raise ExchangeFault("connect", f"{hop}: {describe(error)}", may_have_arrived=False) from None

    @property
    def _peer(self) -> tuple[str, int]:
        return (self._proxy or self._address).host, (self._proxy or self._address).port

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Connection:
        sock = await aiohappyeyeballs.start_connection(
            await self._look_up(), happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS, interleave=1
        )
        try:
            connection = Connection(sock.dup(), self._buffer)
        except OSError:
            sock.close()
            raise
        established = False
        try:
            await self._establish(loop, sock, connection)
            established = True
        finally:
            if not established:
                connection.abort()
                connection.unwatch()
        return connection

    async def _look_up(self) -> Sequence[AddrInfoType]:
        """Numeric addresses at once, names outside the loop: a resolver may hang longer than every deadline here.

        One look-up at a time, shared by all who dial: a resolver that hangs holds one thread.
        """
        host, port = self._peer
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            if self._looking is None or self._looking.done():
                ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                self._looking = asyncio.wrap_future(self._http.run_blocking(ask))
            return await asyncio.shield(self._looking)

    async def _establish(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, connection: Connection) -> None:
        if self._tls is None:
            await loop.create_connection(lambda: connection, sock=sock)
        elif self._proxy is None:
            await loop.create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._tls,
                server_hostname=self._address.host,
                ssl_handshake_timeout=self._connect_seconds_max + 1,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS_MAX,
            )
        else:
            await loop.create_connection(lambda: connection, sock=sock)
            await self._ask_for_tunnel(loop, connection, self._proxy)
            transport = await loop.start_tls(
                connection.transport,
                connection,
                self._tls,
                server_hostname=self._address.host,
                ssl_handshake_timeout=self._connect_seconds_max + 1,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS_MAX,
            )
            if transport is None:
                raise ConnectionResetError("the connection was closed during the TLS handshake")
            connection.replace_transport(transport)

    async def _ask_for_tunnel(self, loop: asyncio.AbstractEventLoop, connection: Connection, proxy: Proxy) -> None:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        target = f"{host}:{self._address.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        request = "\r\n".join([*lines, "", ""]).encode("ascii")
        try:
            answer = await connection.exchange(request, loop.time() + self._connect_seconds_max, head_only=True)
        except ExchangeFault as fault:
            raise ExchangeFault("connect", f"{proxy} for {target}: {fault.detail}", may_have_arrived=False) from None
        if not 200 <= answer.status < 300:
            detail = f"{proxy} for {target}: found status {answer.status} as answer to CONNECT, expected 200"
            raise ExchangeFault("connect", detail, may_have_arrived=False)
        if not connection.reusable:
            raise ExchangeFault("connect", f"{proxy} for {target}: closed the tunnel at once", may_have_arrived=False)
