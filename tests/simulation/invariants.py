"""What must hold after every step: the seven invariants, checked against evidence that the models gathered themselves.

An epoch is one partition as one member holds it, from one assignment to its end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from connector.core.engine import Engine
from connector.core.partition import Partition
from connector.core.progress import OffsetRange
from tests.simulation.kafka_model import EventId, ModelRecord

Epoch: TypeAlias = tuple[int, int]
"""(member, epoch of its engine)."""

Posted: TypeAlias = Literal["open", "failed", "delivered"]


class Violation(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, invariant: str, found: str) -> None:
    if not holds:
        raise Violation(f"invariant {invariant}: {found}")


@dataclass(slots=True)
class EpochLedger:
    """What one epoch began with, and what it did."""

    named: frozenset[int]
    """Offsets that the commit it began with names as settled."""
    posted: dict[EventId, Posted] = field(default_factory=dict)
    stored: set[EventId] = field(default_factory=set)
    last_of_key: dict[bytes, tuple[int, int]] = field(default_factory=dict)


def _start(of: OffsetRange) -> int:
    return of.start


class Ledger:
    def __init__(self) -> None:
        self.records: dict[tuple[int, int], ModelRecord] = {}
        self._delivered: set[EventId] = set()
        self._reported: set[tuple[int, int]] = set()
        self._skipped: set[tuple[int, int]] = set()
        self._unsettled: dict[int, dict[int, ModelRecord]] = {}  # by partition and offset, ascending
        self.stored: dict[EventId, int] = {}
        self._epochs: dict[Epoch, EpochLedger] = {}

    def began(self, epoch: Epoch, named: frozenset[int]) -> None:
        self._epochs[epoch] = EpochLedger(named)

    def produced(self, record: ModelRecord) -> None:
        self.records[record.partition(), record.at] = record
        self._unsettled.setdefault(record.partition(), {})[record.at] = record

    def is_settled(self, record: ModelRecord) -> bool:
        return record.at not in self._unsettled[record.partition()]

    def _has_evidence(self, record: ModelRecord) -> bool:
        """Whether there is evidence for all of it."""
        place = (record.partition(), record.at)
        if record.kind == "skipped":
            return place in self._skipped
        if record.is_rejected and place not in self._reported:
            return False
        return all(
            EventId(*place, index) in self._delivered for index, kind in enumerate(record.events) if kind == "good"
        )

    def _evidence(self, partition: int, offset: int) -> None:
        if self._has_evidence(self.records[partition, offset]):
            self._unsettled[partition].pop(offset, None)

    def skipped(self, partition: int, offset: int) -> None:
        self._skipped.add((partition, offset))
        self._evidence(partition, offset)

    def reported(self, partition: int, offset: int) -> None:
        self._reported.add((partition, offset))
        self._evidence(partition, offset)

    # -- what happened -----------------------------------------------------------------------------------------------

    def post(self, runs: Iterable[tuple[Epoch, Sequence[EventId]]]) -> None:
        for epoch, events in runs:
            known = self._epochs[epoch]
            for event in events:
                before = known.posted.get(event, "failed")
                if before != "failed":
                    raise Violation(f"invariant 7: {event} is posted again although it is {before} in epoch {epoch}")
                if event.offset in known.named:
                    raise Violation(f"invariant 7: {event} was named as settled by the commit that {epoch} began with")
                known.posted[event] = "open"

    def answered(self, runs: Iterable[tuple[Epoch, Sequence[EventId]]], *, delivered: bool) -> None:
        for epoch, events in runs:
            posted = self._epochs[epoch].posted
            for event in events:
                posted[event] = "delivered" if delivered else "failed"
                if delivered:
                    self._delivered.add(event)
                    self._evidence(event.partition, event.offset)

    def was_stored(self, runs: Iterable[tuple[Epoch, Sequence[EventId]]]) -> None:
        for epoch, events in runs:
            known = self._epochs[epoch]
            for event in events:
                self.stored[event] = self.stored.get(event, 0) + 1
                key = self.records[event.partition, event.offset].ordering_key
                if key is None or event in known.stored:
                    continue
                known.stored.add(event)
                place, last = (event.offset, event.part), known.last_of_key.get(key, (-1, -1))
                require(place > last, "5", f"{event} of key {key!r} arrived after {last} in epoch {epoch}")
                known.last_of_key[key] = place

    # -- checks ------------------------------------------------------------------------------------------------------

    def check_letter(self, record: ModelRecord) -> None:
        require(record.is_rejected, "2", f"{record.name}@{record.at} is good and goes to the dead letters")

    def check_commit(self, partition: Partition, position: int, ahead: Sequence[OffsetRange]) -> None:
        """Nothing below the position, and nothing in the ranges above it, is without evidence."""
        unsettled = self._unsettled.get(partition.name.partition, {})
        first = next(iter(unsettled), position)
        if first < position:
            raise Violation(f"invariant 1: {partition}: position {position}, and {first} is not settled")
        if not ahead:
            return
        for offset in unsettled:
            if offset >= ahead[-1].end:
                break
            before = bisect_right(ahead, offset, key=_start)
            if before and offset < ahead[before - 1].end:
                raise Violation(f"invariant 2: {partition}: {ahead} go with {position}, and {offset} is not settled")

    def check_named(self, epoch: Epoch, position: int, ahead: Sequence[OffsetRange]) -> None:
        """What the commit before named as settled is still named, or below the position."""
        for offset in self._epochs[epoch].named:
            if offset >= position and not any(r.start <= offset < r.end for r in ahead):
                raise Violation(f"invariant 7: {offset} was named as settled, and is not with {position} in {epoch}")

    def check_engine(self, engine: Engine, records_max: int, bytes_max: int) -> None:
        partitions = engine.partitions.values()
        for partition in partitions:
            self.check_commit(partition, partition.progress.position, partition.progress.settled_ahead())
        records = sum(len(partition.progress) for partition in partitions)
        require(engine.window_records == records, "4", f"window says {engine.window_records}, {records} are held")
        require(records <= records_max, "4", f"{records} records are held, the limit is {records_max}")
        held = sum(partition.window_bytes for partition in partitions)
        require(engine.window_bytes == held, "4", f"window says {engine.window_bytes} bytes, partitions say {held}")
        require(held <= bytes_max, "4", f"{held} bytes are held, the limit is {bytes_max}")
        for partition in partitions:
            weight = partition.window_bytes
            if weight < 0 or (weight > 0 and not len(partition.progress)):
                raise Violation(f"invariant 4: {partition} holds {len(partition.progress)} records of {weight} bytes")
        blocked = engine.rejects.blocked_since is not None and not len(engine.rejects)
        require(not blocked, "6", "blocked by the dead-letter topic, and no letter is left to be written")
        self._check_keys(engine)

    def _check_keys(self, engine: Engine) -> None:
        carried: dict[tuple[Partition, bytes], int] = {}
        for request, batch in engine.in_flight.items():
            for partition, entries in batch.runs:
                for entry in entries:
                    if entry[1] is not None:
                        other = carried.setdefault((partition, entry[1]), request)
                        if other != request:
                            raise Violation(f"invariant 5: key {entry[1]!r} of {partition} is in two requests")
