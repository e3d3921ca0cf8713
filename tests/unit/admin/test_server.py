"""The admin pages over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import pytest

from connector.admin.heartbeat import Heartbeat
from connector.admin.server import AdminServer
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import PartitionState, Snapshot, Trouble
from connector.errors import StartError
from tests.unit.admin import scenarios

T = TypeVar("T")

HELD = PartitionState(TopicPartition("orders", 0), NextOffset(5), NextOffset(5), NextOffset(5))


class World:
    """A server and what it shows."""

    def __init__(self) -> None:
        self.clock = time.monotonic()
        self.snapshot: Snapshot | None = None
        self.heartbeat = Heartbeat(60.0, clock=lambda: self.clock)
        self.accepted: list[str] = []
        self.server = AdminServer(
            "127.0.0.1",
            0,
            heartbeat=self.heartbeat,
            snapshot=lambda: self.snapshot,
            metrics_text=self._metrics,
            group="shop",
        )

    def _metrics(self, accept: str) -> tuple[bytes, str]:
        self.accepted.append(accept)
        return b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"

    def run(self, ask: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
        async def serve() -> T:
            port = await self.server.start()
            try:
                async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                    return await ask(session)
            finally:
                await self.server.stop()

        return asyncio.run(asyncio.wait_for(serve(), 20))

    def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        async def ask(session: aiohttp.ClientSession) -> tuple[int, str, dict[str, str]]:
            async with session.get(path, headers=headers) as answer:
                return answer.status, await answer.text(), dict(answer.headers)

        return self.run(ask)


def test_livez_knows_the_heartbeat_and_nothing_else():
    world = World()
    assert world.get("/livez")[:2] == (200, "ok\n"), "before the loop has published anything"
    world.snapshot = scenarios.blocked(world.clock, 0)
    assert world.get("/livez")[0] == 200, "a block is no reason to restart"
    world.clock += 61.0
    assert world.get("/livez")[:2] == (503, "the loop has not beaten for 61 s, expected every 60 s at least\n")


def test_readyz_says_why_it_is_not():
    world = World()
    assert world.get("/readyz")[:2] == (503, "starting: not yet connected\n")

    world.snapshot = scenarios.job(world.clock, joined=False, partitions=())
    assert world.get("/readyz")[:2] == (503, "the consumer group has not answered with an assignment yet\n")

    world.snapshot = scenarios.job(world.clock, partitions=())
    assert world.get("/readyz")[:2] == (200, "ok\n"), "the group gave it none: it is ready to take some"

    world.snapshot = scenarios.job(world.clock, partitions=(HELD,))
    assert world.get("/readyz")[:2] == (200, "ok\n")

    world.snapshot = scenarios.blocked(world.clock, 0)
    assert world.get("/readyz")[:2] == (503, "airship: unauthorized: the endpoint answered 401: Unauthorized\n")

    hindered = Trouble("schema_registry", "unreachable", world.clock, "no answer", stops_delivery=False)
    world.snapshot = scenarios.job(world.clock, troubles=(hindered,))
    assert world.get("/readyz")[0] == 200

    world.snapshot = scenarios.breaker_open(world.clock, 0)
    assert world.get("/readyz")[0] == 200, "it closes by itself"

    world.snapshot = scenarios.job(world.clock, phase="draining")
    assert world.get("/readyz")[:2] == (503, "stopping\n")

    world.snapshot = scenarios.job(world.clock)
    world.clock += 61.0
    assert world.get("/readyz")[0] == 503, "a loop that stands still is not ready, whatever it said before"


def test_metrics_are_asked_for_with_what_the_scraper_accepts():
    world = World()
    status, text, headers = world.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert (status, text) == (200, "up 1\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert world.accepted == ["application/openmetrics-text; version=1.0.0"]


def test_every_page_keeps_to_the_content_policy_and_is_not_stored():
    world = World()
    for path in ("/", "/status.css", "/status.js", "/status.svg", "/status.json", "/metrics", "/livez", "/readyz"):
        _, _, headers = world.get(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere():
    _, page, _ = World().get("/")
    assert "<style" not in page
    assert "style=" not in page
    assert "onclick" not in page
    assert "://" not in page
    assert page.count("<script") == page.count('<script src="status.js"')


@pytest.mark.parametrize("path", ["/../server.py", "/page/index.html", "/server.py", "/status.json/x", "/admin"])
def test_there_is_nothing_else(path: str):
    assert World().get(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(method: str):
    world = World()

    async def ask(session: aiohttp.ClientSession) -> list[int]:
        statuses = []
        for path in ("/", "/livez", "/status.json", "/metrics"):
            async with session.request(method, path) as answer:
                statuses.append(answer.status)
        return statuses

    assert world.run(ask) == [405] * 4


def test_a_taken_port_is_said_with_the_setting_that_helps():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        world = World()
        server = AdminServer(
            "127.0.0.1", port, heartbeat=world.heartbeat, snapshot=lambda: None, metrics_text=world._metrics, group="g"
        )
        with pytest.raises(StartError, match=rf"cannot listen on 127.0.0.1:{port}: .*admin.port"):
            asyncio.run(server.start())


def test_status_json_before_the_loop_has_reported():
    async def ask(session: aiohttp.ClientSession) -> dict[str, object]:
        async with session.get("/status.json") as answer:
            return dict(await answer.json())

    status = World().run(ask)
    assert status["ready"] is False
    assert status["group"] == "shop"
    assert status["headline"]["state"] == "starting"  # type: ignore[index]


def test_stopping_twice_and_before_the_start_is_fine():
    world = World()

    async def stop() -> None:
        await world.server.stop()
        await world.server.start()
        await world.server.stop()
        await world.server.stop()

    asyncio.run(stop())
