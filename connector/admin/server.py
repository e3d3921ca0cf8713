"""The admin pages: probes, metrics and the state, for programs and for people.

Runs on the HTTP thread from before Kafka answers until after the drain. It reads what the loop last published and
changes nothing: there is no page that does.

    /livez        the loop's heartbeat alone: never the broker's state or the endpoint's
    /readyz       partitions are assigned (or the group gave it none) and delivery is not blocked
    /metrics      Prometheus text, or OpenMetrics for those who ask for it
    /status.json  the latest snapshot
    /             the same for people
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TypeAlias

from aiohttp import web

import connector
from connector.admin.headline import Moment
from connector.admin.heartbeat import Heartbeat
from connector.admin.status import status
from connector.core.snapshot import Snapshot
from connector.errors import StartError

MetricsText: TypeAlias = Callable[[str], tuple[bytes, str]]
"""An `Accept` header to (body, content type)."""

SHUTDOWN_SECONDS = 1.0

_PAGE = {
    "/": ("index.html", "text/html"),
    "/status.css": ("status.css", "text/css"),
    "/status.js": ("status.js", "text/javascript"),
    "/status.svg": ("status.svg", "image/svg+xml"),
}

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # everything the page needs comes from here, and none of it is inline
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}

log = logging.getLogger("connector.admin")


class AdminServer:
    """`start` and `stop` run on the HTTP thread's event loop; what it shows is read through the callables."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        heartbeat: Heartbeat,
        snapshot: Callable[[], Snapshot | None],
        metrics_text: MetricsText,
        group: str,
    ) -> None:
        self._host = host
        self._wanted_port = port
        self._heartbeat = heartbeat
        self._snapshot = snapshot
        self._metrics_text = metrics_text
        self._group = group
        self._runner: web.AppRunner | None = None
        self.port = port
        """The port that is listened on, once `start` has returned."""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/status.json", self._status)
        for path, (name, content_type) in _PAGE.items():
            app.router.add_get(path, _file(name, content_type))
        return app

    async def start(self) -> int:
        """Listens, and returns the port. StartError when the address is taken or not to be had."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._wanted_port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._wanted_port}"
            raise StartError(
                f"admin: cannot listen on {where}: {error.strerror}; choose another admin.port (0 takes a free one)"
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        log.info("admin pages are served", extra={"host": self._host, "port": self.port})
        return self.port

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _probe(self._heartbeat.stalled())

    async def _readyz(self, _: web.Request) -> web.Response:
        stalled = self._heartbeat.stalled()
        if stalled is not None:
            return _probe(stalled)
        snapshot = self._snapshot()
        return _probe("starting: not yet connected" if snapshot is None else snapshot.not_ready())

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics_text(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": content_type})

    async def _status(self, _: web.Request) -> web.Response:
        moment = Moment(time.monotonic(), time.time())
        stalled = self._heartbeat.stalled()
        shown = status(self._snapshot(), stalled, moment, group=self._group, version=connector.__version__)
        return web.json_response(shown, headers=_HEADERS)


def _probe(trouble: str | None) -> web.Response:
    if trouble is None:
        return web.Response(text="ok\n", headers=_HEADERS)
    return web.Response(status=503, text=f"{trouble}\n", headers=_HEADERS)


def _file(name: str, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = resources.files("connector.admin").joinpath("page", name).read_bytes()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": f"{content_type}; charset=utf-8"})

    return answer
