"""What librdkafka is told, what a user may not tell it, and what the clients themselves have against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from connector.kafka import properties, property_rules
from connector.kafka.property_names import COMMON, CONSUMER_ONLY, PRODUCER_ONLY
from connector.kafka.property_rules import Place, refused
from connector.settings import Settings
from tests.unit.configuration.documents import changed, faults, loaded

SILENT = {"log_level": 0}


def settings(tmp_path: Path, **values: Any) -> Settings:
    return loaded(changed(**values), tmp_path)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_clients_take_what_they_are_told(protocol: str, tmp_path: Path) -> None:
    told = settings(
        tmp_path,
        kafka__group_protocol=protocol,
        kafka__group_instance_id="pod-0",
        kafka__properties={"client.rack": "a", "fetch.wait.max.ms": 100, "message.max.bytes": 2_000_000},
        dead_letters__properties={"compression.type": "lz4"},
    )
    Consumer(properties.consumer_properties(told) | SILENT).close()
    Producer(properties.producer_properties(told) | SILENT)
    AdminClient(properties.connection_properties(told) | SILENT)


def test_delivery_rests_on_these(tmp_path: Path) -> None:
    told = settings(tmp_path)
    consumer = properties.consumer_properties(told)
    assert consumer["enable.auto.commit"] is False
    assert consumer["enable.auto.offset.store"] is False
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    assert consumer["auto.offset.reset"] == told.kafka.auto_offset_reset
    assert consumer["max.poll.interval.ms"] == told.kafka.max_poll_interval_ms
    assert consumer["session.timeout.ms"] == told.kafka.session_timeout_ms
    assert consumer["client.id"] == "airship-connector"
    assert "group.instance.id" not in consumer
    producer = properties.producer_properties(told)
    assert producer["enable.idempotence"] is True
    assert producer["acks"] == "all"
    assert producer["message.timeout.ms"] == 0
    assert producer["client.id"] == "airship-connector"


def test_the_new_protocol_leaves_to_the_broker_what_is_the_brokers(tmp_path: Path) -> None:
    consumer = properties.consumer_properties(settings(tmp_path, kafka__group_protocol="consumer"))
    assert consumer["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(consumer)


@pytest.mark.parametrize(("session_ms", "heartbeat_ms"), [(1000, 333), (3000, 1000), (15_000, 3000), (60_000, 3000)])
def test_a_short_session_has_time_for_three_heartbeats(tmp_path: Path, session_ms: int, heartbeat_ms: int) -> None:
    told = settings(tmp_path, kafka__session_timeout_ms=session_ms)
    assert properties.consumer_properties(told)["heartbeat.interval.ms"] == heartbeat_ms
    mine = settings(tmp_path, kafka__session_timeout_ms=session_ms, kafka__properties={"heartbeat.interval.ms": 200})
    assert properties.consumer_properties(mine)["heartbeat.interval.ms"] == 200


def test_static_membership_is_a_name(tmp_path: Path) -> None:
    consumer = properties.consumer_properties(settings(tmp_path, kafka__group_instance_id="pod-0"))
    assert consumer["group.instance.id"] == "pod-0"


def test_what_may_be_fetched_before_it_is_asked_for_is_bounded(tmp_path: Path) -> None:
    consumer = properties.consumer_properties(settings(tmp_path))
    assert int(consumer["queued.max.messages.kbytes"]) <= 16 * 1024
    assert int(consumer["fetch.max.bytes"]) <= 8 << 20
    assert int(consumer["max.partition.fetch.bytes"]) <= 1 << 20


def test_a_choice_can_be_made_otherwise_and_a_rule_cannot(tmp_path: Path) -> None:
    kafka = {"client.id": "mine", "fetch.max.bytes": 2_000_000}
    told = settings(tmp_path, kafka__properties=kafka, dead_letters__properties={"linger.ms": 50, "client.id": "dlq"})
    assert kafka.items() <= properties.consumer_properties(told).items()
    assert {"linger.ms": 50, "client.id": "dlq"}.items() <= properties.producer_properties(told).items()
    # Even where nobody checked it.
    unchecked = told.kafka.model_copy(update={"properties": {"enable.auto.commit": True, "group.id": "other"}})
    consumer = properties.consumer_properties_of(unchecked)
    assert (consumer["enable.auto.commit"], consumer["group.id"]) == (False, told.kafka.group_id)


def test_both_clients_have_the_same_connection(tmp_path: Path) -> None:
    connection = {"security.protocol": "ssl", "ssl.ca.location": "/ca.pem", "client.id": "mine"}
    told = settings(tmp_path, kafka__properties=connection | {"fetch.wait.max.ms": 5})
    for final in (properties.producer_properties(told), properties.connection_properties(told)):
        assert connection.items() <= final.items()
        assert final["bootstrap.servers"] == told.kafka.bootstrap_servers
        assert not CONSUMER_ONLY & set(final)


RULES: dict[Place, tuple[dict[str, str], dict[str, set[str]]]] = {
    "kafka": (property_rules._CONSUMER_REFUSED, property_rules._CONSUMER_ALLOWED),
    "dead_letters": (property_rules._PRODUCER_REFUSED, property_rules._PRODUCER_ALLOWED),
}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, (names, _) in RULES.items() for name in names])
def test_a_refused_property_is_refused_with_its_reason(place: Place, name: str, tmp_path: Path) -> None:
    reasons, allowed = RULES[place]
    lines = faults(changed(**{f"{place}__properties": {name: "wrong"}}), tmp_path)
    assert lines == [f"connector.yaml:1: {place}.properties.{name}: {reasons[name]}"]
    for value in allowed.get(name, ()):
        loaded(changed(**{f"{place}__properties": {name: value}}), tmp_path)


def test_a_value_that_is_set_anyway_may_stand(tmp_path: Path) -> None:
    loaded(changed(kafka__properties={"enable.auto.commit": False, "isolation.level": "read_committed"}), tmp_path)
    assert dict(refused("kafka", {"enable.auto.commit": "FALSE"})) == {}
    assert dict(refused("kafka", {"enable.auto.commit": True})).keys() == {"enable.auto.commit"}


@pytest.mark.parametrize(
    ("place", "name", "reason"),
    [
        ("kafka", "linger.ms", "is a property of the other client; it belongs in dead_letters.properties"),
        ("dead_letters", "fetch.max.bytes", "is a property of the other client; it belongs in kafka.properties"),
        ("kafka", "error_cb", "is a callback, which a text cannot be"),
        ("kafka", "sasl.jaas.config", "is a name of Java's client; here it is sasl.username and sasl.password"),
        ("kafka", "test.mock.num.brokers", "would put a cluster inside this process in the place of the real one"),
    ],
)
def test_what_belongs_elsewhere_is_sent_there(place: Place, name: str, reason: str) -> None:
    assert list(refused(place, {name: "1"})) == [(name, reason)]


def test_most_properties_are_free() -> None:
    asked = dict.fromkeys(COMMON | CONSUMER_ONLY, "x")
    assert len(dict(refused("kafka", asked))) < 25
    asked = dict.fromkeys(COMMON | PRODUCER_ONLY, "x")
    assert len(dict(refused("dead_letters", asked))) < 25


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"kafka__properties": {"fetch.maxbytes": 1}},
            ["kafka.properties.fetch.maxbytes: librdkafka knows no such property; did you mean fetch.max.bytes?"],
        ),
        (
            {"kafka__properties": {"fetch.wait.max.ms": "soon"}},
            ["kafka.properties.fetch.wait.max.ms: the Kafka client refuses it: "],
        ),
        (
            {"kafka__properties": {"security.protocol": "ssl", "ssl.ca.location": "/there/is/none"}},
            ["kafka.properties.ssl.ca.location: the file cannot be used; expected one that exists, can be read"],
        ),
        (
            {"kafka__properties": {"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}},
            ["kafka.properties: the Kafka client refuses them: Kerberos (GSSAPI) is not built in; set sasl.mechanism"],
        ),
        (
            {"kafka__properties": {"a.b": 1, "c.d": 2}, "dead_letters__properties": {"linger.mss": 1}},
            [
                "kafka.properties.a.b: librdkafka knows no such property",
                "kafka.properties.c.d: librdkafka knows no such property",
                "dead_letters.properties.linger.mss: librdkafka knows no such property; did you mean linger.ms?",
            ],
        ),
    ],
)
def test_the_clients_are_asked_themselves(values: dict[str, Any], said: list[str], tmp_path: Path) -> None:
    told = [line.removeprefix("connector.yaml:1: ") for line in faults(changed(**values), tmp_path, try_clients=True)]
    assert len(told) == len(said)
    assert all(line.startswith(expected) for line, expected in zip(told, said, strict=True))


def test_what_is_right_is_tried_and_taken(tmp_path: Path) -> None:
    document = changed(
        kafka__properties={
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "me",
            "sasl.password": "hidden",
        }
    )
    loaded(document, tmp_path, try_clients=True)
