"""From the gate into the batches: which events join the open batch, and which wait behind their key.

Owns nothing: the keys are the gates', the open batch is the batching's.
"""

from __future__ import annotations

from collections.abc import Iterable

from connector.core.batching import Batch, Batching
from connector.core.partition import Partition
from connector.core.records import Entry, OrderingKey


def admit(batching: Batching, partition: Partition, entries: list[Entry], now: float) -> None:
    """Each of `entries`, in the order of their offsets, joins the open batch or is parked behind its key."""
    start = 0
    while start < len(entries):
        batch = batching.open(now)
        events, bodies_bytes = batching.fitting(entries, start, batch)
        if events == 0:
            batching.seal()
            continue
        chunk = entries[start : start + events]
        admitted = partition.gate.admit(chunk, batch)
        if len(admitted) != len(chunk):
            bodies_bytes = sum([len(entry[2]) for entry in admitted])
        if admitted:
            batch.add(partition, admitted, bodies_bytes)
        if batching.is_full(batch):
            batching.seal()
        start += events


def release(batching: Batching, settled: Batch, partition: Partition, keys: Iterable[OrderingKey], now: float) -> None:
    """Frees keys, and lets what was parked behind them join batches; what does not fit parks behind the last."""
    gate = partition.gate
    for key in gate.release(keys, settled):
        batch = batching.open(now)
        freed = gate.unpark(key, batch, *batching.room(batch), empty=not batch.events)
        if not freed:  # not even the first fits beside what is in the open batch
            batching.seal()
            batch = batching.open(now)
            freed = gate.unpark(key, batch, *batching.room(batch), empty=True)
        batch.add(partition, freed, sum([len(entry[2]) for entry in freed]))
        if batching.is_full(batch) or gate.has_parked(key):
            batching.seal()
