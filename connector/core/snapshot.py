"""What the loop shows of itself: one immutable value, made anew every second or so and swapped in whole.

The metrics' gauges, the probes and the status page all read the latest snapshot, so they cannot disagree, and what is
not in it any more (a partition that was given away) is in none of them. Pure: times are the loop's own clock, `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from connector.core.records import NextOffset, Reason, Stage, TopicPartition

Phase: TypeAlias = Literal["starting", "running", "draining", "stopped"]

Side: TypeAlias = Literal["kafka", "airship", "schema_registry", "dead_letters", "rejects"]
"""Whose trouble it is. `rejects` is the guard: too many of the messages themselves are refused."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that delivery waits for."""

    side: Side
    reason: str
    """One of a small closed set: it is the `reason` of `connector.delivery.blocked`."""
    since: float
    detail: str = ""
    """For people: what was found and how to mend it. No payload, no user, no secret."""
    stops_delivery: bool = True
    """False: noticed and shown, while events still flow (one topic's schema is not to be had, say)."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    name: TopicPartition
    position: NextOffset | None
    """The next offset to be read."""
    committed: NextOffset | None
    """What the broker confirmed; None before the first commit of the group."""
    end: NextOffset | None
    """The last stable offset, as last asked of the broker; None while that is not known."""
    window_records: int = 0
    """Read and not yet settled."""
    window_bytes: int = 0
    paused: bool = False
    dead_letters_waiting: int = 0
    settled: NextOffset | None = None
    """Below it everything is settled: what the next commit will say."""
    oldest_ms: int | None = None
    """Timestamp of the oldest record that was read and is not settled, or of the first that was read together with it:
    at most one read's span too old. None when nothing waits, or it has no timestamp."""

    @property
    def lag(self) -> int | None:
        """Records between what is settled and the end: what this group still has to do. None while not known."""
        done = self.settled if self.settled is not None else self.committed
        if self.end is None or done is None:
            return None
        return max(0, self.end - done)


@dataclass(frozen=True, slots=True)
class BreakerState:
    state: Literal["closed", "open", "half_open"] = "closed"
    since: float | None = None
    reason: str = ""
    """Of the last request, while it was one that failed."""
    next_attempt: float | None = None
    """When the next request may go."""


@dataclass(frozen=True, slots=True)
class RejectCount:
    """How often one reason was met since the start, without any of the messages."""

    stage: Stage
    reason: Reason
    count: int
    last: float
    fault: str = ""
    """What was wrong with one of the last, as its dead letter says it; bounded, empty where it may quote the event."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, over the last ten seconds or so."""

    read: float = 0.0
    delivered: float = 0.0
    rejected: float = 0.0
    requests: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    taken: float
    """On the loop's clock, like every other time in here."""
    phase: Phase = "starting"
    joined: bool = False
    """The group has answered with an assignment, if only with one of no partitions."""
    partitions: tuple[PartitionState, ...] = ()
    window_records_max: int = 0
    window_bytes_max: int = 0
    pauses: int = 0
    """How often reading was paused since the start, of all partitions or of one: a pause is dear."""
    requests_in_flight: int = 0
    requests_max: int = 0
    batches_waiting: int = 0
    """Sealed, or waiting for their next attempt."""
    breaker: BreakerState = BreakerState()
    troubles: tuple[Trouble, ...] = ()
    dead_letters_waiting: int = 0
    """Given to the producer, or kept for it, and not yet reported."""
    last_delivery: float | None = None
    """The last 200."""
    rejects: tuple[RejectCount, ...] = ()
    """Filled in by telemetry."""
    rates: Rates = Rates()
    """Filled in by telemetry."""

    @property
    def window_records(self) -> int:
        return sum([partition.window_records for partition in self.partitions])

    @property
    def window_bytes(self) -> int:
        return sum([partition.window_bytes for partition in self.partitions])

    @property
    def lag(self) -> int | None:
        """The sum over the partitions held; None while one of them is not known, or which they are."""
        if not self.partitions and any(trouble.side == "kafka" for trouble in self.blocked):
            return None
        lags = [partition.lag for partition in self.partitions]
        known = [lag for lag in lags if lag is not None]
        return sum(known) if len(known) == len(lags) else None

    @property
    def blocked(self) -> tuple[Trouble, ...]:
        return tuple(trouble for trouble in self.troubles if trouble.stops_delivery)

    def not_ready(self) -> str | None:
        """Why `/readyz` says no, or None. An open breaker is not a reason: it closes by itself within seconds."""
        if self.phase != "running":
            cause = self.troubles[0].detail if self.troubles else "not yet connected"
            return {"starting": f"starting: {cause}", "draining": "stopping", "stopped": "stopped"}[self.phase]
        if self.blocked:
            return "; ".join(f"{trouble.side}: {trouble.reason}: {trouble.detail}" for trouble in self.blocked)
        if not self.joined:
            return "the consumer group has not answered with an assignment yet"
        return None
