"""The dead-letter writer at its limits, on a real broker: too large, no topic, no right, no answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from connector.airship.sandbox import SandboxOptions, running_sandbox
from connector.core.partition import Partition
from connector.core.progress import Progress
from connector.core.records import Fault, NextOffset, Reject, TopicPartition
from connector.core.reject_queue import DeadLetter
from connector.kafka import letter_format as names
from connector.kafka.dead_letters import DeadLetters
from connector.kafka.properties import producer_properties_of
from connector.settings import DeadLetterSettings, KafkaSettings
from tests.integration.events import numbers, records
from tests.support.broker import Broker
from tests.support.brokers import require, start_broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Record, Topics, produce, read_to_end
from tests.unit.core.records import FakeRecord

LIMIT_BYTES = 10_000


class Reports:
    """Stands in for the loop: offers again what was not taken."""

    def __init__(self) -> None:
        self.reported: list[int] = []
        self.failed: dict[int, str] = {}
        self.not_taken: list[int] = []

    def dead_letter_reported(self, letter_id: int) -> None:
        self.reported.append(letter_id)

    def dead_letter_failed(self, letter_id: int, detail: str) -> None:
        self.failed[letter_id] = detail

    def dead_letter_not_taken(self, letter_id: int) -> None:
        self.not_taken.append(letter_id)

    def write_all(self, writer: DeadLetters, rejects: list[Reject], seconds: float = 30.0) -> None:
        """Until each is reported or has failed."""
        partition = Partition(TopicPartition("orders", 0), 1, Progress(NextOffset(0)), None)
        letters = [DeadLetter(n, partition, n, reject, 0) for n, reject in enumerate(rejects)]
        for letter in letters:
            writer.write(letter, "00-trace")
        deadline = time.monotonic() + seconds
        while len(self.reported) + len(self.failed) < len(letters):
            assert time.monotonic() < deadline, (self.reported, self.failed)
            writer.serve()
            for letter_id in self.not_taken[:]:
                self.not_taken.remove(letter_id)
                writer.write(letters[letter_id], "00-trace")
            time.sleep(0.001)


def writer_to(broker: Broker, topic: str, reports: Reports) -> DeadLetters:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, group_id="shop")
    return DeadLetters(producer_properties_of(kafka, DeadLetterSettings()), topic, "shop", reports)


def reject(
    number: int, value: bytes, *, key: bytes = b"k", headers: int = 0, answer: int = 0, message: int = 0
) -> Reject:
    """Bytes that do not compress, so that the sizes are those on the wire."""
    own = (("own", os.urandom(headers)),) if headers else ()
    record = FakeRecord(number, key, value, own_headers=own)
    fault = Fault("f", os.urandom(message).hex(), "e")
    return Reject(record, "deliver", "refused", (fault,), "c", 400, os.urandom(answer).hex() if answer else None, 1)


@pytest.fixture
def small_topic(topics: Topics) -> str:
    return topics.create("dead", 1, {"max.message.bytes": str(LIMIT_BYTES)})


@pytest.mark.parametrize(
    ("case", "left_out"),
    [
        (lambda: reject(7, os.urandom(9_000)), None),
        (lambda: reject(7, os.urandom(7_500), answer=2_000), "answer"),
        (lambda: reject(7, os.urandom(7_500), answer=1_000, message=2_000), "answer headers"),
        (lambda: reject(7, os.urandom(7_500), message=2_000), "answer headers"),
        (lambda: reject(7, os.urandom(11_000), answer=100), "answer headers value"),
        (lambda: reject(7, b"{}", headers=11_000), "answer headers value"),
        (lambda: reject(7, b"{}", key=os.urandom(11_000)), "answer headers value"),
    ],
)
@pytest.mark.broker_can("admin")
def test_what_does_not_fit_is_left_out_in_steps(
    broker: Broker, small_topic: str, case: Callable[[], Reject], left_out: str | None
) -> None:
    reports, made = Reports(), case()
    writer = writer_to(broker, small_topic, reports)
    reports.write_all(writer, [made])
    assert (reports.reported, reports.failed) == ([0], {})
    (letter,) = read_to_end(broker.bootstrap_servers, small_topic)
    told = dict(letter.headers() or [])
    whole = left_out is None or "value" not in left_out
    assert told.get("airship-connector.left-out") == (None if left_out is None else left_out.encode())
    assert letter.value() == (made.record.value() if whole else None)
    assert letter.key() == (made.record.key() if len(made.record.key() or b"") < 5_000 else None)
    assert ("own" in told) is (whole and made.record.headers() is not None)
    assert (told["__connect.errors.topic"], told["__connect.errors.partition"], told["__connect.errors.offset"]) == (
        b"orders",
        b"0",
        b"7",
    )
    assert told["airship-connector.reason"] == b"refused"
    assert ("airship-connector.answer" in told) is (left_out is None and made.answer is not None)
    assert ("__connect.errors.exception.message" in told) is (left_out in {None, "answer"})


@pytest.mark.broker_can("admin")
def test_letters_that_fit_are_whole_beside_those_that_do_not(broker: Broker, small_topic: str) -> None:
    """Together they are more than the topic takes at once, and one alone makes all of its batch fail."""
    rejects = [reject(n, os.urandom(1_000)) for n in range(60)]
    rejects[30] = reject(30, os.urandom(20_000))
    reports = Reports()
    reports.write_all(writer_to(broker, small_topic, reports), rejects)
    assert sorted(reports.reported) == list(range(60))
    letters = {
        int(dict(m.headers() or [])["__connect.errors.offset"] or b""): m
        for m in read_to_end(broker.bootstrap_servers, small_topic)
    }
    assert sorted(letters) == list(range(60))
    assert letters.pop(30).value() is None
    assert all(letter.value() == rejects[n].record.value() for n, letter in letters.items())
    assert not any(names.LEFT_OUT in dict(letter.headers() or []) for letter in letters.values())


@pytest.mark.broker_can("admin")
def test_a_topic_that_takes_not_even_a_pointer_is_trouble_and_nothing_is_dropped(
    broker: Broker, topics: Topics
) -> None:
    topic = topics.create("dead", 1, {"max.message.bytes": "100"})
    reports = Reports()
    reports.write_all(writer_to(broker, topic, reports), [reject(1, b"{}")])
    assert reports.reported == []
    assert "MSG_SIZE_TOO_LARGE" in reports.failed[0]


def job_with_bad_messages(
    broker: Broker, topics: Topics, base_url: str, dead: str
) -> tuple[dict[str, Any], Callable[[], None]]:
    """Settings for an empty topic, and what fills it: 300 good events and 3 that become dead letters."""
    topic = topics.create("events", 1)
    made = records(300)
    for place in (50, 150, 250):
        made.insert(place, Record(b"not json", key=b"bad"))
    route = {"topics": [topic], "format": "json"}
    settings = settings_for(broker.bootstrap_servers, topics.unique_name("group"), base_url, [route], dead)
    # librdkafka goes on believing in a topic for so long after it was gone
    settings["dead_letters"]["properties"] = {"topic.metadata.propagation.max.ms": 1000}

    def fill() -> None:
        produce(broker.bootstrap_servers, topic, made)

    return settings, fill


def expect_it_waits_and_heals(
    broker: Broker, topics: Topics, directory: Path, dead: str, harm: Callable[[], None], heal: Callable[[], None]
) -> None:
    """While the dead letters cannot be written nothing is lost, the good events flow, and the pod says why it waits."""
    with running_sandbox(SandboxOptions()) as sandbox:
        settings, fill = job_with_bad_messages(broker, topics, sandbox.base_url, dead)
        with Connector(directory, settings) as connector:
            connector.wait_ready()
            harm()
            fill()
            connector.wait_not_ready("dead_letters_not_writable", 60)
            assert connector.get("/livez")[0] == 200
            sandbox.wait_until(lambda summary: summary.accepted == 300, 30)
            heal()
            connector.wait_ready(60)
            wait_until(lambda: len(read_to_end(broker.bootstrap_servers, dead)) == 3, 30, "the letters are written")
            connector.process.terminate()
            connector.expect_end()
        assert sorted(numbers(sandbox.events())) == list(range(300))
    letters = read_to_end(broker.bootstrap_servers, dead)
    assert [letter.value() for letter in letters] == [b"not json"] * 3
    offsets = [dict(letter.headers() or [])["__connect.errors.offset"] for letter in letters]
    assert offsets == [b"50", b"150", b"250"]


@pytest.mark.broker_can("admin")
def test_a_topic_that_is_deleted_holds_the_rejects_until_it_is_back(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    dead = topics.create("dead", 1)
    expect_it_waits_and_heals(
        broker,
        topics,
        tmp_path,
        dead,
        harm=lambda: broker.delete_topic(dead),
        heal=lambda: broker.create_topic(dead, 1),
    )


def test_without_the_right_to_write_the_rejects_are_held_until_it_is_given(tmp_path: Path) -> None:
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with start_broker(settings) as broker:
        require(broker, "own_settings", "admin")
        topics = Topics(broker)
        dead = topics.create("dead", 1)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        place = (ResourceType.TOPIC, dead, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
        rules = [
            AclBinding(*place, AclOperation.WRITE, AclPermissionType.DENY),
            # with any rule on the topic nobody has a right that is not given
            AclBinding(*place, AclOperation.ALL, AclPermissionType.ALLOW),
        ]

        def deny() -> None:
            for future in admin.create_acls(rules).values():
                future.result(10)

        def allow() -> None:
            denied = AclBindingFilter(*place, AclOperation.WRITE, AclPermissionType.DENY)
            for future in admin.delete_acls([denied]).values():
                assert len(future.result(10)) == 1

        expect_it_waits_and_heals(broker, topics, tmp_path, dead, harm=deny, heal=allow)


@pytest.mark.broker_can("freeze")
def test_a_broker_that_stands_still_makes_letters_late_and_neither_lost_nor_double(
    broker: Broker, topics: Topics
) -> None:
    """Longer than the client waits for an answer, so it sends again what was written already."""
    dead, reports = topics.create("dead", 1), Reports()
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, group_id="shop")
    impatient = DeadLetterSettings(properties={"socket.timeout.ms": 1_000, "request.timeout.ms": 1_000})
    writer = DeadLetters(producer_properties_of(kafka, impatient), dead, "shop", reports)
    reports.write_all(writer, [reject(0, b"first")])
    partition = Partition(TopicPartition("orders", 0), 1, Progress(NextOffset(0)), None)
    broker.freeze()
    for number in range(1, 50):
        writer.write(DeadLetter(number, partition, number, reject(number, b"%d" % number), 0), None)
    frozen_until = time.monotonic() + 4.0
    while time.monotonic() < frozen_until:
        writer.serve()
        time.sleep(0.01)
    assert reports.reported == [0]
    broker.thaw()
    assert writer.close(30) == 0
    assert (sorted(reports.reported), reports.failed) == (list(range(50)), {})
    assert [letter.value() for letter in read_to_end(broker.bootstrap_servers, dead)] == [
        b"first",
        *[b"%d" % number for number in range(1, 50)],
    ]
