"""The real parts themselves: what the other tests, the chaos runs and the benchmarks stand on."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connector.demo.embedded_broker import PARTITION_BYTES_MAX, EmbeddedBroker
from connector.errors import StartError
from tests.support import broker as broker_module
from tests.support import local_kafka
from tests.support.broker import Broker
from tests.support.brokers import start_broker
from tests.support.local_kafka import LocalKafka
from tests.support.mock_faults import ApiKey, MockFaults
from tests.support.parts import PartUnavailableError
from tests.support.processes import free_port
from tests.support.registry import Registry
from tests.support.topics import (
    COMPACTED,
    Committed,
    Record,
    Topics,
    committed,
    end_offsets,
    produce,
    produce_compacted,
    produce_transaction,
    read_to_end,
    read_until,
)

pytestmark = pytest.mark.timeout(120)


def answers(bootstrap_servers: str, timeout_seconds: float) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=timeout_seconds).brokers)
    except KafkaException:
        return False


# The run's broker


def test_what_is_produced_is_read_to_the_end_in_order(broker: Broker, topics: Topics) -> None:
    topic = topics.create("order", partitions=3)
    records = [Record(b"%d" % n, b"k%d" % (n % 7), [("h", b"\x00\xff"), ("n", None)]) for n in range(500)]

    written = produce(broker.bootstrap_servers, topic, records)

    read = read_to_end(broker.bootstrap_servers, topic)
    assert len(read) == 500
    values = {(m.partition(), m.offset()): m.value() for m in read}
    assert [values[position] for position in written] == [record.value for record in records]
    by_key: dict[bytes, list[int]] = {}
    for message in read:
        key, value = message.key(), message.value()
        assert key is not None
        assert value is not None
        by_key.setdefault(key, []).append(int(value))
    assert len(by_key) == 7
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert read[0].headers() == [("h", b"\x00\xff"), ("n", None)]
    assert sum(end_offsets(broker.bootstrap_servers, topic).values()) == 500


def test_a_record_lies_where_and_when_it_was_put(broker: Broker, topics: Topics) -> None:
    topic = topics.create("placed", partitions=5)

    record = Record(None, b"k", partition=4, timestamp_ms=1_700_000_000_000)
    written = produce(broker.bootstrap_servers, topic, [record])

    assert written == [(4, 0)]
    [message] = read_until(broker.bootstrap_servers, topic, 1)
    assert (message.key(), message.value(), message.timestamp()[1]) == (b"k", None, 1_700_000_000_000)


def test_what_a_group_committed_is_read_with_its_metadata(broker: Broker, topics: Topics) -> None:
    topic, group = topics.create("committed", partitions=3), topics.unique_name("g")
    produce(broker.bootstrap_servers, topic, [Record(b"v", partition=1)] * 10)
    member = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group, "enable.auto.commit": False})
    try:
        member.commit(offsets=[TopicPartition(topic, 1, 7, "v1:8-9")], asynchronous=False)
    finally:
        member.close()

    assert committed(broker.bootstrap_servers, group, topic) == {1: Committed(7, "v1:8-9")}


@pytest.mark.broker_can("transactions")
def test_a_transaction_leaves_holes(broker: Broker, topics: Topics) -> None:
    topic = topics.create("holes", partitions=1)
    produce(broker.bootstrap_servers, topic, [b"0"])
    produce_transaction(broker.bootstrap_servers, topic, [b"1", b"2"], commit=False)
    produce_transaction(broker.bootstrap_servers, topic, [b"4"], commit=True)

    assert [m.offset() for m in read_to_end(broker.bootstrap_servers, topic)] == [0, 4]
    everything = read_to_end(broker.bootstrap_servers, topic, "read_uncommitted")
    assert [m.offset() for m in everything] == [0, 1, 2, 4]
    assert end_offsets(broker.bootstrap_servers, topic) == {0: 6}


@pytest.mark.broker_can("compaction")
def test_compaction_leaves_holes(broker: Broker, topics: Topics) -> None:
    topic = topics.create("compacted", partitions=2, settings=COMPACTED)
    records = [Record(b"%d" % n, b"k%d" % (n % 4), partition=n % 2) for n in range(40)]

    left = produce_compacted(broker.bootstrap_servers, topic, records, partitions=2)

    own = [position for position in left if position.offset < 20]
    assert own == [(0, 18), (0, 19), (1, 18), (1, 19)]


@pytest.mark.broker_can("restart")
def test_a_killed_broker_comes_back_with_its_data(broker: Broker, topics: Topics) -> None:
    topic = topics.create("survives", partitions=2)
    written = produce(broker.bootstrap_servers, topic, [b"before"])

    broker.kill()
    assert not answers(broker.bootstrap_servers, 0.5)
    broker.start()

    assert [(m.partition(), m.offset()) for m in read_to_end(broker.bootstrap_servers, topic)] == written
    produce(broker.bootstrap_servers, topic, [b"after"])


@pytest.mark.broker_can("freeze")
def test_a_frozen_broker_answers_after_the_thaw(broker: Broker) -> None:
    broker.freeze()
    assert not answers(broker.bootstrap_servers, 0.5)
    broker.thaw()
    assert answers(broker.bootstrap_servers, 20)


@pytest.mark.broker_can("restart")
def test_a_broker_that_a_test_left_dead_is_healed(broker: Broker) -> None:
    broker.kill()
    broker.heal()
    assert answers(broker.bootstrap_servers, 5)


@pytest.mark.broker_can("freeze")
def test_a_broker_that_a_test_left_frozen_is_healed(broker: Broker) -> None:
    broker.freeze()
    broker.heal()
    assert answers(broker.bootstrap_servers, 5)


@pytest.mark.broker_can("own_settings")
def test_a_topic_that_nobody_created_is_not_made_by_reading(broker: Broker, topics: Topics) -> None:
    with pytest.raises(TimeoutError, match="0 partitions"):
        broker_module.wait_for_leaders(
            AdminClient({"bootstrap.servers": broker.bootstrap_servers}), topics.unique_name(), timeout_seconds=0.2
        )


# How the run's broker is chosen


@pytest.fixture
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("TEST_BROKER", raising=False)
    return monkeypatch


def test_without_docker_and_java_the_mock_cluster_serves(
    nothing_named: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    nothing_named.setenv("DOCKER_HOST", f"unix://{empty}/docker.sock")
    nothing_named.setenv("PATH", str(empty))
    nothing_named.setenv("XDG_CACHE_HOME", str(empty))
    reasons: list[str] = []

    with start_broker(passed_over=reasons.append) as found:
        assert found.kind == "mock"
        produce(found.bootstrap_servers, "any", [b"v"])

    container, local = reasons
    assert container.startswith("container: no Docker engine listens at")
    assert "Maven" in local or "Java 17" in local


def test_the_given_broker_comes_first(broker: Broker, nothing_named: pytest.MonkeyPatch) -> None:
    nothing_named.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    with start_broker() as found:
        assert (found.kind, found.bootstrap_servers) == ("given", broker.bootstrap_servers)
        assert not found.can_restart
    assert answers(broker.bootstrap_servers, 5), "closing it must leave the given broker alone"


def test_a_given_broker_that_is_not_there_is_an_error(nothing_named: pytest.MonkeyPatch) -> None:
    nothing_named.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    with pytest.raises(PartUnavailableError, match="does not answer"):
        start_broker()


def test_a_kind_that_does_not_exist_is_an_error(nothing_named: pytest.MonkeyPatch) -> None:
    nothing_named.setenv("TEST_BROKER", "redpanda")
    with pytest.raises(PartUnavailableError, match="expected one of given, container, local, mock"):
        start_broker()


def test_a_port_that_another_took_first_is_given_up(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    if broker.kind != "local":
        pytest.skip("needs Apache Kafka on the local Java")
    taken = int(broker.bootstrap_servers.rpartition(":")[2])
    offered: Iterator[int] = iter([taken, free_port()])
    monkeypatch.setattr(local_kafka, "free_port", lambda: next(offered, None) or free_port())

    with LocalKafka() as second:
        assert second.bootstrap_servers != broker.bootstrap_servers
        assert answers(second.bootstrap_servers, 5)


# The embedded broker and its faults


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def test_the_embedded_broker_has_the_partitions_that_are_wanted(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("nine", 9)
    client = AdminClient({"bootstrap.servers": embedded.bootstrap_servers})
    assert len(client.list_topics("nine", timeout=5).topics["nine"].partitions) == 9
    assert len(client.list_topics("unnamed", timeout=5).topics["unnamed"].partitions) == 4
    with pytest.raises(StartError, match=r"'nine' with 2 partitions: .*already exists"):
        embedded.create_topic("nine", 2)


def test_the_embedded_broker_keeps_the_end_of_a_partition(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("full", 1)
    produce(embedded.bootstrap_servers, "full", [bytes(100_000)] * 70)
    kept = sum(len(message) for message in read_to_end(embedded.bootstrap_servers, "full"))
    assert PARTITION_BYTES_MAX * 0.9 < kept <= PARTITION_BYTES_MAX


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_of_the_embedded_broker_starts_at_once(embedded: EmbeddedBroker, protocol: str) -> None:
    embedded.create_topic("t", 2)
    produce(embedded.bootstrap_servers, "t", [b"v"])
    member = Consumer(
        {
            "bootstrap.servers": embedded.bootstrap_servers,
            "group.id": "g",
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
        }
    )
    member.subscribe(["t"])
    try:
        message = member.poll(2.5)  # librdkafka's own delay is three seconds
        assert message is not None
        assert message.value() == b"v"
    finally:
        member.close()


def test_a_closed_embedded_broker_says_so(embedded: EmbeddedBroker) -> None:
    embedded.close()
    embedded.close()
    with pytest.raises(StartError, match="closed"):
        embedded.create_topic("late", 1)
    assert not answers(embedded.bootstrap_servers, 0.3)


def test_an_embedded_broker_can_be_down_for_a_while(embedded: EmbeddedBroker) -> None:
    faults = MockFaults(embedded)
    faults.set_down()
    assert not answers(embedded.bootstrap_servers, 0.3)
    faults.set_up()
    assert answers(embedded.bootstrap_servers, 5)


def test_an_embedded_broker_can_be_slow(embedded: EmbeddedBroker) -> None:
    faults = MockFaults(embedded)
    faults.set_round_trip_ms(60_000)
    assert not answers(embedded.bootstrap_servers, 0.3)
    faults.clear()
    assert answers(embedded.bootstrap_servers, 5)


def test_an_embedded_broker_answers_with_the_errors_that_are_pushed(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("t", 1)
    faults = MockFaults(embedded)
    not_authorized = 29
    faults.push_errors(ApiKey.PRODUCE, [not_authorized])
    with pytest.raises(KafkaException) as refused:
        produce(embedded.bootstrap_servers, "t", [b"refused"], {"enable.idempotence": False})
    assert refused.value.args[0].code() == not_authorized

    faults.push_errors(ApiKey.PRODUCE, [not_authorized])
    faults.clear()
    produce(embedded.bootstrap_servers, "t", [b"taken"])
    assert [m.value() for m in read_to_end(embedded.bootstrap_servers, "t")] == [b"taken"]


def test_the_start_of_an_embedded_log_can_move(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("t", 1)
    produce(embedded.bootstrap_servers, "t", [b"%d" % n for n in range(5)])
    MockFaults(embedded).delete_records("t", 0, before_offset=3)
    assert [m.value() for m in read_to_end(embedded.bootstrap_servers, "t")] == [b"3", b"4"]


def test_an_embedded_partition_can_lose_its_leader(embedded: EmbeddedBroker) -> None:
    embedded.create_topic("t", 1)
    faults = MockFaults(embedded)
    producer = Producer({"bootstrap.servers": embedded.bootstrap_servers})
    broker_module.wait_for_leaders(producer, "t")
    faults.set_leader("t", 0, -1)
    with pytest.raises(TimeoutError, match="0 partitions with a leader"):
        broker_module.wait_for_leaders(producer, "t", timeout_seconds=0.2)
    faults.set_leader("t", 0, 1)
    broker_module.wait_for_leaders(producer, "t")


# The schema registry

ADDRESS = {
    "type": "record",
    "name": "Address",
    "namespace": "shop",
    "fields": [{"name": "street", "type": "string"}],
}
ORDER = {"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "to", "type": "shop.Address"}]}


def test_the_registry_gives_back_what_was_registered(registry: Registry) -> None:
    registry.register("address-value", ADDRESS)
    reference = {"name": "shop.Address", "subject": "address-value", "version": 1}
    identity = registry.register("order-value", ORDER, [reference])

    answer = httpx.get(f"{registry.url}/schemas/ids/{identity}", timeout=10, trust_env=False).json()
    assert answer["references"] == [reference]
    assert registry.register("order-value", ORDER, [reference]) == identity
    with pytest.raises(ValueError, match="refused broken"):
        registry.register("broken", '{"type": "nope"}')
