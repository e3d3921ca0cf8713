"""Secrets and personal data go in by every path; what comes out by any is searched for them."""

from __future__ import annotations

import asyncio
import io
import json

import aiohttp
from pydantic import SecretStr

from connector.admin.heartbeat import Heartbeat
from connector.admin.server import AdminServer
from connector.core.records import Fault, Reject, TopicPartition
from connector.core.snapshot import BreakerState, Snapshot, Trouble
from connector.telemetry import logs
from connector.telemetry.live import LiveTelemetry
from connector.telemetry.log_lines import Blot
from connector.telemetry.logs import EventLog
from connector.telemetry.prometheus import Exposition
from connector.telemetry.registry import Registry
from tests.unit.telemetry.samples import Record, Wired, trace_header

TOKEN = SecretStr("tok-f00dfeed")
USER = "hugh.manbeing"
PRIVATE = [TOKEN.get_secret_value(), USER, "hugh@example.com", "purchased-shoes", "key-of-hugh", "session=abc"]


def personal(offset: int) -> Record:
    return Record(
        offset,
        "orders",
        1,
        headers_=(trace_header(500 + offset), ("cookie", b"session=abc"), ("user", USER.encode())),
        key_=b"key-of-hugh",
        value_=b'{"user":"hugh.manbeing","mail":"hugh@example.com","item":"purchased-shoes"}',
    )


def tell_everything(wired: Wired, telemetry: LiveTelemetry) -> None:
    records = [personal(offset) for offset in range(3)]
    runs = [[(record.offset(), b"key-of-hugh", record.value() or b"", record, 700) for record in records]]
    telemetry.polled({"orders": 3}, 0.1, records)
    telemetry.batch_sent(1, runs, requests=1, body_bytes=900, waited_seconds=0.1)
    telemetry.batch_answered(1, "refused", 0.1, status=400)
    telemetry.batch_sent(1, runs, requests=2, body_bytes=900, waited_seconds=0.1)
    telemetry.batch_answered(1, "retry", 0.1, status=None, reason="transport")
    telemetry.batch_delivered(runs)
    telemetry.batch_ended(1, 0.1)
    quoting = (Fault("body.name", f"'{USER}' is not allowed", "lower case"),)
    refused = Reject(records[0], "deliver", "refused", quoting, http_status=400, answer=f"{USER} purchased-shoes")
    invalid = Reject(records[1], "validate", "invalid_event", (Fault("user", "a string", "an object"),))
    telemetry.rejected([refused, invalid])
    for reject in (refused, invalid):
        telemetry.dead_letter_sent(reject, "dlq")
        telemetry.dead_letter_reported(TopicPartition("orders", 1), reject.record.offset(), "dlq", "REFUSED")
    trouble = Trouble("airship", "unauthorized", 1.0, f"401: no project for {TOKEN.get_secret_value()}")
    breaker = BreakerState("open", 1.0, f"503 for Bearer {TOKEN.get_secret_value()}x9y8z7")
    telemetry.publish(Snapshot(taken=2.0, phase="running", joined=True, troubles=(trouble,), breaker=breaker))
    token_text = TOKEN.get_secret_value()
    careless = {"error": ValueError(USER), "token": TOKEN, "body": b"hugh.manbeing", "detail": token_text}
    EventLog("airship").error("cannot use the token", **careless)  # type: ignore[arg-type]
    telemetry.stopped()


def test_nothing_private_leaves_by_logs_spans_metrics_or_pages():
    stream = io.StringIO()
    configured = logs.configure("json", "debug", secrets=[TOKEN], stream=stream)
    wired = Wired()
    registry = Registry("shop", "go.example.com", 443)
    telemetry = LiveTelemetry(registry, EventLog("loop"), wired.tracing, blot=Blot([TOKEN]))
    tell_everything(wired, telemetry)
    pages = asyncio.run(read_pages(telemetry, Exposition(registry, {})))
    configured.close()

    spans = "\n".join(span.to_json() for span in wired.spans)
    lines = stream.getvalue()
    assert len(wired.spans) >= 6
    assert len(lines.splitlines()) >= 8
    assert all(json.loads(line) for line in lines.splitlines())
    for where, text in (("logs", lines), ("spans", spans), *pages.items()):
        assert len(text) > 100
        for private in PRIVATE:
            assert private not in text, f"{private} is in the {where}"
    assert "[secret]" in pages["/status.json"]


async def read_pages(telemetry: LiveTelemetry, exposition: Exposition) -> dict[str, str]:
    server = AdminServer(
        "127.0.0.1",
        0,
        heartbeat=Heartbeat(),
        snapshot=lambda: telemetry.latest,
        metrics_text=exposition.render,
        group="shop",
    )
    port = await server.start()
    pages = {}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        for path in ("/status.json", "/metrics", "/"):
            async with session.get(path) as answer:
                pages[path] = await answer.text()
    await server.stop()
    return pages
