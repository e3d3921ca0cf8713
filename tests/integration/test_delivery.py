"""The job on a real broker: everything arrives once, rejects are told apart, what is committed is what is settled."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import fastavro
import pytest

from connector.airship.sandbox import LatencyFault, SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from tests.integration.events import custom_event, inversions, numbers, records, repeated
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.registry import Registry
from tests.support.topics import Record, Topics, committed, end_offsets, produce, produce_transaction, read_to_end

PASS_THROUGH = {"format": "json"}


def all_committed(broker: Broker, group: str, topic: str) -> bool:
    done = committed(broker.bootstrap_servers, group, topic)
    ends = end_offsets(broker.bootstrap_servers, topic)
    return all(end == 0 or (at in done and done[at].offset == end) for at, end in ends.items())


def headers_of(message: Any) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in message.headers() or []}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_every_event_arrives_once_in_the_order_of_its_key(
    broker: Broker, topics: Topics, tmp_path: Path, protocol: str
) -> None:
    topic, dead = topics.create("events", 4), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, records(5000))
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], **PASS_THROUGH}], dead
        )
        settings["kafka"]["group_protocol"] = protocol
        if protocol == "consumer":
            del settings["kafka"]["session_timeout_ms"]
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        arrived = sandbox.events()
    assert sorted(numbers(arrived)) == list(range(5000))
    assert inversions(arrived) == 0
    assert all_committed(broker, group, topic)
    assert read_to_end(broker.bootstrap_servers, dead) == []


def test_rejects_go_to_the_dead_letters_byte_for_byte_and_take_nothing_with_them(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    bad = {
        b"not json": ("decode", "not_json"),
        custom_event(9001).replace(b"purchased", b"Purchased"): ("validate", "invalid_event"),
        custom_event(9002, note="x" * 256): ("validate", "invalid_event"),
        custom_event(9003, sandbox_refuse=True): ("deliver", "refused"),
    }
    made = records(1000)
    for place, value in enumerate(bad):
        made.insert(100 + place * 200, Record(value, key=b"\x00\xff", headers=[("own", b"\x01"), ("empty", None)]))
    made.insert(500, Record(None, key=b"gone"))
    produce(broker.bootstrap_servers, topic, made)
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], **PASS_THROUGH}], dead
        )
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        arrived = numbers(sandbox.events())
    assert sorted(arrived) == list(range(1000))
    letters = read_to_end(broker.bootstrap_servers, dead)
    assert {letter.value(): _verdict(letter) for letter in letters} == bad
    for letter in letters:
        assert letter.key() == b"\x00\xff"
        assert (letter.headers() or [])[:2] == [("own", b"\x01"), ("empty", None)]
        told = headers_of(letter)
        assert told["__connect.errors.topic"] == topic
        assert told["airship-connector.group"] == group
        assert int(told["airship-connector.original-timestamp"]) > 1_600_000_000_000
    refused = next(letter for letter in letters if _verdict(letter)[0] == "deliver")
    assert headers_of(refused)["airship-connector.http-status"] == "400"
    assert all_committed(broker, group, topic)


def _verdict(letter: Any) -> tuple[str, str]:
    told = headers_of(letter)
    return told["__connect.errors.stage"], told["airship-connector.reason"]


def test_json_is_mapped_by_a_route(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("orders", 1), topics.create("dead", 1)
    orders = [
        {"id": number, "status": "paid" if number % 2 else "open", "customer": {"id": f"c{number}"}, "total": 2.5}
        for number in range(100)
    ]
    produce(broker.bootstrap_servers, topic, [Record(json.dumps(order).encode()) for order in orders])
    route = {
        "topics": [topic],
        "when": "status == 'paid'",
        "event": {
            "user": {"named_user_id": "${{ customer.id }}"},
            "body": {"name": "bought", "value": "${{ total }}", "properties": {"number": "${{ id }}"}},
        },
    }
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(broker.bootstrap_servers, group, sandbox.base_url, [route], dead)
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        arrived = sandbox.events()
    assert numbers(arrived) == list(range(1, 100, 2))
    assert arrived[0].event["user"] == {"named_user_id": "c1"}
    assert arrived[0].event["body"]["value"] == 2.5
    assert all_committed(broker, group, topic)


def test_avro_is_read_with_the_registrys_schema(
    broker: Broker, topics: Topics, tmp_path: Path, registry: Registry
) -> None:
    topic, dead = topics.create("orders", 1), topics.create("dead", 1)
    schema = {
        "type": "record",
        "name": "Order",
        "fields": [{"name": "user", "type": "string"}, {"name": "n", "type": "int"}],
    }
    schema_id = registry.register(f"{topic}-value", json.dumps(schema))

    def framed(number: int, identity: int) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), {"user": f"u{number}", "n": number})
        return b"\x00" + identity.to_bytes(4, "big") + out.getvalue()

    made = [Record(framed(number, schema_id)) for number in range(200)]
    made[50] = Record(framed(50, 987_654))
    made[60] = Record(framed(60, schema_id)[:-1])
    made[70] = Record(framed(70, schema_id) + b"!")
    produce(broker.bootstrap_servers, topic, made)
    route = {
        "topics": [topic],
        "format": "avro",
        "event": {
            "user": {"named_user_id": "${{ user }}"},
            "body": {"name": "bought", "properties": {"number": "${{ n }}"}},
        },
    }
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(broker.bootstrap_servers, topics.unique_name("group"), sandbox.base_url, [route], dead)
        settings["schema_registry"] = {"url": registry.url, "recheck_ms": 100}
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        arrived = sandbox.events()
    assert sorted(numbers(arrived)) == [number for number in range(200) if number not in {50, 60, 70}]
    reasons = {_verdict(letter)[1] for letter in read_to_end(broker.bootstrap_servers, dead)}
    assert reasons == {"unknown_schema", "truncated", "trailing_bytes"}


@pytest.mark.broker_can("transactions")
def test_the_end_behind_an_aborted_transaction_is_reached_and_committed(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 1), topics.create("dead", 1)
    produce_transaction(broker.bootstrap_servers, topic, records(100), commit=True)
    produce_transaction(broker.bootstrap_servers, topic, records(100, start=100), commit=False)
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], **PASS_THROUGH}], dead
        )
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        assert numbers(sandbox.events()) == list(range(100))
    assert all_committed(broker, group, topic)


def test_stop_at_end_stops_although_more_keeps_coming(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, records(2000))
    with running_sandbox(SandboxOptions()) as sandbox:
        sandbox.set_fault(LatencyFault(seconds=0.05))
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], **PASS_THROUGH}],
            dead,
        )
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            start, deadline = 2000, time.monotonic() + 60
            while connector.process.is_running:  # never idle: something is always on its way
                assert time.monotonic() < deadline
                produce(broker.bootstrap_servers, topic, records(50, start=start))
                start += 50
            connector.expect_end()
        assert set(range(2000)) <= set(numbers(sandbox.events()))


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_stop_at_end_stops_where_there_is_nothing_to_read(
    broker: Broker, topics: Topics, tmp_path: Path, reset: str
) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    if reset == "latest":
        produce(broker.bootstrap_servers, topic, records(100))
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], **PASS_THROUGH}],
            dead,
        )
        settings["kafka"]["auto_offset_reset"] = reset
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end(30)
        assert sandbox.events() == []


def test_a_401_stops_sending_says_why_and_heals_without_a_restart(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    group = topics.unique_name("group")
    with running_sandbox(SandboxOptions(tokens=("test-token",))) as sandbox:
        fault = sandbox.set_fault(StatusFault(status=401, body="text"))
        settings = settings_for(
            broker.bootstrap_servers, group, sandbox.base_url, [{"topics": [topic], **PASS_THROUGH}], dead
        )
        with Connector(tmp_path, settings) as connector:
            connector.wait_ready()
            produce(broker.bootstrap_servers, topic, records(2000))
            connector.wait_not_ready("unauthorized")
            assert connector.get("/livez")[0] == 200
            sandbox.clear_faults(fault)
            sandbox.wait_until(lambda summary: summary.accepted >= 2000, 30)
            connector.wait_ready()
            connector.process.terminate()
            connector.expect_end()
        arrived = numbers(sandbox.events())
    assert sorted(arrived) == list(range(2000))
    assert read_to_end(broker.bootstrap_servers, dead) == []
    assert all_committed(broker, group, topic)


def test_trouble_of_the_endpoint_rejects_nothing_and_loses_nothing(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("events", 4), topics.create("dead", 1)
    produce(broker.bootstrap_servers, topic, records(5000))
    with running_sandbox(SandboxOptions()) as sandbox:
        sandbox.set_fault(StatusFault(status=503, body="html", for_seconds=2.0))
        sandbox.set_fault(StatusFault(status=429, retry_after=1, next=3, after_requests=20))
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], **PASS_THROUGH}],
            dead,
        )
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end()
        arrived = sandbox.events()
    assert sorted(set(numbers(arrived))) == list(range(5000))
    assert repeated(numbers(arrived)) == 0
    assert inversions(arrived) == 0
    assert read_to_end(broker.bootstrap_servers, dead) == []
