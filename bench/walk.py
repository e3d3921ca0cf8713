"""One walk of fixed records through the connector's own steps, without a broker, a socket or a second thread.

Events of one shape lie ready in runs of 500 from eight partitions, as the source gives them; each step is
called for all of them before the next one is. What is left out is what only the running program has: consuming, the
requests, the loop around the steps and its telemetry.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, cast

from confluent_kafka import Message

from bench.commands import ROUTES
from bench.dataset import USERS, Pool, Shape, avro_order_pool, event_pool, order_pool, user_key
from bench.orders import ORDER_SCHEMA
from connector.core.actions import EngineLimits, SendRequest
from connector.core.batching import BatchLimits
from connector.core.engine import Engine
from connector.core.flow import WindowLimits
from connector.core.guard import GuardLimits
from connector.core.pacing import PacingLimits
from connector.core.partition import Partition
from connector.core.records import HttpAnswer, NextOffset, PreparedRun, SourceRecord, TopicPartition
from connector.decode.avro_schema import avro_schema
from connector.decode.schema_cache import SchemaCache
from connector.intake import Intake
from connector.settings import Settings

EVENTS = 10_000
_RUN = 500
_PARTITIONS = 8
_SCHEMA_ID = 7
_SEED = 20_250_103
_ACCEPTED = HttpAnswer(200, b'{"ok":true,"operation_id":"00000000-0000-4000-8000-000000000000"}')
_LIMITS = EngineLimits(
    batch=BatchLimits(100, 4 * 1024 * 1024, 0.05),
    window=WindowLimits(2 * EVENTS, 256 * 1024 * 1024),
    pacing=PacingLimits(0.2, 30.0, breaker_failures=1000, events_per_second=None),
    guard=GuardLimits(0.05, 1000),
    requests_max=1000,  # all batches in flight at once, so that the steps can be taken one after the other
)


class Walk:
    """Use it once: `steps` in their order. `events`: a multiple of the run's 500."""

    def __init__(self, shape: Shape, events: int = EVENTS) -> None:
        self._events = events
        self._now = 1000.0
        self._wall = datetime.now(UTC)
        self._intake = _intake(shape)
        self._engine = Engine(_LIMITS, Random(_SEED))
        partitions = [
            self._engine.assign(TopicPartition("t", number), NextOffset(0), None) for number in range(_PARTITIONS)
        ]
        self._runs = _runs(shape, events, self._wall, partitions)
        self._prepared: list[PreparedRun] = []
        self._sent: list[SendRequest] = []
        self._bodies_bytes = 0

    def steps(self) -> Mapping[str, Callable[[], None]]:
        return {
            "take over": self._take_over,
            "prepare": self._prepare,
            "order and batch": self._offer,
            "make requests": self._send,
            "settle": self._settle,
            "commit": self._commit,
        }

    def _take_over(self) -> None:
        for partition, records in self._runs:
            self._engine.received(partition, records)

    def _prepare(self) -> None:
        now_seconds = self._wall.timestamp()
        self._prepared = [self._intake.prepare("t", records, now_seconds) for _, records in self._runs]

    def _offer(self) -> None:
        for (partition, records), prepared in zip(self._runs, self._prepared, strict=True):
            self._engine.offer(partition, len(records), prepared, self._now)

    def _send(self) -> None:
        self._now += 1.0  # what lingered is due
        for action in self._engine.actions(self._now):
            assert isinstance(action, SendRequest)
            self._sent.append(action)
            self._bodies_bytes += len(action.batch.body())

    def _settle(self) -> None:
        for action in self._sent:
            self._engine.answered(action.request_id, _ACCEPTED, self._now)
        self._send_parked()

    def _send_parked(self) -> None:
        """What waited behind an earlier event of its user: few of them, as there are many users."""
        while actions := self._engine.actions(self._now):
            for action in actions:
                assert isinstance(action, SendRequest)
                self._engine.answered(action.request_id, _ACCEPTED, self._now)
            self._now += 1.0

    def _commit(self) -> None:
        for item in self._engine.commit_plan({}):
            self._engine.confirmed(item)
        assert self._engine.idle, self._engine.window_records
        assert sum(partition.committed or 0 for partition in self._engine.partitions.values()) == self._events


def _intake(shape: Shape) -> Intake:
    schemas = SchemaCache()
    schemas.found(f"id:{_SCHEMA_ID}", avro_schema(json.dumps(ORDER_SCHEMA)))
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": "localhost:9092", "group_id": "g"},
        "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
        "routes": [{"topics": ["t"], **ROUTES[shape]}],
    }
    return Intake(Settings.model_validate(settings), schemas)


def _pool(shape: Shape, now: datetime) -> Pool:
    if shape == "event":
        return event_pool(now)
    return order_pool(now) if shape == "order" else avro_order_pool(now, _SCHEMA_ID)


def _runs(
    shape: Shape, events: int, now: datetime, partitions: list[Partition]
) -> list[tuple[Partition, list[SourceRecord]]]:
    chance = random.Random(_SEED)
    pool = _pool(shape, now)
    offsets = dict.fromkeys(range(len(partitions)), 0)
    runs = []
    for first in range(0, events, _RUN):
        number = first // _RUN % len(partitions)
        records = []
        for event in range(first, first + _RUN):
            user = user_key(chance.randrange(USERS))
            value = pool.fill(event, user, event)
            records.append(Message(topic="t", partition=number, offset=offsets[number], key=user, value=value))
            offsets[number] += 1
        # what the stubs say of a message is less than what it does
        runs.append((partitions[number], cast("list[SourceRecord]", records)))
    return runs
