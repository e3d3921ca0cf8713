"""A headless Chromium, spoken to in its own protocol: pages are opened, looked into and photographed."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import shutil
import tempfile
from types import TracebackType
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

START_SECONDS = 40.0
ANSWER_SECONDS = 20.0


class Browser:
    """One page of one browser. Used as `async with Browser() as page`."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._ids = itertools.count(1)
        self.messages: list[str] = []
        """What the page said on its console, and what the browser refused (the content policy, for one)."""

    async def __aenter__(self) -> Browser:
        self._process = await asyncio.create_subprocess_exec(
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-port=0",
            "--remote-allow-origins=*",
            f"--user-data-dir={self._profile.name}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._session = aiohttp.ClientSession()
        address = await asyncio.wait_for(self._address(), START_SECONDS)
        async with self._session.get(f"http://{address}/json/list") as answer:
            targets = await answer.json(content_type=None)
        target = next(target for target in targets if target["type"] == "page")
        self._socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        return self

    async def _address(self) -> str:
        assert self._process.stderr is not None
        said = b""
        while line := await self._process.stderr.readline():
            if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
                self._drain = asyncio.create_task(self._process.stderr.read())
                return found[1].decode()
            said += line
        raise RuntimeError(f"Chromium ended before it listened: {said[-2000:]!r}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._session.close()
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._drain
        self._profile.cleanup()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await asyncio.wait_for(self._socket.receive_json(), ANSWER_SECONDS)
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded":
                self.messages.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.messages.append(" ".join(str(argument.get("value")) for argument in params["args"]))
            case "Runtime.exceptionThrown":
                self.messages.append(str(params["exceptionDetails"]))

    async def open(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        mobile = width < 600
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url=url)

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str) -> None:
        """Waits until the expression is true, under ANSWER_SECONDS."""
        look = f"const look = () => ({expression}) ? done(true) : setTimeout(look, 20); look()"
        await self.ask(f"new Promise((done) => {{ {look} }})")

    async def photograph(self) -> bytes:
        """A PNG of the whole page."""
        result = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(result["data"])
