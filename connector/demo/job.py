"""The demo: the whole job on an embedded broker and the sandbox, and the account of it."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from connector.airship.sandbox.options import SandboxOptions
from connector.airship.sandbox.threaded import RunningSandbox, running_sandbox
from connector.app import App, StopSignals
from connector.core.snapshot import Snapshot
from connector.demo.account import Account, account
from connector.demo.embedded_broker import EmbeddedBroker
from connector.demo.orders import SCHEMA, SCHEMA_ID, Order, orders, routes
from connector.errors import StartError
from connector.kafka.topics import Topics
from connector.settings import Settings
from connector.telemetry import logs

_PARTITIONS = 4
_PRODUCE_SECONDS_MAX = 30.0
_READ_SECONDS_MAX = 15.0
_SANDBOX_DELAY_MS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """What a viewer sees while it runs."""

    phase: str
    produced: int
    delivered: int
    dead_letters: int
    requests: int
    lag: int | None


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="airship-connector-demo-")
    except FileNotFoundError as error:  # so says the library where it finds none
        raise StartError(
            "found no directory for temporary files that can be written, expected one: name it in TMPDIR, or give the "
            "container one (docker run --tmpfs /tmp)"
        ) from error


class StoppedOnRequest(Exception):
    """By a signal, before the end: there are no sums to compare."""


class Demo:
    """One run, with topics and a group of its own."""

    def __init__(self, count: int, bootstrap_servers: str | None, show: Callable[[Progress], None]) -> None:
        self._count = count
        self._bootstrap = bootstrap_servers
        self._show = show
        self._shown_at = 0.0
        name = uuid.uuid4().hex[:8]
        self._json_topic = f"demo-orders-json-{name}"
        self._avro_topic = f"demo-orders-avro-{name}"
        self._dead_letter_topic = f"demo-dead-letters-{name}"
        self._group = f"demo-{name}"

    def run(self) -> Account:
        """Ends when everything is settled and committed; raises StartError when a part cannot start."""
        with ExitStack() as stack:
            bootstrap = self._broker(stack)
            sandbox = stack.enter_context(running_sandbox(SandboxOptions(keep=self._count * 2)))
            directory = Path(stack.enter_context(_temporary_directory()))
            (directory / f"order.{SCHEMA_ID}.avsc").write_text(json.dumps(SCHEMA), encoding="utf-8")
            produced = self._produce(bootstrap)
            self._deliver(bootstrap, sandbox, directory, len(produced))
            arrived = (_identity(event.event) for event in sandbox.events())
            return account(produced, arrived, self._dead_letters(bootstrap))

    def _broker(self, stack: ExitStack) -> str:
        topics = [self._json_topic, self._avro_topic, self._dead_letter_topic]
        if self._bootstrap is None:
            broker = stack.enter_context(EmbeddedBroker())
            for topic in topics:
                broker.create_topic(topic, _PARTITIONS)
            return broker.bootstrap_servers
        admin = Topics({"bootstrap.servers": self._bootstrap})
        for topic in topics:
            refused = admin.create(topic, partitions=_PARTITIONS)
            if refused is not None:
                raise StartError(f"{self._bootstrap}: the topic {topic} could not be created: {refused}")
        return self._bootstrap

    def _produce(self, bootstrap: str) -> dict[str, Order]:
        """Interleaves the two topics; customers are keys, so that their orders keep their order."""
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
        for topic in (self._json_topic, self._avro_topic):
            self._wait_for_leaders(producer, topic)
        produced: dict[str, Order] = {}
        json_count = self._count * 4 // 5
        for topic, made in (
            (self._json_topic, orders("json", json_count, 1)),
            (self._avro_topic, orders("avro", self._count - json_count, 1)),
        ):
            for order in made:
                produced[order.order_id] = order
                producer.produce(topic, key=order.key, value=order.value)
                producer.poll(0)
        if producer.flush(_PRODUCE_SECONDS_MAX):
            raise StartError(f"{bootstrap}: the orders could not all be produced within {_PRODUCE_SECONDS_MAX:.0f} s")
        return produced

    def _wait_for_leaders(self, producer: Producer, topic: str) -> None:
        """A producer may reorder what it holds back while it does not know a topic's leaders."""
        deadline = time.monotonic() + _READ_SECONDS_MAX
        while time.monotonic() < deadline:
            found = producer.list_topics(topic, timeout=5).topics[topic].partitions
            if len(found) == _PARTITIONS and all(partition.leader >= 0 for partition in found.values()):
                return
            time.sleep(0.1)
        raise StartError(f"the topic {topic} has no leaders after {_READ_SECONDS_MAX:.0f} s")

    def _deliver(self, bootstrap: str, sandbox: RunningSandbox, directory: Path, produced: int) -> None:
        app = App(self._settings(bootstrap, sandbox.base_url, directory), stop_at_end=True)
        lines = logs.configure("text", "error")
        try:
            with StopSignals() as stop:
                app.run(stop, lambda: self._look(app.telemetry.telemetry.latest, sandbox, produced))
            if stop.received:
                raise StoppedOnRequest
        finally:
            lines.close()
        self._look(app.telemetry.telemetry.latest, sandbox, produced, last=True)

    def _look(self, latest: Snapshot | None, sandbox: RunningSandbox, produced: int, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self._shown_at < 0.1 and not last:
            return
        self._shown_at = now
        summary = sandbox.summary()
        letters = sum(count.count for count in latest.rejects) if latest is not None else 0
        phase = latest.phase if latest is not None else "starting"
        lag = latest.lag if latest is not None else None
        self._show(Progress(phase, produced, summary.accepted, letters, summary.requests, lag))

    def _settings(self, bootstrap: str, base_url: str, directory: Path) -> Settings:
        values: dict[str, Any] = {
            "kafka": {"bootstrap_servers": bootstrap, "group_id": self._group},
            "schema_registry": {"directory": str(directory)},
            "airship": {
                "base_url": base_url,
                "app_key": "demo-app-key-000000000",
                "auth": {"bearer_token": "any-token"},
            },
            "routes": routes(self._json_topic, self._avro_topic),
            "dead_letters": {"topic": self._dead_letter_topic},
            "admin": {"host": "127.0.0.1", "port": 0},
        }
        return Settings.model_validate(values)

    def _dead_letters(self, bootstrap: str) -> Iterator[tuple[str, bytes]]:
        """(stage, value) of everything in the dead-letter topic."""
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{self._group}-account",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.subscribe([self._dead_letter_topic])
            ended: set[int | None] = set()
            deadline = time.monotonic() + _READ_SECONDS_MAX
            while len(ended) < _PARTITIONS:
                if time.monotonic() > deadline:
                    raise StartError(f"the dead letters could not be read within {_READ_SECONDS_MAX:.0f} s")
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if message.error() is not None:
                    ended.add(message.partition())
                    continue
                headers = dict(message.headers() or [])
                stage = headers.get("__connect.errors.stage") or b""
                value = message.value()
                assert isinstance(stage, bytes)
                assert isinstance(value, bytes)
                yield stage.decode(), value
        finally:
            consumer.close()


def _identity(event: Any) -> tuple[str, str]:
    return event["body"]["transaction"], event["user"]["named_user_id"]
