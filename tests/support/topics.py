"""Topics of tests: created under names of their own, filled, read to the end, and what a group committed of them.

Everything here uses clients of its own with settings said out loud, so that it is independent of the connector's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.support.broker import Broker, wait_for_leaders

Isolation: TypeAlias = Literal["read_committed", "read_uncommitted"]

_SECONDS = 30.0
_COMPACTION_SECONDS = 60.0
# segments that close almost at once, because the last one is never compacted
COMPACTED: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.0",
    "segment.ms": "100",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "0",
}


class Record(NamedTuple):
    """What a test produces. Without a partition the key's hash chooses it, as librdkafka's default does."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int | None = None
    timestamp_ms: int | None = None


class Position(NamedTuple):
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Committed:
    """`offset` is the next one to read; `metadata` is what travelled with the commit."""

    offset: int
    metadata: str


class Topics:
    """Creates topics on one broker and remembers them, so that they can be deleted."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._names: list[str] = []

    def create(self, hint: str = "t", partitions: int = 4, settings: Mapping[str, str] | None = None) -> str:
        """The name: `hint` and something that no other test has. Every partition has its leader."""
        name = self.unique_name(hint)
        self._broker.create_topic(name, partitions, settings)
        self._names.append(name)
        return name

    def unique_name(self, hint: str = "t") -> str:
        """For groups, and for topics that somebody else creates."""
        return f"{hint}-{secrets.token_hex(6)}"

    def delete_all(self) -> None:
        for name in self._names:
            self._broker.delete_topic(name)
        self._names.clear()


def produce(
    bootstrap_servers: str,
    topic: str,
    records: Iterable[Record | bytes],
    settings: Mapping[str, Any] | None = None,
    timeout_seconds: float = _SECONDS,
) -> list[Position]:
    """Writes them in order and returns where each one lies. Bytes alone are a record without a key."""
    producer = Producer({**_producer_settings(bootstrap_servers), **(settings or {})})
    wait_for_leaders(producer, topic)
    return _produce(producer, topic, records, timeout_seconds)


def produce_transaction(
    bootstrap_servers: str, topic: str, records: Iterable[Record | bytes], *, commit: bool
) -> list[Position]:
    """One transaction, committed or aborted. Each partition that it touches gets a control record behind it: one more
    offset that no reader ever sees. An aborted one hides its records from readers of committed data, too."""
    producer = Producer({**_producer_settings(bootstrap_servers), "transactional.id": f"tests-{secrets.token_hex(6)}"})
    producer.init_transactions(_SECONDS)
    wait_for_leaders(producer, topic)
    producer.begin_transaction()
    written = _produce(producer, topic, records, _SECONDS)
    if commit:
        producer.commit_transaction(_SECONDS)
    else:
        producer.abort_transaction(_SECONDS)
    return written


def produce_compacted(
    bootstrap_servers: str, topic: str, records: Sequence[Record], partitions: int = 1
) -> list[Position]:
    """Writes to a topic created with `COMPACTED` and waits until its cleaner has made holes: every record that has a
    later one with its key is gone. Returns where the records that are left lie.

    A filler record follows in each partition, to close the segment before it; it is left, too.
    """
    written = produce(bootstrap_servers, topic, records)
    last = {(position.partition, record.key): position for record, position in zip(records, written, strict=True)}
    expected = set(last.values())
    assert len(expected) < len(written), "no key is written twice, so there is nothing to compact"
    deadline = time.monotonic() + _COMPACTION_SECONDS
    fillers: set[Position] = set()
    while True:
        fillers.update(
            produce(bootstrap_servers, topic, [Record(b"{}", b"filler", (), number) for number in range(partitions)])
        )
        left = {Position(_known(m.partition()), _known(m.offset())) for m in read_to_end(bootstrap_servers, topic)}
        if left - fillers == expected:
            return sorted(left)
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"{topic}: {len(left - fillers)} records are left after {_COMPACTION_SECONDS:g} s, expected "
                f"{len(expected)}: was it created with COMPACTED?"
            )
        time.sleep(0.2)


def read_to_end(
    bootstrap_servers: str,
    topic: str,
    isolation: Isolation = "read_committed",
    timeout_seconds: float = _SECONDS,
) -> list[Message]:
    """Everything that is in the topic now, in the order of each partition; without a group's membership."""
    consumer = Consumer(
        {
            **_consumer_settings(bootstrap_servers),
            "group.id": f"tests-{secrets.token_hex(6)}",
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )
    deadline = time.monotonic() + timeout_seconds
    try:
        open_partitions = set(partitions_of(consumer, topic))
        consumer.assign([TopicPartition(topic, number, 0) for number in open_partitions])
        found: list[Message] = []
        while open_partitions:
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(_known(message.partition()))
                else:
                    raise KafkaException(error)
            if open_partitions and time.monotonic() >= deadline:
                raise TimeoutError(f"{topic}: no end of {sorted(open_partitions)} after {timeout_seconds:g} s")
        return found
    finally:
        consumer.close()


def read_until(bootstrap_servers: str, topic: str, count: int, timeout_seconds: float = _SECONDS) -> list[Message]:
    """Reads until at least `count` records are there, then what is there then. Raises `TimeoutError`."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = read_to_end(bootstrap_servers, topic, timeout_seconds=max(deadline - time.monotonic(), 1.0))
        if len(found) >= count:
            return found
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{topic}: {len(found)} records after {timeout_seconds:g} s, expected {count}")
        time.sleep(0.05)


def committed(bootstrap_servers: str, group: str, topic: str) -> dict[int, Committed]:
    """By partition, what the group has committed; partitions without a commit are left out. Joins nothing."""
    consumer = Consumer({**_consumer_settings(bootstrap_servers), "group.id": group})
    try:
        asked = [TopicPartition(topic, number) for number in partitions_of(consumer, topic)]
        answered = consumer.committed(asked, timeout=_SECONDS)
        return {p.partition: Committed(p.offset, p.metadata or "") for p in answered if p.offset >= 0}
    finally:
        consumer.close()


def end_offsets(bootstrap_servers: str, topic: str, isolation: Isolation = "read_committed") -> dict[int, int]:
    """By partition, the offset that a reader reaches at the end: for committed data the last stable one."""
    consumer = Consumer(
        {**_consumer_settings(bootstrap_servers), "group.id": "tests-end", "isolation.level": isolation}
    )
    try:
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_SECONDS)[1]
            for number in partitions_of(consumer, topic)
        }
    finally:
        consumer.close()


def partitions_of(client: Consumer, topic: str) -> list[int]:
    wait_for_leaders(client, topic)
    return sorted(client.list_topics(topic, timeout=_SECONDS).topics[topic].partitions)


def _produce(
    producer: Producer, topic: str, records: Iterable[Record | bytes], timeout_seconds: float
) -> list[Position]:
    deadline = time.monotonic() + timeout_seconds
    written: dict[int, Position] = {}
    failed: list[KafkaError] = []
    count = 0
    for count, item in enumerate(records, start=1):
        record = item if isinstance(item, Record) else Record(item)

        def delivered(error: KafkaError | None, message: Message, index: int = count) -> None:
            if error is not None:
                failed.append(error)
            else:
                written[index] = Position(_known(message.partition()), _known(message.offset()))

        while not _enqueue(producer, topic, record, delivered):
            producer.poll(0.05)
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"{topic}: {len(written)} records delivered after {timeout_seconds:g} s, and no room"
                )
    producer.flush(max(deadline - time.monotonic(), 0.1))
    if failed:
        raise KafkaException(failed[0])
    if len(written) != count:
        raise TimeoutError(f"{topic}: {len(written)} of {count} records delivered after {timeout_seconds:g} s")
    return [written[index] for index in range(1, count + 1)]


def _enqueue(producer: Producer, topic: str, record: Record, delivered: Any) -> bool:
    """False when the client's queue is full."""
    optional: dict[str, Any] = {}
    if record.partition is not None:
        optional["partition"] = record.partition
    if record.timestamp_ms is not None:
        optional["timestamp"] = record.timestamp_ms
    if record.headers:
        optional["headers"] = list(record.headers)
    try:
        producer.produce(topic, record.value, record.key, on_delivery=delivered, **optional)
    except BufferError:
        return False
    producer.poll(0)
    return True


def _producer_settings(bootstrap_servers: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "log_level": 0,
    }


def _consumer_settings(bootstrap_servers: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "allow.auto.create.topics": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
        "log_level": 0,
    }


def _known(value: int | None) -> int:
    assert value is not None
    return value
