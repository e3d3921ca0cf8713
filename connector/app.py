"""The job's life: build the parts, start them, run the loop, stop them in order.

The parts are wired here and nowhere else. Stopping: what is in flight is waited for and committed while the consumer
still sends heartbeats; then the source, the dead letters and the HTTP thread are closed, each whatever the other did.
"""

from __future__ import annotations

import gc
import queue
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from connector.admin.heartbeat import Heartbeat
from connector.admin.server import AdminServer
from connector.airship.sender import Answered, Sender
from connector.core.actions import EngineLimits
from connector.core.batching import BatchLimits
from connector.core.concurrency import LIMIT_MAX
from connector.core.engine import Engine
from connector.core.flow import WindowLimits
from connector.core.guard import GuardLimits
from connector.core.pacing import PacingLimits
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import Phase
from connector.decode.lookup import lookup_limits, open_lookup
from connector.decode.schema_cache import SchemaCache
from connector.http_thread import HttpThread
from connector.intake import Intake, Prepares
from connector.kafka.dead_letters import DeadLetters
from connector.kafka.properties import connection_properties, consumer_properties, producer_properties
from connector.kafka.source import RecordSource, Source
from connector.kafka.topics import Topics
from connector.loop import Loop, LoopSettings
from connector.schema_desk import SchemaDesk
from connector.settings import Settings
from connector.status_of import snapshot_of
from connector.telemetry import logs, setup
from connector.telemetry.secrets import secrets_of

_PUBLISH_SECONDS = 1.0
_ENDS_SECONDS = 5.0
_START_RETRY_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_BREAKER_FAILURES = 16
"""In a row, where there is no number of requests to go by."""
_COLLECTOR_YOUNG_MAX = 50_000
"""Objects; a full window holds about as many."""

log = logs.EventLog("app")


def engine_limits(settings: Settings) -> EngineLimits:
    delivery = settings.delivery
    requests_max = None if delivery.requests_max == "auto" else delivery.requests_max
    return EngineLimits(
        batch=BatchLimits(delivery.batch.events_max, int(delivery.batch.bytes_max), delivery.batch.linger_ms / 1000),
        window=WindowLimits(delivery.window.records_max, int(delivery.window.bytes_max)),
        pacing=PacingLimits(
            delivery.retry.initial_ms / 1000,
            delivery.retry.max_ms / 1000,
            breaker_failures=_BREAKER_FAILURES if requests_max is None else max(5, requests_max),
            events_per_second=delivery.rate_limit.events_per_second,
        ),
        guard=GuardLimits(settings.dead_letters.rejects_share_max, settings.dead_letters.rejects_run_max),
        requests_max=requests_max,
    )


def dead_letter_topic(settings: Settings) -> str:
    """The topic's name; `{topic}` stands for the first subscribed one."""
    first = next((topic for route in settings.routes for topic in route.topics or ()), "")
    return settings.dead_letters.topic.replace("{group}", settings.kafka.group_id).replace("{topic}", first)


def subscription(settings: Settings) -> list[str]:
    """Names, and patterns as librdkafka takes them: the whole name has to match."""
    topics: dict[str, None] = {}
    for route in settings.routes:
        topics.update(dict.fromkeys(route.topics or ()))
        if route.topics_pattern is not None:
            topics[f"^({route.topics_pattern})$"] = None
    return list(topics)


def is_subscribed(settings: Settings, topic: str) -> bool:
    return any(
        topic in (route.topics or ()) or (route.topics_pattern and re.fullmatch(route.topics_pattern, topic))
        for route in settings.routes
    )


class StopSignals:
    """SIGTERM and SIGINT only set a flag: an exception out of a handler would lose what a read has taken."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._set)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.received += 1


class App:
    """One run of the connector."""

    def __init__(self, settings: Settings, *, stop_at_end: bool = False) -> None:
        self._settings = settings
        self._stop_at_end = stop_at_end
        self._ends_at_start: dict[TopicPartition, NextOffset] = {}
        self.http = HttpThread()
        answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        limits = engine_limits(settings)
        self.sender = Sender(settings.airship, limits.requests_max or LIMIT_MAX, self.http, answers)
        self.telemetry = setup.start(
            settings.kafka.group_id,
            self.sender.address.url,
            client_id=str(consumer_properties(settings)["client.id"]),
            secrets=secrets_of(settings),
        )
        registry = settings.schema_registry
        cache = SchemaCache(lookup_limits(registry)) if registry is not None else SchemaCache()
        lookup = open_lookup(registry)
        self._heartbeat = Heartbeat()
        self.loop = Loop(
            Engine(limits, random.Random()),  # noqa: S311  jitter is no secret
            self._intake(settings, cache),
            SchemaDesk(cache, lookup, self.http.run_blocking),
            self.sender.send,
            answers,
            self.telemetry.telemetry,
            LoopSettings(
                settings.delivery.commit_interval_ms / 1000,
                settings.drain_seconds,
                settings.session_timeout_ms / 1000,
            ),
            self._heartbeat.beat,
        )
        self.admin = AdminServer(
            settings.admin.host,
            settings.admin.port,
            heartbeat=self._heartbeat,
            snapshot=lambda: self.telemetry.telemetry.latest,
            metrics_text=self.telemetry.metrics_text,
            group=settings.kafka.group_id,
        )
        self._topics = Topics(connection_properties(settings))
        self._publish_at = self._ends_at = 0.0

    def _intake(self, settings: Settings, cache: SchemaCache) -> Prepares:
        return Intake(settings, cache)

    def run(self, stop: StopSignals, on_tick: Callable[[], None] = lambda: None) -> None:
        """Until a signal, or the end with `stop_at_end`. Raises BrokerFatal and what else ends the process."""
        self.http.start()
        try:
            self.sender.start()
            self._publish("starting")  # the first page that is asked for has all its parts
            self.http.call(self.admin.start).result(_CLOSE_SECONDS)
            if not self._wait_for_topics(stop):
                return
            self.telemetry.telemetry.connected(self._topics.cluster_id)
            self._open()
            try:
                while stop.received == 0 and not (self._stop_at_end and self._at_end()):
                    self.loop.tick()
                    self.http.raise_if_failed()
                    self._look_around()
                    on_tick()
                self._drain(stop)
            finally:
                self._close_kafka()
        finally:
            self._publish("stopped")
            self.telemetry.telemetry.stopped()
            self.sender.stop(_CLOSE_SECONDS)
            self.http.call(self.admin.stop).result(_CLOSE_SECONDS)
            self.http.stop(_CLOSE_SECONDS)
            self.telemetry.shutdown(_CLOSE_SECONDS)

    def _wait_for_topics(self, stop: StopSignals) -> bool:
        """Until the cluster answers and has what is needed. False when a signal came first."""
        topic = dead_letter_topic(self._settings)
        while stop.received == 0:
            self._heartbeat.beat(time.monotonic())
            present = self._topics.present()
            if isinstance(present, str):
                fault = f"the cluster does not answer: {present}"
            elif topic in present:
                break
            elif not self._settings.dead_letters.create:
                fault = f"the dead-letter topic {topic} is missing; create it: kafka-topics.sh --create --topic {topic}"
            else:
                refused = self._topics.create(topic)
                if refused is None:
                    break
                fault = f"the dead-letter topic {topic} is missing and could not be created: {refused}"
            log.warning("waiting for Kafka", detail=fault)
            self.loop.kafka.told("not_ready", fault, time.monotonic())
            self._publish("starting")
            self._sleep(stop, _START_RETRY_SECONDS)
        self.loop.kafka.over()
        return stop.received == 0

    def _sleep(self, stop: StopSignals, seconds: float) -> None:
        until = time.monotonic() + seconds
        while stop.received == 0 and time.monotonic() < until:
            self._heartbeat.beat(time.monotonic())
            time.sleep(0.1)

    def _open(self) -> None:
        settings = self._settings
        loop = self.loop
        loop.dead_letters = DeadLetters(
            producer_properties(settings), dead_letter_topic(settings), settings.kafka.group_id, loop
        )
        loop.source = self._source()

    def _source(self) -> RecordSource:
        source = Source(consumer_properties(self._settings), self.loop)
        source.subscribe(subscription(self._settings))
        return source

    def _look_around(self) -> None:
        now = time.monotonic()
        if now >= self._ends_at:
            self._ends_at = now + _ENDS_SECONDS
            self._topics.ask_ends(list(self.loop.engine.partitions))
        if now >= self._publish_at:
            self._publish_at = now + _PUBLISH_SECONDS
            self._topics.take_ends(self.loop.engine.partitions)
            if len(self._topics.ends) < len(self.loop.engine.partitions):
                self._ends_at = now  # some were assigned just now
            self.loop.engine.pacing.budget_share = self._share_of_the_group()
            self._publish("running")

    def _share_of_the_group(self) -> float:
        """Partitions held over partitions there were at the start: this member's part of the group's rate."""
        held = len(self.loop.engine.partitions)
        counts = self._topics.partition_counts
        there = sum(count for topic, count in counts.items() if is_subscribed(self._settings, topic))
        return held / max(there, held) if held else 1.0

    def _publish(self, phase: Phase) -> None:
        delivery = self._settings.delivery
        limits = (delivery.window.records_max, int(delivery.window.bytes_max))
        self.telemetry.telemetry.publish(snapshot_of(self.loop, self._topics.ends, phase, limits, time.monotonic()))

    def _at_end(self) -> bool:
        """Everything that was there when its partition was first assigned is settled and committed."""
        loop = self.loop
        for name in loop.engine.partitions:
            if name not in self._ends_at_start:
                end = loop.source.end_of(name, _CLOSE_SECONDS)
                if end is None:
                    return False
                self._ends_at_start[name] = end
        return bool(loop.engine.partitions) and all(
            (partition.committed or 0) >= self._ends_at_start[name]
            for name, partition in loop.engine.partitions.items()
        )

    def _drain(self, stop: StopSignals) -> None:
        """Waits for what is in flight, and commits, while the consumer is polled. A second signal ends it at once."""
        loop = self.loop
        loop.stopping = True
        self._publish("draining")
        loop.source.pause(list(loop.engine.partitions))
        deadline = time.monotonic() + self._settings.drain_seconds
        first = stop.received

        def serve() -> None:
            if stop.received > first:
                raise StoppedAtOnce
            loop.source.serve()

        try:
            loop.drain(list(loop.engine.partitions), deadline, serve)
        except StoppedAtOnce:
            log.warning("stopped at once: what was in flight will be sent again")

    def _close_kafka(self) -> None:
        self.loop.stopping = True  # the drain is over: what `close` revokes is only dropped
        try:
            self.loop.source.close()
        finally:
            left = self.loop.dead_letters.close(_CLOSE_SECONDS)
            if left:
                log.warning("dead letters without a report: their messages will be read again", count=left)


class StoppedAtOnce(BaseException):
    """The second signal, raised between two calls of the drain and caught right there."""


def keep_collector_rare() -> None:
    """The cyclic collector walks every record that is held, again and again, and finds nothing: 6 % of the CPU.

    What there is at the start never goes away, and a batch makes no cycles; so it looks at the young objects alone
    until many are kept. Reference counts free the rest at once, as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTOR_YOUNG_MAX, 10, 50)


def run(settings: Settings, *, stop_at_end: bool = False) -> None:
    """The command `run`."""
    keep_collector_rare()
    lines = logs.configure(logs.form(settings.log), settings.log.level, secrets=secrets_of(settings))
    try:
        with StopSignals() as stop:
            App(settings, stop_at_end=stop_at_end).run(stop)
    finally:
        lines.close()
