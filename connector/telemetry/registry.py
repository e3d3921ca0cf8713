"""All instruments of the process, by name, and the latest snapshot that the gauges read.

Written by the loop's thread, read by the exporting ones (see `instruments.py`). A gauge never keeps a value of its own:
a partition that was given away is gone from the next reading.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from connector.core.outcomes import RetryReason
from connector.core.records import FaultKind
from connector.core.snapshot import Snapshot
from connector.telemetry import attributes as a
from connector.telemetry import metrics as m
from connector.telemetry.instruments import Counter, Gauge, Histogram, Instrument, Labels, ObservedCounter

_PAGE_BYTES = resource.getpagesize()


class Registry:
    def __init__(
        self, group: str, server_address: str, server_port: int, wall_seconds: Callable[[], float] = time.time
    ) -> None:
        self._wall_seconds = wall_seconds
        self.constant: Mapping[str, str] = {
            a.SYSTEM: a.SYSTEM_KAFKA,
            a.GROUP: group,
            a.HTTP_METHOD: "POST",
            a.SERVER_ADDRESS: server_address,
            a.SERVER_PORT: str(server_port),
        }
        self.consumed = Counter(m.CONSUMED)
        self.operation_duration = Histogram(m.OPERATION_DURATION)
        self.process_duration = Histogram(m.PROCESS_DURATION)
        self.sent = Counter(m.SENT)
        self.request_duration = Histogram(m.REQUEST_DURATION)
        self.settled = Counter(m.SETTLED)
        self.rejected = Counter(m.REJECTED)
        self.expired = Counter(m.EXPIRED)
        self.event_age = Histogram(m.EVENT_AGE)
        self.batch_events = Histogram(m.BATCH_EVENTS)
        self.retried = Counter(m.RETRIED)
        self.stale = Counter(m.STALE)
        self.rebalances = Counter(m.REBALANCES)
        self._started = time.monotonic()
        self._snapshot: Snapshot | None = None
        self._blocked_once: dict[str, None] = {}
        self.instruments: tuple[Instrument, ...] = (
            self.consumed,
            self.operation_duration,
            self.process_duration,
            self.sent,
            self.request_duration,
            ObservedCounter(m.CPU_TIME, _cpu_time),
            Gauge(m.MEMORY, _memory),
            Gauge(m.UPTIME, self._uptime),
            self.settled,
            self.rejected,
            self.expired,
            Gauge(m.LAG, self._lag),
            Gauge(m.OLDEST_AGE, self._oldest_age),
            self.event_age,
            self.batch_events,
            Gauge(m.IN_FLIGHT, self._in_flight),
            self.retried,
            Gauge(m.BLOCKED, self._blocked),
            Gauge(m.BREAKER, self._breaker),
            self.stale,
            self.rebalances,
            Gauge(m.PARTITIONS, self._partitions),
            Gauge(m.PAUSED, self._paused),
            Gauge(m.WINDOW_RECORDS, self._window_records),
            Gauge(m.WINDOW_BYTES, self._window_bytes),
            Gauge(m.DEAD_LETTERS_WAITING, self._dead_letters_waiting),
        )
        self.start_at_zero()

    def start_at_zero(self) -> None:
        """Sums whose first increment must be seen by a rate: a series that begins at 1 has no increase."""
        for evidence in ("delivered", "dead_lettered", "skipped", "committed_ahead"):
            self.settled.add(0, (evidence,))
        for event in ("assigned", "revoked", "lost"):
            self.rebalances.add(0, (event,))
        # of a transport's fault it is the kind that is told
        for reason in sorted({*get_args(RetryReason), *get_args(FaultKind)} - {"transport"}):
            self.retried.add(0, (reason,))
        self.stale.add(0)

    def show(self, snapshot: Snapshot) -> None:
        for trouble in snapshot.blocked:
            self._blocked_once[trouble.reason] = None
        self._snapshot = snapshot

    def _lag(self) -> Iterable[tuple[Labels, float]]:
        if (shown := self._snapshot) is None:
            return []
        return [
            ((state.name.topic, str(state.name.partition)), float(state.lag))
            for state in shown.partitions
            if state.lag is not None
        ]

    def _oldest_age(self) -> Iterable[tuple[Labels, float]]:
        if (shown := self._snapshot) is None:
            return []
        waiting = [state.oldest_ms for state in shown.partitions if state.oldest_ms is not None]
        if not waiting:
            return [((), 0.0)]
        return [((), max(0.0, self._wall_seconds() - min(waiting) / 1000.0))]

    def _blocked(self) -> Iterable[tuple[Labels, float]]:
        if (shown := self._snapshot) is None:
            return []
        now = {trouble.reason for trouble in shown.blocked}
        return [((reason,), float(reason in now)) for reason in self._blocked_once.copy()]

    def _in_flight(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(shown.requests_in_flight))]

    def _breaker(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(shown.breaker.state != "closed"))]

    def _partitions(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(len(shown.partitions)))]

    def _paused(self) -> Iterable[tuple[Labels, float]]:
        if (shown := self._snapshot) is None:
            return []
        return [((), float(sum(state.paused for state in shown.partitions)))]

    def _window_records(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(shown.window_records))]

    def _window_bytes(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(shown.window_bytes))]

    def _dead_letters_waiting(self) -> Iterable[tuple[Labels, float]]:
        return [] if (shown := self._snapshot) is None else [((), float(shown.dead_letters_waiting))]

    def _uptime(self) -> Iterable[tuple[Labels, float]]:
        return [((), time.monotonic() - self._started)]


def _cpu_time() -> Iterable[tuple[Labels, float]]:
    times = os.times()
    return [(("user",), times.user), (("system",), times.system)]


def _memory() -> Iterable[tuple[Labels, float]]:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return [((), float(int(file.read().split()[1]) * _PAGE_BYTES))]
    except (OSError, ValueError, IndexError):
        return []  # not Linux: no series rather than a wrong one
