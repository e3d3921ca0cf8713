"""What the loop tells about itself: the interface, which is at the same time the one that listens to nothing.

Arguments are plain values of `core.records`. Each call is made for a batch, a poll, a commit or a rebalance, never for
a record. Nothing told here is decided on, blocks, or raises. `live.py` has the one that listens.
"""
# ruff: noqa: ARG002  one that listens to nothing uses none of its arguments

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from opentelemetry.trace import SpanContext

from connector.core.records import Reject, SourceRecord, TopicPartition
from connector.core.snapshot import Snapshot
from connector.telemetry.tracing import Runs

Evidence: TypeAlias = Literal["delivered", "dead_lettered", "skipped", "committed_ahead"]
RebalanceEvent: TypeAlias = Literal["assigned", "revoked", "lost"]
OutcomeName: TypeAlias = Literal["delivered", "retry", "split", "refused", "blocked"]

NO_HEADERS: Mapping[str, str] = {}


class Telemetry:
    """Listens to nothing: for tests and benchmarks, and as the list of what can be told."""

    latest: Snapshot | None = None
    """The last one published. Read by the HTTP thread."""

    def connected(self, cluster_id: str | None) -> None:
        """The cluster answered; None where it does not say its id."""

    def polled(self, counts: Mapping[str, int], seconds: float, records: Sequence[SourceRecord]) -> None:
        """A read returned `records`, so many of each topic. Not for a read that returned none."""

    def batch_sent(
        self, batch_id: int, runs: Runs, *, requests: int, body_bytes: int, waited_seconds: float
    ) -> Mapping[str, str]:
        """A request is about to be handed to the sender. Returns headers for it; do not change the mapping.

        `requests` counts the requests of this batch, this one included: 1 for the first attempt. `waited_seconds`
        is the time since the batch's first record joined it.
        """
        return NO_HEADERS

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
        """The answer to it.

        `reason`: of a retry or a block, or the kind of the transport's fault; `detail`: the same in words.
        """

    def batch_delivered(self, runs: Runs) -> None:
        """A 200 contained these: their ages are taken."""

    def batch_ended(self, batch_id: int, seconds: float, error_type: str | None = None) -> None:
        """Nothing more will be sent of this batch. `error_type`: it was given up (its partitions went away)."""

    def settled(self, evidence: Evidence, records: int) -> None: ...

    def rejected(self, rejects: Sequence[Reject]) -> None: ...

    def dead_letter_sent(self, reject: Reject, topic: str) -> str | None:
        """A dead letter is about to be produced; told again when the producer had no room for it.

        Returns its own `traceparent`, for the header of that name.
        """
        return None

    def dead_letter_reported(self, origin: TopicPartition, offset: int, topic: str, error: str | None = None) -> None:
        """The delivery report for it; `error` when it was refused: the error's name, or `NAME: what it says`."""

    def committed(self, partitions: Sequence[TopicPartition], seconds: float, error: str | None = None) -> None:
        """A commit was answered; `error` as for a dead letter."""

    def rebalanced(self, event: RebalanceEvent, partitions: Sequence[TopicPartition]) -> None: ...

    def expired(self, partition: TopicPartition, records: int) -> None:
        """The log starts `records` above the committed position: retention deleted them."""

    def answers_stale(self, records: int) -> None:
        """An answer came for records of partitions that were given away."""

    def publish(self, snapshot: Snapshot) -> None:
        """Makes it the latest; call about once a second and when something changes."""

    def trace_of(self, batch_id: int) -> SpanContext | None:
        """For the log lines about a batch."""
        return None

    def stopped(self) -> None:
        """The loop has ended; open spans end."""
