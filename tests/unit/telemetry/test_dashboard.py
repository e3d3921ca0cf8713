"""The dashboard and the rules against a real Prometheus that scrapes a real admin server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connector.admin.heartbeat import Heartbeat
from connector.admin.server import AdminServer
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import PartitionState, Snapshot, Trouble
from connector.telemetry import metrics, metrics_page
from connector.telemetry.prometheus import Exposition
from tests.unit.telemetry.samples import Wired, reject, run
from tests.unit.telemetry.test_alerts import RULES

DASHBOARD = RULES.with_name("dashboard.json")
PROMETHEUS = shutil.which("prometheus")


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def queries() -> Iterator[tuple[str, str]]:
    """(panel, query) of everything that the dashboard asks."""
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def filled_in(query: str) -> str:
    return query.replace("$__rate_interval", "10s").replace("$namespace", ".*").replace("$job", ".*")


def test_every_metric_asked_for_is_declared_and_every_declared_one_is_shown():
    asked: set[str] = set()
    for title, query in queries():
        names = set(re.findall(r"\b(?:connector|messaging|http_client|process)[a-z0-9_]+(?=\{)", query))
        assert names, title
        asked |= names
    assert asked <= metrics_page.sample_names()
    shown = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in asked}
    not_shown = {
        declaration.name
        for declaration in metrics.ALL
        if re.sub(r"_(bucket|total)$", "", metrics_page.sample_name(declaration)) not in shown
    }
    assert not_shown == {"connector.records.expired", "connector.window.bytes"}, "one has an alert, one is on the page"


def test_panels_do_not_overlap_and_each_says_what_it_shows():
    taken: set[tuple[int, int]] = set()
    ids: set[int] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["id"] not in ids
        ids.add(panel["id"])
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus on this machine (Debian: apt-get install prometheus)")
@pytest.mark.timeout(120)
def test_every_query_has_an_answer_from_a_prometheus_that_scraped_a_job(tmp_path: Path):
    asyncio.run(scrape_and_ask(tmp_path))


async def scrape_and_ask(directory: Path) -> None:
    wired = Wired()
    server = AdminServer(
        "127.0.0.1",
        0,
        heartbeat=Heartbeat(),
        snapshot=lambda: wired.telemetry.latest,
        metrics_text=Exposition(wired.registry, {"service.name": "airship-connector"}).render,
        group="shop",
    )
    port = await server.start()
    work = asyncio.create_task(busy(wired))
    listen = free_port()
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{RULES}]\n"
        f"scrape_configs: [{{job_name: connector, static_configs: [{{targets: ['127.0.0.1:{port}'], "
        "labels: {namespace: shop}}]}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        str(PROMETHEUS),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{listen}",
        "--enable-feature=exemplar-storage",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listen}") as session:
            await until_scraped(session, 5)
            for title, query in queries():
                numbers = [series["value"][1] for series in await ask(session, filled_in(query))]
                assert set(numbers) - {"NaN"}, f"{title}: {query} has no answer"
            await check_rules(session)
            exemplars = await get(
                session, "/api/v1/query_exemplars", query="http_client_request_duration_seconds_bucket"
            )
            assert exemplars[0]["exemplars"][0]["labels"]["trace_id"]
    finally:
        work.cancel()
        process.terminate()
        await process.wait()
        await server.stop()


async def busy(wired: Wired) -> None:
    """A job that does a little of everything."""
    telemetry, number = wired.telemetry, 0
    while True:
        number += 1
        now_ms = int(time.time() * 1000)
        wired.wall_seconds = time.time()
        runs = [run(3, timestamp_=(1, now_ms - 80_000 if number % 4 == 0 else now_ms))]
        telemetry.polled({"orders": 3}, 0.01, [])
        telemetry.batch_sent(number, runs, requests=1, body_bytes=9, waited_seconds=0.01)
        telemetry.batch_answered(number, "retry", 0.01, status=503, reason="server_error")
        telemetry.batch_answered(number, "delivered", 0.02, status=200)
        telemetry.batch_delivered(runs)
        telemetry.batch_ended(number, 0.05)
        telemetry.settled("delivered", 3)
        telemetry.rejected([reject(number)])
        telemetry.dead_letter_reported(TopicPartition("orders", 0), number, "dlq", seconds=0.01)
        telemetry.committed([TopicPartition("orders", 0)], 0.01)
        telemetry.rebalanced("revoked", [TopicPartition("orders", 1)])
        telemetry.answers_stale(1)
        state = PartitionState(
            TopicPartition("orders", 0), None, NextOffset(number), NextOffset(number + 40), oldest_ms=now_ms - 500
        )
        trouble = Trouble("airship", "unauthorized", float(number), "401")
        telemetry.publish(
            Snapshot(taken=float(number), phase="running", joined=True, partitions=(state,), troubles=(trouble,))
        )
        await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(session: aiohttp.ClientSession, path: str, **params: str) -> Any:
    async with session.get(path, params=params) as answer:
        body = await answer.json()
    assert body["status"] == "success", body
    return body["data"]


async def ask(session: aiohttp.ClientSession, query: str) -> list[Any]:
    return list((await get(session, "/api/v1/query", query=query))["result"])


async def until_scraped(session: aiohttp.ClientSession, times: int) -> None:
    async def scraped() -> bool:
        try:
            found = await ask(session, f"count_over_time(connector_partitions_assigned[1m]) >= {times}")
        except aiohttp.ClientConnectorError:
            return False  # it does not listen yet
        except aiohttp.ContentTypeError:
            return False  # it listens and is not ready: 503 as plain text
        return bool(found)

    deadline = time.monotonic() + 60
    while not await scraped():
        assert time.monotonic() < deadline, "Prometheus has scraped nothing"
        await asyncio.sleep(0.2)


async def check_rules(session: aiohttp.ClientSession) -> None:
    groups = (await get(session, "/api/v1/rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 16
    for rule in rules:
        assert rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}"
    pending = {rule["name"] for rule in rules if rule["type"] == "alerting" and rule["state"] != "inactive"}
    assert {"AirshipConnectorBlocked", "AirshipConnectorRejects", "AirshipConnectorEventsLate"} <= pending
    assert "AirshipConnectorAbsent" not in pending
