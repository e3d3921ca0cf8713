"""Telemetry that listens: what the loop tells becomes metrics, spans, log lines and the latest snapshot."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from opentelemetry.trace import SpanContext

from connector.core.records import Reason, Reject, SourceRecord, Stage, TopicPartition
from connector.core.snapshot import Rates, RejectCount, Snapshot
from connector.telemetry.changes import tell_changes
from connector.telemetry.instruments import Exemplar
from connector.telemetry.logs import EventLog
from connector.telemetry.port import NO_HEADERS, Evidence, OutcomeName, RebalanceEvent, Telemetry
from connector.telemetry.registry import Registry
from connector.telemetry.tracing import Runs, Tracing

AGE_SAMPLES_MAX = 8
"""Records whose age is looked at in one run of a batch; with more, each stands for its neighbours."""

RATES_SECONDS = 10.0
_FAULT_CHARACTERS_MAX = 1_000
"""Of the last reject's text that the status page shows."""


class LiveTelemetry(Telemetry):
    """Owned by the loop's thread; `latest` and the registry are read by others."""

    def __init__(
        self,
        registry: Registry,
        log: EventLog,
        tracing: Tracing | None,
        time_seconds: Callable[[], float] = time.time,
        blot: Callable[[str], str] = str,
    ) -> None:
        """`blot` takes secrets out of the texts of troubles, which may quote what an endpoint answered."""
        self._blot = blot
        self._registry = registry
        self._log = log
        self._tracing = tracing
        self._time = time_seconds
        self._settled: dict[str, int] = {}
        self._rejects: dict[tuple[Stage, Reason], RejectCount] = {}
        self._letters: dict[tuple[TopicPartition, int], float] = {}  # to be written, and since when
        self._new_rejects: Tally[tuple[Stage, Reason]] = Tally()
        self._last_faults: dict[tuple[Stage, Reason], str] = {}
        self._read = self._rejected = self._requests = 0
        self._samples: deque[tuple[float, int, int, int, int]] = deque()

    def connected(self, cluster_id: str | None) -> None:
        if self._tracing is not None:
            self._tracing.connected(cluster_id)

    def polled(self, counts: Mapping[str, int], seconds: float, records: Sequence[SourceRecord]) -> None:
        registry = self._registry
        topic = ""
        for topic, count in counts.items():
            registry.consumed.add(count, ("poll", topic))
            self._read += count
        registry.operation_duration.record(seconds, ("poll", topic if len(counts) == 1 else "", ""))
        if self._tracing is not None:
            self._tracing.polled(counts, seconds, records)

    def batch_sent(
        self, batch_id: int, runs: Runs, *, requests: int, body_bytes: int, waited_seconds: float
    ) -> Mapping[str, str]:
        self._requests += 1
        self._registry.batch_events.record(sum(map(len, runs)))
        if self._tracing is None:
            return NO_HEADERS
        return self._tracing.batch_sent(
            batch_id, runs, requests=requests, body_bytes=body_bytes, waited_seconds=waited_seconds
        )

    def batch_answered(
        self,
        batch_id: int,
        outcome: OutcomeName,
        seconds: float,
        *,
        status: int | None,
        reason: str | None = None,
        operation_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        error_type = _error_type(outcome, status, reason)
        context = None
        if self._tracing is not None:
            context = self._tracing.batch_answered(
                batch_id, outcome, status=status, error_type=error_type, operation_id=operation_id
            )
        exemplar = None if context is None else self._exemplar(context, seconds)
        labels = ("" if status is None else str(status), error_type or "")
        self._registry.request_duration.record(seconds, labels, exemplar=exemplar)
        if outcome == "retry":
            self._registry.retried.add(1, (reason or "unknown",))
            self._log.warning(
                "request failed, will be sent again",
                trace=context,
                batch=batch_id,
                status=status,
                reason=reason,
                detail=detail,
            )
        elif outcome != "delivered":
            self._log.warning(
                "request not accepted",
                trace=context,
                batch=batch_id,
                outcome=outcome,
                status=status,
                reason=reason,
                detail=detail,
            )
        else:
            self._log.debug("batch delivered", trace=context, batch=batch_id, operation_id=operation_id)

    def batch_delivered(self, runs: Runs) -> None:
        now_ms = self._time() * 1000.0
        record_age = self._registry.event_age.record
        for run in runs:
            step = -(-len(run) // AGE_SAMPLES_MAX)
            for start in range(0, len(run), step):
                kind, milliseconds = run[start][3].timestamp()
                if kind:
                    record_age(max(0.0, now_ms - milliseconds) / 1000.0, (), min(step, len(run) - start))

    def batch_ended(self, batch_id: int, seconds: float, error_type: str | None = None) -> None:
        self._registry.process_duration.record(seconds, ("process", error_type or ""))
        if self._tracing is not None:
            self._tracing.batch_ended(batch_id, error_type)

    def settled(self, evidence: Evidence, records: int) -> None:
        if records:
            self._settled[evidence] = self._settled.get(evidence, 0) + records
            self._registry.settled.add(records, (evidence,))

    def rejected(self, rejects: Sequence[Reject]) -> None:
        for (stage, reason), count in Tally([(reject.stage, reject.reason) for reject in rejects]).items():
            self._registry.rejected.add(count, (stage, reason))
            self._new_rejects[stage, reason] += count
            self._rejected += count
            first = next(reject for reject in rejects if (reject.stage, reject.reason) == (stage, reason))
            # what Airship says about an event may quote it: that is for the dead letter alone
            fault = "" if stage == "deliver" else first.message
            self._last_faults[stage, reason] = self._blot(fault)[:_FAULT_CHARACTERS_MAX]
            self._log.warning(
                "record rejected" if count == 1 else "records rejected",
                stage=stage,
                reason=reason,
                records=count,
                topic=first.record.topic(),
                partition=first.record.partition(),
                offset=first.record.offset(),
                field=first.faults[0].field if first.faults else None,
                fault=fault or None,
                http_status=first.http_status,
            )

    def dead_letter_sent(self, reject: Reject, topic: str) -> str | None:
        record = reject.record
        self._letters.setdefault((TopicPartition(record.topic(), record.partition()), record.offset()), self._time())
        if self._tracing is None:
            return None
        return self._tracing.dead_letter_sent(reject.record, topic, reject.stage, reject.reason)

    def dead_letter_reported(self, origin: TopicPartition, offset: int, topic: str, error: str | None = None) -> None:
        error_type = _name_of(error)
        self._registry.sent.add(1, ("send", topic, error_type or ""))
        started = self._letters.pop((origin, offset), None)
        if started is not None:
            seconds = max(0.0, self._time() - started)
            self._registry.operation_duration.record(seconds, ("send", topic, error_type or ""))
        if error is not None:
            self._log.error(
                "dead letter not written",
                topic=topic,
                detail=error,
                origin_topic=origin.topic,
                origin_partition=origin.partition,
                origin_offset=offset,
            )
        if self._tracing is not None:
            self._tracing.dead_letter_reported(origin, offset, error_type)

    def committed(self, partitions: Sequence[TopicPartition], seconds: float, error: str | None = None) -> None:
        error_type = _name_of(error)
        topics = sorted({partition.topic for partition in partitions})
        topic = topics[0] if len(topics) == 1 else ""
        self._registry.operation_duration.record(seconds, ("commit", topic, error_type or ""))
        if error is not None:
            self._log.warning("commit failed, stays due", detail=error, partitions=len(partitions))
        if self._tracing is not None:
            self._tracing.committed(topics, len(partitions), seconds, error_type)

    def rebalanced(self, event: RebalanceEvent, partitions: Sequence[TopicPartition]) -> None:
        self._registry.rebalances.add(1, (event,))
        tell = self._log.warning if event == "lost" else self._log.info
        tell(f"partitions {event}", count=len(partitions), partitions=", ".join(map(str, partitions)))
        if event != "assigned":
            self._forget_letters(partitions)

    def _forget_letters(self, partitions: Collection[TopicPartition]) -> None:
        """Of partitions that were given away nobody waits for a report."""
        for origin, offset in [letter for letter in self._letters if letter[0] in partitions]:
            del self._letters[origin, offset]
            if self._tracing is not None:
                self._tracing.dead_letter_reported(origin, offset, "abandoned")

    def expired(self, partition: TopicPartition, records: int) -> None:
        self._registry.expired.add(records, (partition.topic,))
        self._log.error(
            "records expired before they were read",
            topic=partition.topic,
            partition=partition.partition,
            records=records,
        )

    def answers_stale(self, records: int) -> None:
        self._registry.stale.add(records)

    def publish(self, snapshot: Snapshot) -> None:
        before = self.latest
        self._count_rejects(snapshot.taken)
        snapshot = replace(
            snapshot,
            rejects=tuple(self._rejects.values()),
            rates=self._rates(snapshot.taken),
            troubles=tuple(replace(trouble, detail=self._blot(trouble.detail)) for trouble in snapshot.troubles),
            breaker=replace(snapshot.breaker, reason=self._blot(snapshot.breaker.reason)),
        )
        self.latest = snapshot
        self._registry.show(snapshot)
        tell_changes(self._log, before, snapshot)

    def _count_rejects(self, now: float) -> None:
        for (stage, reason), count in self._new_rejects.items():
            known = self._rejects.get((stage, reason))
            total = count if known is None else known.count + count
            self._rejects[stage, reason] = RejectCount(
                stage, reason, total, now, self._last_faults.get((stage, reason), "")
            )
        self._new_rejects.clear()

    def _rates(self, now: float) -> Rates:
        sample = (now, self._read, self._settled.get("delivered", 0), self._rejected, self._requests)
        samples = self._samples
        samples.append(sample)
        while len(samples) > 2 and now - samples[1][0] >= RATES_SECONDS:
            samples.popleft()
        first = samples[0]
        span = now - first[0]
        if span <= 0:
            return Rates()
        read, delivered, rejected, requests = (
            round((b - a) / span, 1) for a, b in zip(first[1:], sample[1:], strict=True)
        )
        return Rates(read, delivered, rejected, requests)

    def trace_of(self, batch_id: int) -> SpanContext | None:
        return None if self._tracing is None else self._tracing.trace_of(batch_id)

    def stopped(self) -> None:
        if self._tracing is not None:
            self._tracing.end_all()

    def _exemplar(self, context: SpanContext, value: float) -> Exemplar:
        return Exemplar(context.trace_id, context.span_id, value, int(self._time() * 1e9))


def _name_of(error: str | None) -> str | None:
    """Of `NAME: what it says` the name, which is one of few."""
    return None if error is None else error.partition(":")[0]


def _error_type(outcome: OutcomeName, status: int | None, reason: str | None) -> str | None:
    """The conventions' `error.type`: the status of an answer that is an error, else what kind of fault it was."""
    if outcome == "delivered":
        return None
    if status is not None and status >= 400:
        return str(status)
    return reason or outcome
