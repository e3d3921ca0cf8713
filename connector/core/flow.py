"""How much may be read, and what is paused: the limits on records and bytes held in memory.

A pause throws prefetched records away and costs about a second after the resume (tried), so a full window first stops
reading, for at most HOLD_SECONDS, and pauses everything only when it stays full; a pause lasts until half of it is
free. What is read too early only goes cold (a third more CPU for each event: tried): while enough batches are ready to
be sent next, reading waits as well, for as long, so that an endpoint that is slow finds a full window all the same.

A partition whose own share is full (a parked key, a waiting dead letter) is treated the same way, alone: after
the hold it is paused, and the others flow on. While half of the window is free, a partition where nothing waits for a
schema or for the dead letters may hold more than its share.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from connector.core.partition import Partition

CONSUME_MAX = 500
HOLD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WindowLimits:
    records_max: int
    bytes_max: int


@dataclass(slots=True)
class Reading:
    """What the loop does next."""

    records: int
    """So many may be read now; 0 with `poll`: poll for callbacks and heartbeats, everything is paused."""
    poll: bool
    pause: list[Partition] = field(default_factory=list)
    resume: list[Partition] = field(default_factory=list)


class Flow:
    """Owns whether everything is paused, and since when the window is full."""

    __slots__ = ("_enough_since", "_full_since", "_limits", "_record_bytes", "paused", "pauses")

    def __init__(self, limits: WindowLimits) -> None:
        self._limits = limits
        self._full_since: float | None = None
        self._enough_since: float | None = None
        self._record_bytes = 1024.0  # what a record holds, by those of late
        self.paused = False
        self.pauses = 0

    def received(self, records: int, held_bytes: int) -> None:
        mean = (
            held_bytes / records
        )  # at once up, slowly down: a stretch of large records must not be read as small ones
        self._record_bytes = max(mean, self._record_bytes + 0.1 * (mean - self._record_bytes))

    def decide(
        self,
        partitions: Collection[Partition],
        records: int,
        held_bytes: int,
        allowed: int | None,
        now: float,
        *,
        enough: bool = False,
    ) -> Reading:
        """`allowed`: what the guard lets through; None: any number. `enough`: what is ready lasts until the next
        read."""
        if not enough or self.paused:
            self._enough_since = None
        elif self._enough_since is None or now - self._enough_since < HOLD_SECONDS:
            self._enough_since = self._enough_since if self._enough_since is not None else now
            return Reading(0, poll=False)
        room = min(
            self._limits.records_max - records,
            int((self._limits.bytes_max - held_bytes) / max(1.0, self._record_bytes)),
            CONSUME_MAX if allowed is None else allowed,
            CONSUME_MAX,
        )
        if records == 0 and allowed != 0:
            room = max(room, 1)  # a record larger than the whole limit, or than the mean lets expect, still goes alone
        if self.paused:
            if 2 * records > self._limits.records_max or 2 * held_bytes > self._limits.bytes_max or room <= 0:
                return Reading(0, poll=True, pause=[p for p in partitions if not p.paused])
            self.paused = False
            self._full_since = None
            return Reading(room, poll=True, resume=self._resumable(partitions))
        if room <= 0:
            if self._full_since is None:
                self._full_since = now
            if now - self._full_since < HOLD_SECONDS:
                return Reading(0, poll=False)
            self.paused = True
            self.pauses += 1
            return Reading(0, poll=True, pause=[p for p in partitions if not p.paused])
        self._full_since = None
        return self._by_share(partitions, records, room, now)

    def share(self, partitions: int) -> int:
        """Records that one of so many partitions may hold; room for two reads at least."""
        return max(self._limits.records_max // max(1, partitions), 2 * CONSUME_MAX)

    def _by_share(self, partitions: Collection[Partition], records: int, room: int, now: float) -> Reading:
        if len(partitions) < 2:
            return Reading(room, poll=True, resume=self._resumable(partitions))
        share = self.share(len(partitions))
        # The client hands a backlog out one partition after the other. While there is room, one in which nothing is
        # stuck may hold half of the window: its share alone would keep too few requests in flight (`bench wall`).
        roomy = max(share, self._limits.records_max // 2) if 2 * records <= self._limits.records_max else share
        reading = Reading(room, poll=True)
        for partition in partitions:
            limit = share if partition.held or partition.rejected else roomy
            if partition.window_records + CONSUME_MAX <= limit:
                partition.over_share_since = None
                if partition.paused and 2 * partition.window_records <= share:
                    reading.resume.append(partition)
            elif not partition.paused:
                if partition.over_share_since is None:
                    partition.over_share_since = now
                if now - partition.over_share_since >= HOLD_SECONDS:
                    reading.pause.append(partition)
                    self.pauses += 1
                else:
                    reading.poll = False  # its next records may already be fetched: wait for answers first
        return reading

    def _resumable(self, partitions: Collection[Partition]) -> list[Partition]:
        share = self.share(len(partitions))
        return [p for p in partitions if p.paused and (len(partitions) < 2 or 2 * p.window_records <= share)]
