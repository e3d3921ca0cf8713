"""Snapshots of a job in the states that somebody would open the status page for. Times are on a loop clock at `now`."""

from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import BreakerState, PartitionState, Rates, RejectCount, Snapshot, Trouble


def partitions(
    lag: int, *, window: int = 0, paused: bool = False, oldest_ms: int | None = None
) -> tuple[PartitionState, ...]:
    return tuple(
        PartitionState(
            name=TopicPartition(topic, partition),
            position=NextOffset(1_200_000 + window),
            committed=NextOffset(1_200_000 - 40),
            settled=NextOffset(1_200_000),
            end=NextOffset(1_200_000 + lag * (partition + 1)),
            window_records=window,
            window_bytes=window * 700,
            paused=paused,
            oldest_ms=oldest_ms,
        )
        for topic in ("orders", "custom-events")
        for partition in range(4)
    )


def job(now: float, **changes: object) -> Snapshot:
    values: dict[str, object] = {
        "taken": now - 0.4,
        "phase": "running",
        "joined": True,
        "partitions": partitions(0),
        "window_records_max": 20_000,
        "window_bytes_max": 64 * 1024 * 1024,
        "requests_max": 16,
        "last_delivery": now - 0.3,
        **changes,
    }
    return Snapshot(**values)  # type: ignore[arg-type]


def healthy(now: float) -> Snapshot:
    return job(
        now,
        partitions=partitions(12, window=9),
        requests_in_flight=3,
        rates=Rates(read=2140.3, delivered=2138.9, rejected=0.0, requests=23.5),
    )


def lagging(now: float, wall_ms: int) -> Snapshot:
    return job(
        now,
        partitions=partitions(412_345, window=2400, paused=True, oldest_ms=wall_ms - 5_400_000),
        requests_in_flight=16,
        batches_waiting=180,
        rates=Rates(read=4100.0, delivered=4096.0, rejected=0.4, requests=41.0),
        rejects=(RejectCount("decode", "not_json", 41, now - 12),),
    )


def blocked(now: float, wall_ms: int) -> Snapshot:
    detail = "the endpoint answered 401: Unauthorized"
    return job(
        now,
        partitions=partitions(5_230, window=2500, paused=True, oldest_ms=wall_ms - 754_000),
        batches_waiting=200,
        last_delivery=now - 754.0,
        troubles=(Trouble("airship", "unauthorized", now - 753.2, detail),),
    )


def breaker_open(now: float, wall_ms: int) -> Snapshot:
    return job(
        now,
        partitions=partitions(890, window=500, oldest_ms=wall_ms - 48_000),
        batches_waiting=41,
        last_delivery=now - 48.0,
        breaker=BreakerState("open", now - 44.0, "the endpoint answered 503", now + 11.0),
    )


def flood(now: float, wall_ms: int) -> Snapshot:
    detail = "1,000 records in a row were rejected (dead_letters.rejects_run_max); a sample is tried in 24 s"
    return job(
        now,
        partitions=partitions(75_210, window=40, paused=True, oldest_ms=wall_ms - 95_000),
        dead_letters_waiting=3,
        last_delivery=now - 93.0,
        troubles=(Trouble("rejects", "rejects_run", now - 92.0, detail),),
        rejects=(
            RejectCount(
                "map",
                "required_missing",
                1000,
                now - 92.0,
                "user: found null from ${{ customer.id }}, expected one of named_user_id, channel",
            ),
            RejectCount("validate", "invalid_event", 37, now - 1800.0),
            RejectCount("decode", "unknown_schema", 4, now - 86_000.0),
        ),
    )
