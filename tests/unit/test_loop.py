"""The loop without threads, Kafka, HTTP or a clock: what it does when its process stood still."""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connector.airship.sender import Answered
from connector.app import engine_limits
from connector.core.actions import CommitItem
from connector.core.engine import Engine
from connector.core.records import NextOffset, PreparedRun, SourceRecord, TopicPartition
from connector.decode.schema_cache import SchemaCache
from connector.kafka.dead_letters import DeadLetters
from connector.kafka.source import Assigned
from connector.loop import Loop, LoopSettings
from connector.schema_desk import SchemaDesk
from connector.settings import Settings
from connector.telemetry.port import Telemetry
from tests.unit.core.records import FakeRecord, entry

ORDERS = TopicPartition("orders", 0)
SESSION_SECONDS = 45.0


class FakeSource:
    """Gives one record at a time, and whatever else a test lets happen within a read."""

    committing = False

    def __init__(self) -> None:
        self.next_offset = 0
        self.within_read: Callable[[], None] = lambda: None

    def read(
        self, count: int, seconds: float, holder_of: Callable[[TopicPartition], object | None]
    ) -> list[tuple[TopicPartition, list[SourceRecord]]]:
        self.within_read()
        if holder_of(ORDERS) is None:
            return []
        self.next_offset += 1
        return [(ORDERS, [FakeRecord(self.next_offset - 1)])]

    def serve(self) -> None: ...
    def pause(self, names: Iterable[TopicPartition]) -> None: ...
    def resume(self, names: Iterable[TopicPartition]) -> None: ...
    def commit(self, plan: list[CommitItem]) -> None: ...
    def ask_commit(self) -> None: ...
    def close(self) -> None: ...

    def positions(self, names: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {}

    def end_of(self, name: TopicPartition, seconds: float) -> NextOffset | None:
        return None


class FakeIntake:
    def prepare(self, topic: str, records: Sequence[SourceRecord], now_seconds: float) -> PreparedRun:
        return PreparedRun([entry(record.offset()) for record in records])


class World:
    """A loop that holds one partition; a tick takes 10 ms."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("connector.loop.time", SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1.7e9))
        settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": "127.0.0.1:9", "group_id": "shop"},
                "airship": {"app_key": "test-app-key-000000000", "auth": {"bearer_token": "test-token"}},
                "routes": [{"topics": ["orders"]}],
            }
        )
        self.sent: list[bytes] = []
        self.beats: list[float] = []
        self.source = FakeSource()
        self.loop = Loop(
            Engine(engine_limits(settings), random.Random(1)),
            cast("Any", FakeIntake()),
            SchemaDesk(SchemaCache(), None, cast("Any", None)),
            self._send,
            queue.SimpleQueue[Answered](),
            Telemetry(),
            LoopSettings(0.5, 15.0, SESSION_SECONDS),
            self.beats.append,
        )
        self.loop.source = self.source
        self.loop.dead_letters = cast("DeadLetters", SimpleNamespace(serve=lambda: None, topic="dead"))
        self.loop.assigned([Assigned(ORDERS, NextOffset(0), None, 0)])
        self.ticks(3)

    def _send(self, request_id: int, body: bytes, again: int, headers: Mapping[str, str]) -> None:
        self.sent.append(body)

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.now += 0.01
            self.loop.tick()

    def stand_still(self, seconds: float) -> None:
        """Within the next read."""

        def pass_time() -> None:
            self.now += seconds
            self.source.within_read = lambda: None

        self.source.within_read = pass_time


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_it_sends_what_it_reads(world: World) -> None:
    sent = len(world.sent)
    world.ticks(20)
    assert len(world.sent) > sent > 0


def test_a_slow_turn_within_the_session_holds_nothing_up(world: World) -> None:
    world.stand_still(SESSION_SECONDS - 1)
    sent = len(world.sent)
    world.ticks(1)
    assert len(world.sent) > sent


def test_past_its_session_it_sends_nothing_until_the_group_could_speak(world: World) -> None:
    world.stand_still(SESSION_SECONDS + 1)
    sent = len(world.sent)
    world.ticks(90)
    assert len(world.sent) == sent
    assert world.beats[-1] == world.now, "it lives all the same"
    world.ticks(20)
    assert len(world.sent) > sent, "the group had nothing to say"


def test_what_the_group_took_away_meanwhile_is_not_sent(world: World) -> None:
    world.stand_still(SESSION_SECONDS + 1)
    sent = len(world.sent)
    world.ticks(5)
    world.loop.lost([ORDERS])
    world.ticks(200)
    assert len(world.sent) == sent
