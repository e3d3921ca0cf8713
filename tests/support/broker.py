"""What a test may ask of a broker, whoever provides it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self, TypeAlias

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

BrokerKind: TypeAlias = Literal["given", "container", "local", "mock"]

Capability: TypeAlias = Literal["admin", "restart", "freeze", "transactions", "compaction", "own_settings", "retention"]
"""What not every provider can do.

admin: clients may create topics and read their configuration. restart: kill, start. freeze: freeze, thaw.
transactions: aborted records are hidden from readers. compaction: `cleanup.policy=compact` makes holes.
own_settings: started with the broker settings of `TEST_SETTINGS`. retention: keeps what it was given.
"""

TEST_SETTINGS: Mapping[str, str] = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # sessions may be as short as a test wants; with the new protocol the broker sets them for all
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1000",
    # after a kill the controller waits out the dead broker's session before it lets the new one in
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # a name that nobody created is a mistake, as on a broker that is run with care
    "auto.create.topics.enable": "false",
    # compaction within a test's patience
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "num.network.threads": "2",
    "num.io.threads": "4",
}

_PROBE_SECONDS = 2.0
_TOPIC_SECONDS = 15.0


class BrokerCannotError(Exception):
    """Asked for what this provider cannot do; a test skips with `require` before it comes to this."""


class Broker(ABC):
    """A running broker. `description` names product, runtime and address for the reader of a test run."""

    kind: ClassVar[BrokerKind]
    capabilities: ClassVar[frozenset[Capability]]
    bootstrap_servers: str
    description: str

    @property
    def has_admin(self) -> bool:
        return "admin" in self.capabilities

    @property
    def can_restart(self) -> bool:
        return "restart" in self.capabilities

    @property
    def can_freeze(self) -> bool:
        return "freeze" in self.capabilities

    def kill(self) -> None:
        """End it at once, as a crash does. Its data stays."""
        raise self._cannot("kill")

    def start(self) -> None:
        """Start it again at the same address with its data; returns when it serves."""
        raise self._cannot("start")

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It stands still: connections stay open, nothing is answered."""
        raise self._cannot("freeze")

    def thaw(self) -> None:
        raise self._cannot("thaw")

    @abstractmethod
    def heal(self) -> None:
        """Undo what a test left behind: running and answering again afterwards. Cheap when nothing is wrong."""

    @abstractmethod
    def close(self) -> None: ...

    def create_topic(self, name: str, partitions: int, settings: Mapping[str, str] | None = None) -> None:
        """Returns when every partition has a leader."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        topic = NewTopic(name, partitions, 1, config=dict(settings or {}))
        admin.create_topics([topic], operation_timeout=_TOPIC_SECONDS)[name].result(_TOPIC_SECONDS)
        wait_for_leaders(admin, name, partitions)

    def delete_topic(self, name: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        admin.delete_topics([name], operation_timeout=_TOPIC_SECONDS)[name].result(_TOPIC_SECONDS)

    def _cannot(self, action: str) -> BrokerCannotError:
        return BrokerCannotError(f"{self.description} cannot {action}: expected one of {sorted(self.capabilities)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_for_leaders(client: object, topic: str, partitions: int = 1, timeout_seconds: float = _TOPIC_SECONDS) -> None:
    """Until `client` (AdminClient, Producer or Consumer) itself knows a leader of every partition.

    A producer that does not know them yet may reorder what it holds back.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        known = _partitions_with_leader(client, topic)
        if known >= partitions:
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"{topic}: {known} partitions with a leader after {timeout_seconds:g} s, expected {partitions}"
            )
        time.sleep(0.02)


def _partitions_with_leader(client: object, topic: str) -> int:
    try:
        found = client.list_topics(topic, timeout=_PROBE_SECONDS).topics[topic]  # type: ignore[attr-defined]
    except KafkaException:
        return 0
    leaders = [partition.leader >= 0 and partition.error is None for partition in found.partitions.values()]
    return len(leaders) if all(leaders) and found.error is None else 0


def serves(bootstrap_servers: str) -> bool:
    """Whether it answers now and every partition that it knows has a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        metadata = admin.list_topics(timeout=_PROBE_SECONDS)
    except KafkaException:
        return False
    return bool(metadata.brokers) and all(
        partition.leader >= 0 for topic in metadata.topics.values() for partition in topic.partitions.values()
    )
