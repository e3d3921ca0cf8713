"""The broker in a container, whatever broker the other tests of this run use: what is asked of every provider."""

from __future__ import annotations

from collections.abc import Iterator

import docker  # type: ignore[import-untyped]
import pytest

from tests.image.kafka_image import kafka_image
from tests.integration.test_providers import (
    test_a_broker_that_a_test_left_dead_is_healed,
    test_a_broker_that_a_test_left_frozen_is_healed,
    test_a_frozen_broker_answers_after_the_thaw,
    test_a_killed_broker_comes_back_with_its_data,
    test_a_record_lies_where_and_when_it_was_put,
    test_a_topic_that_nobody_created_is_not_made_by_reading,
    test_a_transaction_leaves_holes,
    test_compaction_leaves_holes,
    test_what_a_group_committed_is_read_with_its_metadata,
    test_what_is_produced_is_read_to_the_end_in_order,
)
from tests.support.broker import Broker
from tests.support.container_kafka import ContainerKafka
from tests.support.parts import PartUnavailableError
from tests.support.topics import Topics, produce, read_to_end

__all__ = [
    "test_a_broker_that_a_test_left_dead_is_healed",
    "test_a_broker_that_a_test_left_frozen_is_healed",
    "test_a_frozen_broker_answers_after_the_thaw",
    "test_a_killed_broker_comes_back_with_its_data",
    "test_a_record_lies_where_and_when_it_was_put",
    "test_a_topic_that_nobody_created_is_not_made_by_reading",
    "test_a_transaction_leaves_holes",
    "test_compaction_leaves_holes",
    "test_what_a_group_committed_is_read_with_its_metadata",
    "test_what_is_produced_is_read_to_the_end_in_order",
]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def kafka(base: str) -> str:
    try:
        return kafka_image(base)
    except PartUnavailableError as reason:
        pytest.skip(f"needs an image of Apache Kafka: {reason}")


@pytest.fixture(scope="module")
def broker(kafka: str) -> Iterator[Broker]:
    """Stands before the run's own."""
    with ContainerKafka(image=kafka) as running:
        yield running


def test_it_takes_settings_and_is_gone_when_it_is_closed(engine: docker.DockerClient, kafka: str) -> None:
    with ContainerKafka({"auto.create.topics.enable": "true", "num.partitions": "7"}, kafka) as own:
        produce(own.bootstrap_servers, "made-by-writing", [b"v"], {"allow.auto.create.topics": True})
        assert [message.value() for message in read_to_end(own.bootstrap_servers, "made-by-writing")] == [b"v"]
        port = int(own.bootstrap_servers.rpartition(":")[2])
        assert _containers_at(engine, port) == 1
    assert _containers_at(engine, port) == 0


def test_two_of_them_run_beside_each_other(kafka: str, broker: Broker, topics: Topics) -> None:
    topic = topics.create("only-here", 1)
    with ContainerKafka(image=kafka) as second:
        second.create_topic(topic, 1)
        produce(second.bootstrap_servers, topic, [b"there"])
        assert read_to_end(broker.bootstrap_servers, topic) == []


def _containers_at(engine: docker.DockerClient, port: int) -> int:
    bound = [container.ports.get("9092/tcp") or [] for container in engine.containers.list(all=True)]
    return sum(any(binding["HostPort"] == str(port) for binding in bindings) for bindings in bound)
