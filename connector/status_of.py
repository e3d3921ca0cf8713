"""The engine's state as the snapshot that the probes, the metrics and the status page read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, assert_never

from connector.core.engine import Engine
from connector.core.guard import Trip
from connector.core.partition import Partition
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import BreakerState, PartitionState, Phase, Snapshot, Trouble
from connector.loop import Loop


def snapshot_of(
    loop: Loop, ends: Mapping[TopicPartition, NextOffset], phase: Phase, limits: tuple[int, int], now: float
) -> Snapshot:
    """`limits`: records and bytes of the window."""
    engine = loop.engine
    return Snapshot(
        taken=now,
        phase=phase,
        joined=loop.joined,
        partitions=tuple(_partition(partition, ends.get(name)) for name, partition in engine.partitions.items()),
        window_records_max=limits[0],
        window_bytes_max=limits[1],
        pauses=engine.flow.pauses,
        requests_in_flight=len(engine.in_flight),
        requests_max=engine.requests_max,
        batches_waiting=engine.batches_waiting,
        breaker=_breaker(engine, now),
        troubles=tuple(_troubles(loop, now)),
        dead_letters_waiting=len(engine.rejects),
        last_delivery=loop.last_delivery,
    )


def _partition(partition: Partition, end: NextOffset | None) -> PartitionState:
    return PartitionState(
        name=partition.name,
        position=partition.progress.next_offset,
        committed=partition.committed,
        end=None if end is None else max(end, partition.progress.next_offset),  # it was asked for a while ago
        window_records=partition.window_records,
        window_bytes=partition.window_bytes,
        paused=partition.paused,
        dead_letters_waiting=len(partition.rejected),
        oldest_ms=partition.progress.oldest_ms,
        settled=max(partition.progress.position, partition.committed or NextOffset(0)),
    )


def _breaker(engine: Engine, now: float) -> BreakerState:
    pacing = engine.pacing
    if pacing.last_failure is None and pacing.breaker_open_since is None:
        return BreakerState()
    state: Literal["open", "closed"] = "closed" if pacing.breaker_open_since is None else "open"
    reason = pacing.last_failure.detail if pacing.last_failure is not None else ""
    return BreakerState(state, pacing.breaker_open_since, reason, pacing.due_at(now))


def _troubles(loop: Loop, now: float) -> Iterator[Trouble]:
    engine = loop.engine
    if loop.kafka.lost_since is not None:
        detail = "no word from the group's coordinator for a session's time, or this member came too late"
        yield Trouble("kafka", "partitions_lost", loop.kafka.lost_since, detail)
    if engine.pacing.blockage is not None:
        blockage = engine.pacing.blockage
        yield Trouble("airship", blockage.cause.reason, blockage.since, blockage.cause.detail)
    if engine.rejects.blocked_since is not None:
        yield Trouble(
            "dead_letters", "dead_letters_not_writable", engine.rejects.blocked_since, engine.rejects.blocked_detail
        )
    elif (since := engine.rejects.unreported_since(now)) is not None:
        causes = "no such topic, no leader, too few replicas in sync, a full disk, or it is away"
        detail = f"the broker acknowledges no letter: {causes}"
        yield Trouble("dead_letters", "dead_letters_not_writable", since, detail)
    for guard in (engine.prepared_guard, engine.delivery_guard):
        if guard.trip is not None:
            yield _flood(guard.trip, now)
    registry = loop.registry_trouble
    if registry is not None:
        yield Trouble("schema_registry", "schema_registry_unavailable", registry[0], registry[1])
    told = loop.kafka.current(now)
    if told is not None:
        yield Trouble("kafka", told.code, told.since, told.detail, stops_delivery=False)


def _flood(trip: Trip, now: float) -> Trouble:
    match trip.cause:
        case "share":
            found, limit = f"{trip.rejects:,} of the last {trip.of:,} messages", "rejects_share_max"
        case "run":
            found, limit = f"all of the last {trip.of:,} messages", "rejects_run_max"
        case _:
            assert_never(trip.cause)
    wait = trip.sample_at - now
    then = f"a sample is tried in {wait:.0f} s" if wait > 0 else "a sample is being tried"
    detail = f"{found} were rejected, so consuming stopped (dead_letters.{limit}); {then}"
    return Trouble("rejects", f"rejects_{trip.cause}", trip.since, detail)
