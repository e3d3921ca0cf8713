"""Records, batches and rejects as the loop would hand them to telemetry, and a telemetry that is wired up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from connector.core.records import Entry, Fault, Reason, Reject, Stage
from connector.telemetry.live import LiveTelemetry
from connector.telemetry.logs import EventLog
from connector.telemetry.registry import Registry
from connector.telemetry.tracing import SpanSettings, Tracing


@dataclass(frozen=True)
class Record:
    """Fulfils the protocol of a source record."""

    offset_: int = 0
    topic_: str = "orders"
    partition_: int = 0
    headers_: tuple[tuple[str, bytes | None], ...] | None = None
    timestamp_: tuple[int, int] = (1, 1_700_000_000_000)
    key_: bytes | None = b"k"
    value_: bytes | None = b"{}"

    def topic(self) -> str:
        return self.topic_

    def partition(self) -> int:
        return self.partition_

    def offset(self) -> int:
        return self.offset_

    def key(self) -> bytes | None:
        return self.key_

    def value(self) -> bytes | None:
        return self.value_

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None if self.headers_ is None else list(self.headers_)

    def timestamp(self) -> tuple[int, int]:
        return self.timestamp_


def trace_header(trace_id: int, span_id: int = 0xB7AD6B7169203331, flags: int = 1) -> tuple[str, bytes]:
    return "traceparent", f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}".encode()


def run(
    count: int, *, topic: str = "orders", partition: int = 0, traced: bool = False, **record: object
) -> list[Entry]:
    """Entries of one partition."""
    entries: list[Entry] = []
    for offset in range(count):
        headers = (trace_header(1000 * (partition + 1) + offset + 1),) if traced else None
        source = Record(offset, topic, partition, headers, **record)  # type: ignore[arg-type]
        entries.append((offset, b"k", b"{}", source, 700))
    return entries


def reject(offset: int = 0, stage: Stage = "decode", reason: Reason = "not_json", **record: object) -> Reject:
    faults = (Fault("value", "text that is not JSON", "JSON"),)
    return Reject(Record(offset, **record), stage, reason, faults)  # type: ignore[arg-type]


class Wired:
    """Telemetry that listens, with its spans kept in memory."""

    def __init__(self, sampler: Sampler | None = None, *, tracing: bool = True, wall_seconds: float = 1_700_000_010.0):
        self.wall_seconds = wall_seconds
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.registry = Registry("shop", "go.example.com", 443, lambda: self.wall_seconds)
        settings = SpanSettings(
            "shop",
            client_id="member-1",
            url="https://go.example.com/api/custom-events",
            server_address="go.example.com",
        )
        self.later_seconds = 0.0
        tracer = self.provider.get_tracer("test")
        self.tracing = Tracing(tracer, settings, self._time_ns) if tracing else None
        self.telemetry = LiveTelemetry(self.registry, EventLog("loop"), self.tracing, lambda: self.wall_seconds)

    def _time_ns(self) -> int:
        return time.time_ns() + int(self.later_seconds * 1e9)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def span(self, name: str):
        (span,) = [span for span in self.spans if span.name == name]
        return span
