"""status.json: all that the loop published, in times that people and programs can read."""

from connector.admin.headline import Moment
from connector.admin.status import status
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import PartitionState, Snapshot
from tests.unit.admin import scenarios

NOW = 5_000.0
WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z
MOMENT = Moment(loop_seconds=NOW, wall_seconds=WALL)


def shown(snapshot: Snapshot | None, stalled: str | None = None) -> dict[str, object]:
    return status(snapshot, stalled, MOMENT, group="shop", version="1.2.3")


def test_a_blocked_job():
    said = shown(scenarios.blocked(NOW, int(WALL * 1000)))
    assert said["ready"] is False
    assert said["headline"] == {
        "state": "blocked",
        "tone": "bad",
        "text": "Not delivering: Airship refuses the token (401)",
        "detail": "the endpoint answered 401: Unauthorized",
        "since": "2023-11-14T22:00:46Z",
        "for_seconds": 753.2,
    }
    (trouble,) = said["troubles"]  # type: ignore[misc]
    assert trouble["side"] == "airship"
    assert trouble["reason"] == "unauthorized"
    assert trouble["stops_delivery"] is True
    assert trouble["for_seconds"] == 753.2
    assert "token" in trouble["mend"]
    assert said["lag"] == sum(5_230 * (partition + 1) for partition in range(4)) * 2
    assert said["last_delivery"] == "2023-11-14T22:00:46Z"
    assert said["window"] == {
        "records": 20_000,
        "records_max": 20_000,
        "bytes": 20_000 * 700,
        "bytes_max": 64 * 1024 * 1024,
        "pauses": 0,
    }


def test_a_partition_says_how_far_it_is_and_how_old_its_oldest_record_is():
    state = PartitionState(
        TopicPartition("orders", 3),
        position=NextOffset(120),
        committed=NextOffset(90),
        end=NextOffset(150),
        settled=NextOffset(100),
        window_records=20,
        window_bytes=14_000,
        paused=True,
        dead_letters_waiting=2,
        oldest_ms=int((WALL - 12.5) * 1000),
    )
    said = shown(scenarios.job(NOW, partitions=(state,)))
    assert said["partitions"] == [
        {
            "topic": "orders",
            "partition": 3,
            "position": 120,
            "settled": 100,
            "committed": 90,
            "end": 150,
            "lag": 50,
            "window_records": 20,
            "window_bytes": 14_000,
            "paused": True,
            "dead_letters_waiting": 2,
            "oldest_seconds": 12.5,
        }
    ]


def test_rejects_come_with_the_commonest_first_and_without_any_payload():
    said = shown(scenarios.flood(NOW, int(WALL * 1000)))
    rejects: list[dict[str, object]] = said["rejects"]  # type: ignore[assignment]
    assert [(reject["reason"], reject["count"]) for reject in rejects] == [
        ("required_missing", 1000),
        ("invalid_event", 37),
        ("unknown_schema", 4),
    ]
    assert rejects[0].keys() == {"stage", "reason", "count", "last", "last_seconds_ago", "fault"}
    assert rejects[0]["fault"] == "user: found null from ${{ customer.id }}, expected one of named_user_id, channel"


def test_a_breaker_says_when_it_tries_again():
    said = shown(scenarios.breaker_open(NOW, int(WALL * 1000)))
    assert said["breaker"] == {
        "state": "open",
        "reason": "the endpoint answered 503",
        "since": "2023-11-14T22:12:36Z",
        "for_seconds": 44.0,
        "next_attempt_in_seconds": 11.0,
    }
    assert said["ready"] is True


def test_a_loop_that_stands_still_is_not_ready_whatever_it_published():
    said = shown(scenarios.healthy(NOW), "the loop has not beaten for 90 s")
    assert said["ready"] is False
    assert said["not_ready"] == "the loop has not beaten for 90 s"
