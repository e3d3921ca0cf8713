"""The status page in a real browser: what it shows in each state, on a phone, in the dark, and when the job is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import pytest

from connector.admin.heartbeat import Heartbeat
from connector.admin.server import AdminServer
from connector.core.snapshot import BreakerState, Snapshot
from tests.unit.admin import scenarios
from tests.unit.admin.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.timeout(180),
]

SHOWN = "document.readyState === 'complete' && document.getElementById('version').textContent !== '–'"


class Page:
    def __init__(self, browser: Browser, server: AdminServer, show: list[Snapshot | None]) -> None:
        self.browser = browser
        self.server = server
        self._show = show

    async def open(self, snapshot: Snapshot | None, **how: Any) -> None:
        self._show[0] = snapshot
        await self.browser.open(f"http://127.0.0.1:{self.server.port}/", **how)
        await self.browser.until(SHOWN)

    def change(self, snapshot: Snapshot) -> None:
        self._show[0] = snapshot

    async def text(self, selector: str) -> str:
        return str(await self.browser.ask(f"document.querySelector({selector!r}).innerText"))


def browse(look: Callable[[Page], Awaitable[None]]) -> None:
    async def run() -> None:
        show: list[Snapshot | None] = [None]
        server = AdminServer(
            "127.0.0.1",
            0,
            heartbeat=Heartbeat(),
            snapshot=lambda: show[0],
            metrics_text=lambda _: (b"", "text/plain"),
            group="shop",
        )
        await server.start()
        try:
            async with Browser() as browser:
                await look(Page(browser, server, show))
                assert browser.messages == [], "the browser refused or complained about something"
        finally:
            await server.stop()

    asyncio.run(run())


def test_each_question_has_its_answer_on_the_page():
    async def look(page: Page) -> None:
        now, wall_ms = time.monotonic(), int(time.time() * 1000)

        await page.open(scenarios.healthy(now))
        assert await page.text("h1") == "Delivering"
        assert await page.text("#lag") == "240"
        assert await page.browser.ask("document.getElementById('troubles').hidden")

        await page.open(scenarios.lagging(now, wall_ms))
        assert await page.text("h1") == "Delivering, and catching up"
        assert "about 34 min at this rate" in await page.text("#detail")

        await page.open(scenarios.blocked(now, wall_ms))
        assert await page.text("h1") == "Not delivering: Airship refuses the token (401)"
        assert (await page.text("#since")).startswith("For 13 min, since ")
        assert "Put a valid token where airship.auth reads it" in await page.text("#trouble-list")
        assert "Airship refuses the token" in await page.text("#path li:last-child")
        assert await page.text("#path li:first-child .state") == "Paused"

        await page.open(scenarios.breaker_open(now, wall_ms))
        assert await page.text("h1") == "Not delivering: Airship fails too often"
        assert "Next attempt in" in await page.text("#detail")

        failing = BreakerState(reason="the endpoint answered 429", next_attempt=now + 9.0)
        await page.open(scenarios.job(now, partitions=scenarios.partitions(9, window=9), breaker=failing))
        assert await page.text("h1") == "Requests fail and are tried again"
        assert await page.text("#path li:last-child .state") == "Requests fail and are tried again"

        await page.open(scenarios.flood(now, wall_ms))
        assert "required_missing\tmap\t1,000" in await page.text("#reject-rows")
        assert "user: found null from ${{ customer.id }}, expected one of" in await page.text("#reject-rows")
        assert "airship-connector dlq list" in await page.text("#rejects")

        await page.open(None)
        assert await page.text("h1") == "Starting"

    browse(look)


def test_the_page_follows_and_says_when_the_connector_is_gone():
    async def look(page: Page) -> None:
        now = time.monotonic()
        await page.open(scenarios.healthy(now))
        page.change(scenarios.blocked(now, 0))
        await page.browser.until("document.querySelector('h1').innerText.startsWith('Not delivering')")
        assert await page.browser.ask("document.title") == (
            "Not delivering: Airship refuses the token (401) – airship-connector"
        )
        await page.server.stop()
        await page.browser.until("!document.getElementById('offline').hidden")
        assert (await page.text("#offline")).startswith("The connector does not answer. The last answer came at ")
        page.browser.messages.clear()  # Chromium notes the refused connection

    browse(look)


def test_it_fits_a_phone_and_is_readable_in_light_and_dark():
    async def look(page: Page) -> None:
        now, wall_ms = time.monotonic(), int(time.time() * 1000)
        for snapshot in (scenarios.healthy(now), scenarios.blocked(now, wall_ms), scenarios.flood(now, wall_ms)):
            for width in (360, 1200):
                for dark in (False, True):
                    await page.open(snapshot, width=width, height=800, dark=dark)
                    wider = await page.browser.ask(f"document.documentElement.scrollWidth > {width}")
                    assert not wider, f"at {width} the page scrolls sideways"
                    faint = await page.browser.ask(FAINT_TEXT)
                    assert faint == [], f"too little contrast at {width}, dark={dark}"

    browse(look)


def test_its_structure_is_for_everybody():
    async def look(page: Page) -> None:
        await page.open(scenarios.flood(time.monotonic(), int(time.time() * 1000)))
        found = await page.browser.ask(STRUCTURE)
        assert found["language"] == "en"
        assert found["main"] == 1
        assert found["headings"][0] == "H1"
        assert found["headings"].count("H1") == 1
        assert found["cells_without_header"] == 0
        assert found["names"] == len(set(found["labels"])), "each landmark has a name of its own"
        assert found["unlabelled"] == []
        assert found["live"] == "polite"
        assert found["scrollers_without_focus"] == 0

    browse(look)


def test_axe_finds_nothing_in_any_state():
    async def look(page: Page) -> None:
        now, wall_ms = time.monotonic(), int(time.time() * 1000)
        states = {
            "healthy": scenarios.healthy(now),
            "lagging": scenarios.lagging(now, wall_ms),
            "blocked": scenarios.blocked(now, wall_ms),
            "breaker open": scenarios.breaker_open(now, wall_ms),
            "flood": scenarios.flood(now, wall_ms),
            "starting": None,
        }
        for name, snapshot in states.items():
            for width, dark in ((360, False), (1200, True)):
                await page.open(snapshot, width=width, dark=dark)
                await page.browser.ask(f"{AXE};0")
                found = await page.browser.ask(VIOLATIONS)
                assert found == [], f"{name}, {width} wide, dark={dark}"

    browse(look)


def test_what_the_job_says_is_text_never_markup():
    async def look(page: Page) -> None:
        now = time.monotonic()
        blocked = scenarios.blocked(now, 0)
        nasty = "<img src=x onerror=alert(1)>`<b>`"
        trouble = blocked.troubles[0]
        await page.open(scenarios.job(now, troubles=(type(trouble)("airship", "x", now, nasty),)))
        assert nasty in await page.text("#trouble-list")
        assert await page.browser.ask("document.querySelectorAll('main img, main b').length") == 0

    browse(look)


AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = "axe.run(document).then((r) => r.violations.map((v) => [v.id, v.impact, v.nodes.map((n) => n.html)]))"

# WCAG's contrast of every piece of text with the first opaque background behind it: 4.5, or 3 for large text.
FAINT_TEXT = """
(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.closest('noscript, .unseen')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(behind(node))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.7 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) faint.push([node.textContent, ratio]);
  }
  return faint;
})()
"""

STRUCTURE = """
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const label = (node) => node.getAttribute('aria-label')
    || document.getElementById(node.getAttribute('aria-labelledby'))?.textContent;
  const regions = all('section, [role=region]');
  return {
    language: document.documentElement.lang,
    main: all('main').length,
    headings: all('h1, h2, h3').map((node) => node.tagName),
    cells_without_header: all('tbody tr').filter((row) => !row.querySelector('th[scope=row]')).length
      + all('thead th:not([scope=col])').length,
    names: regions.length,
    labels: regions.map(label),
    unlabelled: all('svg[role=img]:not([aria-label])').map((node) => node.outerHTML),
    live: document.getElementById('state').closest('[aria-live]')?.getAttribute('aria-live'),
    scrollers_without_focus: all('.scroll:not([tabindex="0"])').length,
  };
})()
"""
