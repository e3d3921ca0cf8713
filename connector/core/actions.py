"""What the engine is told to keep to, what it asks for, and what it says that an answer did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from connector.core.batching import Batch, BatchLimits, Run
from connector.core.flow import WindowLimits
from connector.core.guard import GuardLimits
from connector.core.outcomes import Outcome
from connector.core.pacing import PacingLimits
from connector.core.partition import Partition
from connector.core.records import NextOffset, Reject
from connector.core.reject_queue import DeadLetter


@dataclass(frozen=True, slots=True)
class EngineLimits:
    batch: BatchLimits
    window: WindowLimits
    pacing: PacingLimits
    guard: GuardLimits
    requests_max: int | None
    """In flight at once; None: as many as the endpoint likes."""


@dataclass(frozen=True, slots=True, eq=False)
class SendRequest:
    request_id: int
    batch: Batch


@dataclass(frozen=True, slots=True, eq=False)
class WriteDeadLetter:
    letter: DeadLetter


Action: TypeAlias = SendRequest | WriteDeadLetter


class CommitItem(NamedTuple):
    partition: Partition
    position: NextOffset
    metadata: str


@dataclass(slots=True, eq=False)
class AnswerReport:
    """What one answer did, for telemetry."""

    batch: Batch
    runs: list[Run]
    """What the request carried."""
    outcome: Outcome
    stale_events: int
    rejects: list[Reject] = field(default_factory=list)
    ended: bool = False
    """Nothing more will be sent of this batch."""
