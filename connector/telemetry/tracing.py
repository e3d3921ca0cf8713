"""The spans, written with the OpenTelemetry API: they live across ticks, so each is started and ended by hand.

What is not sampled costs the start of one span for each batch and nothing else: no header is parsed, no link made, no
child started. Owned by the loop's thread.

    poll T      a read that returned records          links to the messages' own traces
    process T   a batch, from its first record to     links to the messages' own traces, with offset and partition
                its end, all retries included
    POST        one attempt, child of process         carries its own context to the endpoint
    commit T    a commit, child of the latest process that it covers
    send T      a dead letter                         link to the message's own trace
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer, TraceState

from connector.core.records import Entry, SourceRecord, TopicPartition
from connector.telemetry import attributes as a

LINKS_MAX = 128
"""The SDK's own default: it would drop what is above it."""

SETTLED_MAX = 1_000
"""Batches remembered until a commit covers them; of more, the latest."""

_TRACEPARENT = re.compile(r"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*")
_FLAGS = 0x03  # sampled, and random trace id
_NO_HEADERS: Mapping[str, str] = {}

Runs = Sequence[Sequence[Entry]]
"""The entries of a batch, as runs of one partition each."""


@dataclass(frozen=True, slots=True)
class SpanSettings:
    """What is the same on all spans."""

    group: str
    client_id: str | None = None
    url: str = ""
    """The address posted to, without credentials."""
    url_template: str | None = "/api/custom-events"
    server_address: str = ""
    server_port: int = 443


@dataclass(slots=True)
class _Open:
    process: Span
    post: Span | None


class Tracing:
    """Owns the spans that are open."""

    def __init__(self, tracer: Tracer, settings: SpanSettings, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._tracer = tracer
        self._time_ns = time_ns
        self._batches: dict[int, _Open] = {}
        self._sends: dict[tuple[TopicPartition, int], Span] = {}
        # sampled batches that no commit span belongs to yet, by when they ended
        self._settled: deque[tuple[int, SpanContext]] = deque(maxlen=SETTLED_MAX)
        self._post_name = a.post_span_name(settings.url_template)
        self._kafka: dict[str, str] = {a.SYSTEM: a.SYSTEM_KAFKA, a.GROUP: settings.group}
        if settings.client_id:
            self._kafka[a.CLIENT_ID] = settings.client_id
        self._http: dict[str, str | int] = {
            a.HTTP_METHOD: "POST",
            a.URL_FULL: settings.url,
            a.SERVER_ADDRESS: settings.server_address,
            a.SERVER_PORT: settings.server_port,
        }
        if settings.url_template:
            self._http[a.URL_TEMPLATE] = settings.url_template

    def connected(self, cluster_id: str | None) -> None:
        """Spans from here on say which cluster they are about."""
        if cluster_id:
            self._kafka[a.KAFKA_CLUSTER_ID] = cluster_id

    def polled(self, counts: Mapping[str, int], seconds: float, records: Iterable[SourceRecord]) -> None:
        end = self._time_ns()
        topic = _only(counts)
        span = self._tracer.start_span(
            a.span_name(a.POLL, topic), kind=SpanKind.CLIENT, start_time=end - int(seconds * 1e9)
        )
        if span.is_recording():
            span.set_attributes(self._messaging(a.POLL, "receive", topic, sum(counts.values())))
            _add_links(span, records, with_topic=topic is None)
        span.end(end)

    def batch_sent(
        self, batch_id: int, runs: Runs, *, requests: int, body_bytes: int, waited_seconds: float
    ) -> Mapping[str, str]:
        """The headers that carry the context of the POST. `requests`: 1 for the first attempt."""
        batch = self._batches.get(batch_id)
        if batch is None:
            if requests > 1:
                return _NO_HEADERS  # its first request was not sampled
            process = self._process(runs, waited_seconds)
            if not process.is_recording():
                return _carrier(process)
            batch = self._batches[batch_id] = _Open(process, None)
        post = self._tracer.start_span(
            self._post_name,
            context=trace.set_span_in_context(batch.process),
            kind=SpanKind.CLIENT,
            attributes=self._http,
            start_time=self._time_ns(),
        )
        post.set_attribute(a.HTTP_BODY_SIZE, body_bytes)
        if requests > 1:
            post.set_attribute(a.HTTP_RESEND_COUNT, requests - 1)
        batch.post = post
        return _carrier(post)

    def _process(self, runs: Runs, waited_seconds: float) -> Span:
        first = runs[0][0][3].topic()
        topic = first if all(run[0][3].topic() == first for run in runs) else None
        span = self._tracer.start_span(
            a.span_name(a.PROCESS, topic),
            kind=SpanKind.CONSUMER,
            start_time=self._time_ns() - int(waited_seconds * 1e9),
        )
        if span.is_recording():
            span.set_attributes(self._messaging(a.PROCESS, "process", topic, sum(map(len, runs))))
            _add_links(span, (entry[3] for run in runs for entry in run), with_topic=topic is None)
        return span

    def batch_answered(
        self, batch_id: int, outcome: str, *, status: int | None, error_type: str | None, operation_id: str | None
    ) -> SpanContext | None:
        """Ends the POST. Returns its context when it is sampled."""
        batch = self._batches.get(batch_id)
        if batch is None or batch.post is None:
            return None
        post, batch.post = batch.post, None
        post.set_attribute(a.OUTCOME, outcome)
        if status is not None:
            post.set_attribute(a.HTTP_STATUS, status)
        if operation_id is not None:
            post.set_attribute(a.OPERATION_ID, operation_id)
        if error_type is not None:
            post.set_attribute(a.ERROR_TYPE, error_type)
            post.set_status(Status(StatusCode.ERROR))
        post.end(self._time_ns())
        return post.get_span_context()

    def batch_ended(self, batch_id: int, error_type: str | None) -> None:
        batch = self._batches.pop(batch_id, None)
        if batch is None:
            return
        now = self._time_ns()
        if batch.post is not None:  # the answer is not waited for any more
            batch.post.set_attribute(a.ERROR_TYPE, error_type or "abandoned")
            batch.post.end(now)
        if error_type is not None:
            batch.process.set_attribute(a.ERROR_TYPE, error_type)
            batch.process.set_status(Status(StatusCode.ERROR))
        else:
            self._settled.append((now, batch.process.get_span_context()))
        batch.process.end(now)

    def trace_of(self, batch_id: int) -> SpanContext | None:
        batch = self._batches.get(batch_id)
        if batch is None:
            return None
        return (batch.post or batch.process).get_span_context()

    def committed(self, topics: Sequence[str], partitions: int, seconds: float, error_type: str | None) -> None:
        """Only where a sampled batch is among what was committed: a commit without its batches tells nothing."""
        if not self._settled:
            return
        end = self._time_ns()
        start = end - int(seconds * 1e9)
        parent = None
        while self._settled and self._settled[0][0] <= start:
            parent = self._settled.popleft()[1]
        if parent is None:
            return  # what was settled since it was sent belongs to the next one
        topic = topics[0] if len(topics) == 1 else None
        span = self._tracer.start_span(
            a.span_name(a.COMMIT, topic),
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            kind=SpanKind.CLIENT,
            start_time=start,
        )
        span.set_attributes(self._messaging(a.COMMIT, "settle", topic, None))
        span.set_attribute("connector.partitions", partitions)
        if error_type is not None:
            span.set_attribute(a.ERROR_TYPE, error_type)
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def dead_letter_sent(self, record: SourceRecord, topic: str, stage: str, reason: str) -> str | None:
        """The dead letter's own `traceparent`. The message's own one stays among its headers as it was."""
        place = TopicPartition(record.topic(), record.partition()), record.offset()
        if place in self._sends:  # the producer had no room for it
            return traceparent(self._sends[place].get_span_context())
        span = self._tracer.start_span(a.span_name(a.SEND, topic), kind=SpanKind.PRODUCER, start_time=self._time_ns())
        if span.is_recording():
            attributes = self._messaging(a.SEND, a.SEND, topic, None)
            del attributes[a.GROUP]  # a consumer's
            span.set_attributes({**attributes, "connector.stage": stage, "connector.reason": reason})
            _add_links(span, (record,), with_topic=True)
            self._sends[place] = span
        return traceparent(span.get_span_context())

    def dead_letter_reported(self, origin: TopicPartition, offset: int, error_type: str | None) -> None:
        if not self._sends:
            return
        span = self._sends.pop((origin, offset), None)
        if span is None:
            return
        if error_type is not None:
            span.set_attribute(a.ERROR_TYPE, error_type)
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._time_ns())

    def end_all(self) -> None:
        """The loop has stopped: what is open ends as abandoned."""
        for batch_id in list(self._batches):
            self.batch_ended(batch_id, "abandoned")
        for origin, offset in list(self._sends):
            self.dead_letter_reported(origin, offset, "abandoned")

    def _messaging(self, name: str, kind: str, topic: str | None, count: int | None) -> dict[str, str | int]:
        attributes: dict[str, str | int] = {**self._kafka, a.OPERATION_NAME: name, a.OPERATION_TYPE: kind}
        if topic is not None:
            attributes[a.DESTINATION] = topic
        if count is not None:
            attributes[a.BATCH_COUNT] = count
        return attributes


def _only(counts: Mapping[str, int]) -> str | None:
    return next(iter(counts)) if len(counts) == 1 else None


def _carrier(span: Span) -> Mapping[str, str]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    return carrier


def _add_links(span: Span, records: Iterable[SourceRecord], *, with_topic: bool) -> None:
    """One link for each message that brought a trace of its own, at most LINKS_MAX."""
    links = 0
    for record in records:
        context = context_of(record)
        if context is None:
            continue
        attributes: dict[str, str | int] = {a.PARTITION: str(record.partition()), a.KAFKA_OFFSET: record.offset()}
        if with_topic:
            attributes[a.DESTINATION] = record.topic()
        span.add_link(context, attributes)
        links += 1
        if links == LINKS_MAX:
            return


def context_of(record: SourceRecord) -> SpanContext | None:
    """The context in which the message was made, from its `traceparent`; None where there is none that can be read."""
    parent = state = None
    for name, value in record.headers() or ():
        if value is None:
            continue
        if name == "traceparent":
            parent = value
        elif name == "tracestate":
            state = value
    if parent is None or len(parent) > 256:
        return None
    match = _TRACEPARENT.fullmatch(parent.decode("ascii", "replace"))
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    context = SpanContext(
        trace_id=int(match[2], 16),
        span_id=int(match[3], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[4], 16) & _FLAGS),
        trace_state=TraceState.from_header([state.decode("ascii", "replace")]) if state and len(state) <= 512 else None,
    )
    return context if context.is_valid else None


def traceparent(context: SpanContext) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
