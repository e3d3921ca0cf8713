"""Records to batches, by count, by the bytes of the final body, and by age.

A batch is what travels in one request: an array of at most `events_max` events and `bytes_max` bytes. One open batch
fills from all partitions. It is sealed when it is full, and taken when it is due: at once while nothing is in flight,
as Nagle's algorithm does, else `linger_seconds` after its first record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from connector.core.records import Entry

if TYPE_CHECKING:
    from connector.core.isolation import Group, Remainder
    from connector.core.partition import Partition

Run: TypeAlias = "tuple[Partition, list[Entry]]"
"""Entries of one partition, in the order of their offsets."""

Item: TypeAlias = "tuple[Partition, Entry]"
"""One event with its partition: what isolation cuts."""

_BRACKETS = 2


@dataclass(frozen=True, slots=True)
class BatchLimits:
    events_max: int
    bytes_max: int
    """Of the final body: brackets and commas counted."""
    linger_seconds: float


class Batch:
    """The events of one request, and what the retries of it need to know.

    `runs` is what the next request carries. After a refusal that is only a part of what the batch started with, and
    `remainder` knows what is still to be sent after it.
    """

    __slots__ = ("attempts", "batch_id", "body_bytes", "events", "group", "opened_at", "remainder", "requests", "runs")

    def __init__(self, batch_id: int, opened_at: float) -> None:
        self.batch_id = batch_id
        self.opened_at = opened_at
        self.runs: list[Run] = []
        self.events = 0
        self.body_bytes = _BRACKETS
        self.attempts = 0  # requests in a row without a usable answer; drives the back-off
        self.requests = 0  # all requests that carried these events
        self.group: Group[Item] | None = None  # what `runs` is a part of, once the batch was refused
        self.remainder: Remainder[Item] | None = None

    def add(self, partition: Partition, entries: list[Entry], bodies_bytes: int) -> None:
        if self.runs and self.runs[-1][0] is partition:
            self.runs[-1][1].extend(entries)
        else:
            self.runs.append((partition, list(entries)))
        self.events += len(entries)
        self.body_bytes += bodies_bytes + len(entries)

    def replace(self, runs: list[Run]) -> None:
        """From now on the next request carries `runs`."""
        self.runs = runs
        self.events = sum(len(entries) for _, entries in runs)
        self.body_bytes = _BRACKETS + sum(len(entry[2]) + 1 for _, entries in runs for entry in entries)

    def items(self) -> list[Item]:
        return [(partition, entry) for partition, entries in self.runs for entry in entries]

    def body(self) -> bytes:
        """The JSON array. Each event is spliced in as it was serialized."""
        return b"[" + b",".join([entry[2] for _, entries in self.runs for entry in entries]) + b"]"

    def without_gone(self) -> bool:
        """Takes out the events of partitions that were given away. True if there were any."""
        if not any(partition.gone for partition, _ in self.runs):
            return False
        self.replace([run for run in self.runs if not run[0].gone])
        return True


def runs_of(items: Sequence[Item]) -> list[Run]:
    """Items as runs, in the same order."""
    runs: list[Run] = []
    for partition, entry in items:
        if runs and runs[-1][0] is partition:
            runs[-1][1].append(entry)
        else:
            runs.append((partition, [entry]))
    return runs


class Batching:
    """Owns the open batch and those that are sealed and not yet sent."""

    __slots__ = ("_limits", "_next_id", "_open", "sealed")

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._open: Batch | None = None
        self._next_id = 0
        self.sealed: deque[Batch] = deque()

    def open(self, now: float) -> Batch:
        """The open batch, which has room for one event at least."""
        if self._open is None:
            self._next_id += 1
            self._open = Batch(self._next_id, now)
        return self._open

    def fitting(self, entries: Sequence[Entry], start: int, batch: Batch) -> tuple[int, int]:
        """How many of `entries` from `start` on fit into `batch`, and the sum of their bodies' bytes.

        The events of one record stay together, so that a drain, which waits for what is in flight and sends nothing
        more, leaves no record half delivered. A batch that is empty takes a part of a record that needs more than one
        batch, and one event whatever its size: the limit for a single one is the contract's, and was checked when it
        was validated.
        """
        events = min(self._limits.events_max - batch.events, len(entries) - start)
        room = self._limits.bytes_max - batch.body_bytes
        total = sum([len(entry[2]) for entry in entries[start : start + events]])
        if total + events > room:
            total = events = 0
            while total + events + len(entries[start + events][2]) + 1 <= room:
                total += len(entries[start + events][2])
                events += 1
        end = start + events
        if start < end < len(entries) and entries[end - 1][0] == entries[end][0]:
            cut = entries[end][0]
            while end > start and entries[end - 1][0] == cut:
                end -= 1
            if end > start or batch.events:
                return end - start, sum([len(entry[2]) for entry in entries[start:end]])
        if events == 0 and batch.events == 0:
            return 1, len(entries[start][2])
        return events, total

    def room(self, batch: Batch) -> tuple[int, int]:
        """(events, bytes) that still fit; each event needs a byte for its comma."""
        return self._limits.events_max - batch.events, self._limits.bytes_max - batch.body_bytes

    def is_full(self, batch: Batch) -> bool:
        return batch.events >= self._limits.events_max or batch.body_bytes >= self._limits.bytes_max

    def seal(self) -> None:
        """Closes the open batch: nothing joins it any more."""
        if self._open is not None and self._open.events:
            self.sealed.append(self._open)
            self._open = None

    def take(self, now: float, idle: bool) -> Batch | None:
        """The next batch to send: a sealed one, else the open one if it is due (`idle`: nothing is in flight)."""
        if self.sealed:
            return self.sealed.popleft()
        batch = self._open
        if batch is None or not batch.events:
            return None
        if idle or now - batch.opened_at >= self._limits.linger_seconds:
            self._open = None
            return batch
        return None

    def due_at(self) -> float | None:
        """When the open batch's linger is over; None when there is none."""
        if self._open is None or not self._open.events:
            return None
        return self._open.opened_at + self._limits.linger_seconds

    def drop_gone(self) -> None:
        """Takes the events of partitions that were given away out of everything that is not sent."""
        if self._open is not None and self._open.without_gone() and not self._open.events:
            self._open = None
        for batch in self.sealed:
            batch.without_gone()
        self.sealed = deque(batch for batch in self.sealed if batch.events)
