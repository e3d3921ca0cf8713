"""What is known after a disconnect on a connection that was used before, asked of the kernel with real sockets.

The race is with an endpoint that closes an idle connection while the next request is under way. It cannot be timed
from outside, so these tests run client and server in one thread: nothing of the close is seen by the loop until the
test lets it turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from connector.airship.addresses import parse_address
from connector.airship.client import HttpClient
from connector.airship.connection import Connection, ExchangeFault
from connector.airship.tls import client_context
from connector.http_thread import HttpThread
from tests.contract.loopback import SECONDS_MAX, Authority, read_request

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

linux_alone = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what the peer acknowledged")


class Peer:
    """The server's side of the only connection, in the hands of the test, and the client."""

    def __init__(self, client: HttpClient, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.client = client
        self.listener = listener
        self.tls = tls
        self.posts = 0
        self.head = client.head([])

    async def post(self, body: bytes = b"x" * 2000) -> int:
        """Returns `resends`."""
        answer = await self.client.post(self.head, body, asyncio.get_running_loop().time() + SECONDS_MAX)
        assert (answer.status, answer.body) == (200, b"ok")
        return answer.resends

    async def accept(self) -> socket.socket:
        def handshake() -> socket.socket:
            sock, _ = self.listener.accept()
            sock.settimeout(SECONDS_MAX)
            return sock if self.tls is None else self.tls.wrap_socket(sock, server_side=True)

        return await asyncio.to_thread(handshake)

    async def serve_one(self, sock: socket.socket) -> None:
        if await asyncio.to_thread(read_request, sock, 0):
            self.posts += 1
            sock.sendall(ANSWER)

    async def used_once(self) -> socket.socket:
        """A connection that has carried a request and its answer, and is idle."""
        posting = asyncio.ensure_future(self.post())
        sock = await self.accept()
        await self.serve_one(sock)
        await posting
        return sock


@pytest.fixture(params=[False, True], ids=["in clear", "TLS"])
def encrypted(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def run(scenario: Callable[[Peer], Awaitable[None]], encrypted: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    server_tls = authority.server_context(names=["127.0.0.1"]) if encrypted else None

    @contextlib.asynccontextmanager
    async def peer() -> AsyncIterator[Peer]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(SECONDS_MAX)
            port = listener.getsockname()[1]
            client = HttpClient(
                parse_address(f"http{'s' if encrypted else ''}://127.0.0.1:{port}", "test"),
                proxy=None,
                tls=client_context(str(authority.file)) if encrypted else None,
                connect_seconds_max=SECONDS_MAX,
                idle_seconds_max=SECONDS_MAX,
                http=HttpThread(),
            )
            yield Peer(client, listener, server_tls)
            client.close()
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with peer() as prepared:
            await scenario(prepared)

    asyncio.run(asyncio.wait_for(main(), SECONDS_MAX * 2))


def close_in_order(sock: socket.socket) -> None:
    if isinstance(sock, ssl.SSLSocket):
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.unwrap()  # the goodbye is sent, the client's is not waited for
    sock.close()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("end", [close_in_order, reset])
def test_the_kernel_knows_of_a_close_before_the_loop_does(
    encrypted: bool, tmp_path: Path, end: Callable[[socket.socket], None]
) -> None:
    async def scenario(peer: Peer) -> None:
        sock = await peer.used_once()
        end(sock)  # the loop has had no turn since
        posting = asyncio.ensure_future(peer.post())
        fresh = await peer.accept()
        await peer.serve_one(fresh)
        assert await posting == 0
        assert peer.posts == 2
        fresh.close()

    run(scenario, encrypted, tmp_path)


@linux_alone
def test_a_close_that_crosses_the_request_proves_that_nothing_arrived(
    encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then the request is sent once more, and says so."""
    caplog.set_level("DEBUG")
    monkeypatch.setattr(Connection, "usable", lambda _: True)  # the close comes right after this question

    async def scenario(peer: Peer) -> None:
        sock = await peer.used_once()
        close_in_order(sock)
        posting = asyncio.ensure_future(peer.post())
        fresh = await peer.accept()
        await peer.serve_one(fresh)
        assert await posting == 1
        assert peer.posts == 2
        assert "nothing of it had arrived" in caplog.text
        fresh.close()

    run(scenario, encrypted, tmp_path)


def test_a_request_that_was_read_is_not_sent_again(encrypted: bool, tmp_path: Path) -> None:
    async def scenario(peer: Peer) -> None:
        sock = await peer.used_once()
        posting = asyncio.ensure_future(peer.post())
        assert await asyncio.to_thread(read_request, sock, 0)
        close_in_order(sock)
        with pytest.raises(ExchangeFault) as caught:
            await posting
        assert caught.value.kind == "disconnected"
        assert caught.value.may_have_arrived

    run(scenario, encrypted, tmp_path)


def test_a_request_that_the_peers_kernel_has_is_not_sent_again(encrypted: bool, tmp_path: Path) -> None:
    """Not read by the program, but acknowledged: closing resets the connection, and nobody can tell the difference."""

    async def scenario(peer: Peer) -> None:
        sock = await peer.used_once()
        posting = asyncio.ensure_future(peer.post())
        await asyncio.to_thread(sock.recv, 1, 0 if encrypted else socket.MSG_PEEK)
        sock.close()
        with pytest.raises(ExchangeFault) as caught:
            await posting
        assert caught.value.may_have_arrived

    run(scenario, encrypted, tmp_path)


def test_a_reset_proves_nothing(encrypted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer may have read a small request and reset the connection before its kernel acknowledged a byte."""
    monkeypatch.setattr(Connection, "usable", lambda _: True)

    async def scenario(peer: Peer) -> None:
        sock = await peer.used_once()
        reset(sock)
        with pytest.raises(ExchangeFault) as caught:
            await peer.post()
        assert caught.value.kind == "disconnected"
        assert caught.value.may_have_arrived

    run(scenario, encrypted, tmp_path)


def test_a_kernel_that_does_not_tell_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "usable", lambda _: True)
    monkeypatch.delattr(socket, "TCP_INFO", raising=False)

    async def scenario(peer: Peer) -> None:
        close_in_order(await peer.used_once())
        with pytest.raises(ExchangeFault) as caught:
            await peer.post()
        assert caught.value.may_have_arrived

    run(scenario, False, tmp_path)


@linux_alone
def test_only_one_second_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new connection ends in the same way: that is a fault, however little arrived."""
    monkeypatch.setattr(Connection, "usable", lambda _: True)

    async def scenario(peer: Peer) -> None:
        close_in_order(await peer.used_once())
        posting = asyncio.ensure_future(peer.post())
        close_in_order(await peer.accept())
        with pytest.raises(ExchangeFault):
            await posting
        peer.listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            peer.listener.accept()

    run(scenario, False, tmp_path)


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = threading.active_count(), _descriptors()

    async def scenario(peer: Peer) -> None:
        for _ in range(20):
            sock = await peer.used_once()
            close_in_order(sock)
            await asyncio.sleep(0)
        posting = asyncio.ensure_future(peer.post())
        (await peer.accept()).close()
        with pytest.raises(ExchangeFault):
            await posting

    run(scenario, True, tmp_path)
    assert _descriptors() <= before[1] + 2


def _descriptors() -> int:
    fds = Path("/proc/self/fd")
    return len(list(fds.iterdir())) if fds.exists() else 0
