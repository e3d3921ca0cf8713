"""The provider that needs nothing: librdkafka's mock cluster in this process."""

from __future__ import annotations

from collections.abc import Mapping

from connector.demo.embedded_broker import EmbeddedBroker
from tests.support.broker import TEST_SETTINGS, Broker, BrokerCannotError
from tests.support.mock_faults import MockFaults


class MockBroker(Broker):
    kind = "mock"
    capabilities = frozenset({"restart"})

    def __init__(self) -> None:
        self._embedded = EmbeddedBroker()
        self.faults = MockFaults(self._embedded)
        self.faults.set_consumer_group_times(
            session_ms=int(TEST_SETTINGS["group.consumer.session.timeout.ms"]),
            heartbeat_ms=int(TEST_SETTINGS["group.consumer.heartbeat.interval.ms"]),
        )
        self.bootstrap_servers = self._embedded.bootstrap_servers
        self.description = f"librdkafka's mock cluster in this process at {self.bootstrap_servers}"

    def kill(self) -> None:
        self.faults.set_down()

    def start(self) -> None:
        self.faults.set_up()

    def heal(self) -> None:
        self.faults.clear()

    def create_topic(self, name: str, partitions: int, settings: Mapping[str, str] | None = None) -> None:
        if settings:
            raise BrokerCannotError(f"{self.description} knows no topic settings, asked for {dict(settings)}")
        self._embedded.create_topic(name, partitions)

    def delete_topic(self, name: str) -> None:
        """Does nothing: the topics go with the cluster."""

    def close(self) -> None:
        self._embedded.close()
