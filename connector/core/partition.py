"""The state of one assigned partition, for one epoch.

A partition that is given away and comes back gets a new object with a new epoch. What still refers to the old one (a
request in flight, a dead letter without its report) is told by `gone`: its answer is counted and changes nothing.
"""

from __future__ import annotations

from collections import deque

from connector.core.batching import Batch
from connector.core.ordering import OrderingGate
from connector.core.progress import Progress
from connector.core.records import NextOffset, SchemaWait, SourceRecord, TopicPartition


class Partition:
    __slots__ = (
        "committed",
        "committed_metadata",
        "epoch",
        "gate",
        "gone",
        "held",
        "held_bytes",
        "held_for",
        "name",
        "over_share_since",
        "paused",
        "progress",
        "rejected",
        "window_bytes",
    )

    def __init__(self, name: TopicPartition, epoch: int, progress: Progress, committed: NextOffset | None) -> None:
        self.name = name
        self.epoch = epoch
        self.progress = progress
        self.gate: OrderingGate[Batch] = OrderingGate()
        self.gone = False
        self.committed = committed  # what the broker confirmed, with its metadata
        self.committed_metadata = ""
        self.held: deque[SourceRecord] = deque()  # read, not decoded: the first waits for a schema, or for room
        self.held_bytes = 0
        self.held_for: SchemaWait | None = None
        self.rejected: set[int] = set()  # offsets whose dead letter is not reported yet
        self.window_bytes = 0
        self.paused = False
        self.over_share_since: float | None = None

    @property
    def window_records(self) -> int:
        return len(self.progress)

    def __repr__(self) -> str:
        return f"<{self.name} epoch {self.epoch}{' gone' if self.gone else ''}>"
