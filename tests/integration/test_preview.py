"""`preview` of a real topic: what it shows is what is there, and it leaves no trace, in the cluster or elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from connector.airship.sandbox import SandboxOptions, running_sandbox
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import settings_for
from tests.support.local_kafka import LocalKafka
from tests.support.parts import PartUnavailableError
from tests.support.processes import free_port, wait_until
from tests.support.registry_stub import registry_stub
from tests.support.topics import Record, Topics, committed, end_offsets, produce, produce_transaction, read_to_end
from tests.unit.decode.avro_bytes import written

SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
TEMPLATE = {"user": {"named_user_id": "${{ id }}"}, "body": {"name": "ordered"}}
HOUR_MS = 3_600_000


def preview(settings: dict[str, Any], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    file = folder / "connector.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, "-m", "connector", "preview", "-c", str(file), "--from-kafka", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def shown(settings: dict[str, Any], folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = preview(settings, folder, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [event["body"]["properties"]["number"] for line in lines for event in line["events"]]


def settings_of(broker: Broker, topics: Topics, topic: str, base_url: str = "http://127.0.0.1:1") -> dict[str, Any]:
    group, dead = topics.unique_name("g"), topics.unique_name("dead")
    return settings_for(broker.bootstrap_servers, group, base_url, [{"name": "all", "topics": [topic]}], dead)


def groups_of(broker: Broker) -> set[str]:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    return {group.group_id for group in admin.list_consumer_groups(request_timeout=10).result(15).valid}


def test_it_shows_what_is_there_and_leaves_no_trace(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic = topics.create("events", 3)
    good = [Record(custom_event(number), partition=number % 3) for number in range(30)]
    produce(broker.bootstrap_servers, topic, [*good, Record(b"{", partition=0), Record(None, b"k", partition=1)])
    ends = end_offsets(broker.bootstrap_servers, topic)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_of(broker, topics, topic, sandbox.base_url)
        lines = shown(settings, tmp_path, "--count", "100")
        assert sandbox.requests() == []
    assert sorted(numbers(lines)) == list(range(30))
    assert {(line["partition"], line["offset"]) for line in lines} == {
        (partition, offset) for partition, end in ends.items() for offset in range(end)
    }
    (reject,) = [line for line in lines if line["outcome"] == "reject"]
    (skip,) = [line for line in lines if line["outcome"] == "skip"]
    assert (reject["topic"], reject["partition"], reject["offset"]) == (topic, 0, 10)
    assert (reject["stage"], reject["reason"], reject["faults"][0]["field"]) == ("decode", "not_json", "value")
    assert (skip["partition"], skip["offset"], skip["reason"]) == (1, 10, "tombstone")

    group = settings["kafka"]["group_id"]
    for name in (group, f"{group}.preview"):
        assert committed(broker.bootstrap_servers, name, topic) == {}
    if broker.has_admin:
        assert not {name for name in groups_of(broker) if name.startswith(group)}
    cluster = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}).list_topics(timeout=10)
    assert settings["dead_letters"]["topic"] not in cluster.topics
    assert end_offsets(broker.bootstrap_servers, topic) == ends


def test_few_messages_come_from_all_partitions_from_where_one_says(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic = topics.create("events", 3)
    produce(
        broker.bootstrap_servers, topic, [Record(custom_event(number), partition=number % 3) for number in range(30)]
    )
    settings = settings_of(broker, topics, topic)
    assert sorted(numbers(shown(settings, tmp_path, "--count", "6"))) == [0, 1, 2, 3, 4, 5]
    assert sorted(numbers(shown(settings, tmp_path, "--count", "6", "--from", "latest"))) == [24, 25, 26, 27, 28, 29]
    assert numbers(shown(settings, tmp_path, "--count", "2", "--partition", "1")) == [1, 4]
    assert numbers(shown(settings, tmp_path, "--count", "2", "--partition", "1", "--offset", "7")) == [22, 25]
    assert sorted(numbers(shown(settings, tmp_path, "--offset", "-1"))) == [27, 28, 29]
    assert len(shown(settings, tmp_path)) == 10

    many = preview(settings, tmp_path, "--count", "50", "--partition", "2")
    assert "10 of 50 messages: the topic holds no more from there on" in many.stderr
    assert "10 messages" in many.stdout
    assert f"{topic}[2] offset 9" in many.stdout
    beyond = preview(settings, tmp_path, "--partition", "1", "--offset", "11")
    assert (beyond.returncode, beyond.stdout) == (1, "")
    assert f"{topic}[1] holds the offsets 0 to 9: found --offset 11" in beyond.stderr
    absent = preview(settings, tmp_path, "--partition", "3")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert "has the partitions 0 to 2: found --partition 3" in absent.stderr


def test_from_a_time_on_and_in_an_empty_topic(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, empty = topics.create("events", 1), topics.create("empty", 2)
    now_ms = int(time.time() * 1000)
    produce(
        broker.bootstrap_servers,
        topic,
        [Record(custom_event(number), timestamp_ms=now_ms - (5 - number) * HOUR_MS) for number in range(5)],
    )
    if not broker.has_admin:
        pytest.skip("librdkafka's mock cluster looks no time up")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((now_ms - 2 * HOUR_MS - 60_000) / 1000))
    settings = settings_of(broker, topics, topic)
    assert numbers(shown(settings, tmp_path, "--from", moment)) == [3, 4]
    settings["routes"][0]["topics"] = [empty]
    done = preview(settings, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no messages: the topic holds no more from there on" in done.stderr


@pytest.mark.broker_can("transactions")
def test_what_a_transaction_aborted_is_not_shown_and_its_markers_cost_no_message(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic = topics.create("events", 1)
    for number in range(10):
        produce_transaction(broker.bootstrap_servers, topic, [custom_event(number)], commit=True)
        produce_transaction(broker.bootstrap_servers, topic, [custom_event(100 + number)], commit=False)
    settings = settings_of(broker, topics, topic)
    assert numbers(shown(settings, tmp_path, "--count", "10")) == list(range(10))
    assert numbers(shown(settings, tmp_path, "--count", "4", "--from", "latest")) == [6, 7, 8, 9]


def test_beside_a_running_group_nothing_moves(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic = topics.create("events", 1)
    produce(broker.bootstrap_servers, topic, [custom_event(number) for number in range(5)])
    settings = settings_of(broker, topics, topic)
    group = settings["kafka"]["group_id"]
    commit(broker, group, topic, 3)
    before = committed(broker.bootstrap_servers, group, topic)
    assert numbers(shown(settings, tmp_path)) == [0, 1, 2, 3, 4]
    assert committed(broker.bootstrap_servers, group, topic) == before
    assert before[0].offset == 3


def commit(broker: Broker, group: str, topic: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group, "log_level": 0})
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


def test_avro_with_a_registry_and_a_registry_that_is_down(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic = topics.create("orders", 1)
    framed = b"\x00\x00\x00\x00\x07" + written(SCHEMA, {"id": "u-1"})
    produce(broker.bootstrap_servers, topic, [framed, b"\x00\x00\x00\x00\x08\x00"])
    settings = settings_of(broker, topics, topic)
    settings["routes"] = [{"topics": [topic], "format": "avro", "event": TEMPLATE}]
    with registry_stub(schemas={"7": {"schema": json.dumps(SCHEMA)}}) as registry:
        settings["schema_registry"] = {"url": registry.url}
        event, reject = shown(settings, tmp_path)
    assert event["events"] == [{"user": {"named_user_id": "u-1"}, "body": {"name": "ordered"}}]
    assert (reject["reason"], reject["faults"][0]["found"]) == ("unknown_schema", "id:8")
    down = preview(settings, tmp_path, "--json")
    assert (down.returncode, down.stdout) == (1, "")
    assert down.stderr.startswith("error: the registry at http://127.0.0.1:")
    assert "does not answer" in down.stderr


def test_a_large_message_and_one_that_is_no_text(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic = topics.create("events", 1)
    large = custom_event(1, text=["x" * 200] * 4500)
    produce(broker.bootstrap_servers, topic, [large, b"\x1b[2J\x00\xff\x07"])
    done = preview(settings_of(broker, topics, topic), tmp_path, "--only", "reject", "--show-message")
    assert "message: 1B 5B 32 4A 00 FF 07\n" in done.stdout
    assert "\x1b" not in done.stdout
    (line, _) = shown(settings_of(broker, topics, topic), tmp_path)
    assert line["events"] == [json.loads(large)]


def test_a_cluster_that_is_not_there(topics: Topics, broker: Broker, tmp_path: Path) -> None:
    settings = settings_of(broker, topics, "events")
    settings["kafka"]["bootstrap_servers"] = f"127.0.0.1:{free_port()}"
    started = time.monotonic()
    done = preview(settings, tmp_path, "--timeout", "3")
    assert time.monotonic() - started < 30
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "test-token" not in done.stderr


@pytest.fixture(scope="module")
def guarded() -> Iterator[Broker]:
    """A cluster that creates topics by themselves, and where the preview's group is somebody else's."""
    settings = {
        "auto.create.topics.enable": "true",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    try:
        broker = LocalKafka(settings)
    except PartUnavailableError as reason:
        pytest.skip(f"needs a broker with access control: {reason}")
    with broker:
        for topic in ("open", "closed"):
            broker.create_topic(topic, 1)
            produce(broker.bootstrap_servers, topic, [custom_event(number) for number in range(3)])
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        rules = [
            AclBinding(kind, name, pattern, who, "*", operation, AclPermissionType.ALLOW)
            for kind, name, pattern, who, operation in (
                (ResourceType.GROUP, "jobs", ResourcePatternType.PREFIXED, "User:other", AclOperation.ALL),
                (ResourceType.TOPIC, "closed", ResourcePatternType.LITERAL, "User:ANONYMOUS", AclOperation.DESCRIBE),
            )
        ]
        for future in admin.create_acls(rules).values():
            future.result(10)
        wait_until(lambda: not may_read(broker, "closed"), 10, "the rules are in force")
        yield broker


def may_read(broker: Broker, topic: str) -> bool:
    try:
        return bool(read_to_end(broker.bootstrap_servers, topic, timeout_seconds=5))
    except KafkaException:
        return False


def test_no_right_to_a_group_is_needed(guarded: Broker, tmp_path: Path) -> None:
    routes = [{"topics": ["open"]}, {"topics": ["closed"]}]
    settings = settings_for(guarded.bootstrap_servers, "jobs", "http://127.0.0.1:1", routes, "dead")
    assert numbers(shown(settings, tmp_path, "--topic", "open", "--count", "3")) == [0, 1, 2]
    closed = preview(settings, tmp_path, "--topic", "closed", "--from", "latest")
    assert (closed.returncode, closed.stdout) == (1, "")
    assert "Topic authorization failed" in closed.stderr


def test_a_topic_that_is_not_there_is_not_created(guarded: Broker, tmp_path: Path) -> None:
    settings = settings_for(guarded.bootstrap_servers, "g", "http://127.0.0.1:1", [{"topics": ["absent"]}], "dead")
    done = preview(settings, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the cluster has no topic absent" in done.stderr
    admin = AdminClient({"bootstrap.servers": guarded.bootstrap_servers, "log_level": 0})
    assert not {"absent", "dead"} & set(admin.list_topics(timeout=10).topics)
