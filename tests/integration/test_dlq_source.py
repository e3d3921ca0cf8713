"""`dlq replay --to source` on a real broker: byte for byte, once, in order, stopped anywhere and gone on with."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Message

from connector.airship.sandbox import SandboxOptions, running_sandbox
from connector.core.records import Fault, Reject, SourceRecord
from connector.kafka.dead_letters import LeftOut, headers_of
from tests.integration.dead_letters import ARROYO, CONNECT, SPRING, Dlq, dlq_for, letter
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import Connector
from tests.support.processes import ChildProcess, wait_until
from tests.support.topics import Record, Topics, committed, end_offsets, produce, read_to_end
from tests.unit.core.records import FakeRecord

pytestmark = pytest.mark.broker_can("admin", "transactions")


def replaying(dlq: Dlq, tmp_path: Path, *arguments: str, name: str = "replay") -> ChildProcess:
    command = [sys.executable, "-m", "connector", "dlq", "replay", "--to", "source", "-c", str(dlq.config), *arguments]
    return ChildProcess(name, command, log_path=tmp_path / f"{name}.log")


def numbers_in(messages: list[Message]) -> list[int]:
    """The numbers that `letter` wrote into the messages' headers."""
    return [int(dict(message.headers() or [])["number"] or b"") for message in messages]


def test_messages_go_back_as_they_were_to_where_they_were_in_order(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders, refunds = topics.create("dead", 2), topics.create("orders", 3), topics.create("refunds", 1)
    made = [
        letter(
            n,
            refunds if n % 10 == 0 else orders,
            partition=0 if n % 10 == 0 else n % 5 % 3,
            own_headers=[("n", b"%d" % n), ("bytes", b"\x00\xff"), ("none", None)],
        )
        for n in range(500)
    ]
    produce(broker.bootstrap_servers, dead, made)
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    dlq.settings["routes"].append({"topics": [refunds], "format": "json"})
    dlq.write()
    assert dlq.json("replay", "--to", "source")["replayed"] == 500
    by_number = {dict(record.headers)["n"]: record for record in made}
    arrived = read_to_end(broker.bootstrap_servers, orders) + read_to_end(broker.bootstrap_servers, refunds)
    assert len(arrived) == 500
    order: dict[tuple[str | None, bytes | None], list[int]] = defaultdict(list)
    for message in arrived:
        number = dict(message.headers() or [])["n"]
        record = by_number.pop(number)
        assert (message.key(), message.value()) == (record.key, record.value)
        assert message.headers() == [*list(record.headers)[:3], ("airship-connector.replays", b"1")]
        assert message.partition() == (0 if message.topic() == refunds else int(number or b"") % 5 % 3)
        order[message.topic(), message.key()].append(int(number or b""))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    again = dlq.json("replay", "--to", "source")
    assert (again["selected"], again["skipped"], again["not_matching"]) == (0, 0, 0)
    # A group of its own says how far it is, and its lag what is left.
    done = committed(broker.bootstrap_servers, "shop.replay", dead)
    assert {n: at.offset for n, at in done.items()} == end_offsets(broker.bootstrap_servers, dead)
    assert dlq.json("list")["replayed"] == 500
    assert dlq.json("list", "--not-replayed")["total"] == 0


def test_what_a_filter_or_the_settings_leave_is_left_for_the_next_replay(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    bad = custom_event(0).replace(b"purchased", b"Purchased")
    produce(
        broker.bootstrap_servers,
        dead,
        [
            record
            for n in range(0, 90, 3)
            for record in (
                letter(n, orders, stage="validate", reason="invalid_event"),
                letter(n + 1, orders),
                letter(n + 2, orders, value=bad, stage="validate", reason="invalid_event"),
            )
        ],
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    first = dlq.json("replay", "--to", "source", "--reason", "invalid_event")
    assert first == {
        "selected": 30,
        "replayed": 30,
        "skipped": 30,
        "rejected_again": 0,
        "not_matching": 30,
        "skipped_by": {"would_be_rejected": 30},
        "rejected_by": {"validate, invalid_event": 30},
        "by_topic": {orders: 30},
    }
    # Behind the first letter: the one after it was left.
    assert committed(broker.bootstrap_servers, "shop.replay", dead)[0].offset == 1
    second = dlq.json("replay", "--to", "source")
    assert (second["replayed"], second["skipped_by"]) == (30, {"replayed_before": 29, "would_be_rejected": 30})
    # The cause is mended: the route makes the name itself.
    dlq.settings["routes"] = [
        {"topics": [orders], "event": {"user": {"named_user_id": "one"}, "body": {"name": "bought"}}}
    ]
    dlq.write()
    third = dlq.json("replay", "--to", "source")
    assert (third["replayed"], third["skipped_by"]) == (30, {"replayed_before": 58})
    assert committed(broker.bootstrap_servers, "shop.replay", dead)[0].offset == 90
    values = [message.value() for message in read_to_end(broker.bootstrap_servers, orders)]
    assert len(values) == 90
    assert values.count(bad) == 30


def test_a_dry_run_says_what_would_happen_and_leaves_nothing(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    bad = custom_event(0).replace(b"purchased", b"Purchased")
    produce(broker.bootstrap_servers, dead, [letter(0, orders), letter(1, orders, value=bad), letter(2, "gone")])
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    dry = dlq.json("replay", "--to", "source", "--dry-run")
    assert (dry["selected"], dry["replayed"], dry["dry_run"]) == (1, 0, True)
    assert dry["skipped_by"] == {"would_be_rejected": 1, "no_such_topic": 1}
    words = dlq("replay", "--to", "source", "--dry-run", "--each")
    assert f"0:0  from {orders}[0]@0, replay 1" in words
    line = json.loads(dlq("replay", "--to", "source", "--dry-run", "--each", "--json").splitlines()[0])
    assert (line["offset"], line["origin"], line["replay"]) == (0, {"topic": orders, "partition": 0, "offset": 0}, 1)
    assert "1 of 3 dead letters would be sent" in words
    assert "1 validate, invalid_event" in words
    assert read_to_end(broker.bootstrap_servers, orders) == []
    assert dlq.json("list")["replayed"] == 0
    assert dlq.json("replay", "--to", "source", "--all")["replayed"] == 2


def test_a_message_that_keeps_coming_back_is_left_at_the_limit(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the job itself: it counts the replays of a message that went by its topic."""
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    produce(broker.bootstrap_servers, orders, [Record(custom_event(1, sandbox_refuse=True), b"k", [("own", b"1")])])
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    with running_sandbox(SandboxOptions()) as sandbox:
        dlq.settings["airship"]["base_url"] = sandbox.base_url
        dlq.write()
        for round_ in range(4):
            with Connector(tmp_path, dlq.settings, "--stop-at-end", name=f"round-{round_}") as connector:
                connector.expect_end()
            newest = read_to_end(broker.bootstrap_servers, dead)[-1]
            assert dict(newest.headers() or [])["airship-connector.replays"] == str(round_).encode()
            found = dlq.json("replay", "--to", "source")
            assert found["replayed"] == (1 if round_ < 3 else 0)
    assert found["skipped_by"] == {"replays_max": 1}
    assert "1 were replayed so often already (--replays-max): mend the cause first (now 3)" in dlq(
        "replay", "--to", "source"
    )
    assert dlq.json("replay", "--to", "source", "--replays-max", "4")["replayed"] == 1


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_anywhere_it_goes_on_without_a_gap_or_a_repetition(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: signal.Signals
) -> None:
    dead, orders = topics.create("dead", 2), topics.create("orders", 2)
    produce(
        broker.bootstrap_servers, dead, [letter(n, orders, own_headers=[("number", b"%d" % n)]) for n in range(600)]
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    for turn in range(3):
        with replaying(dlq, tmp_path, "--rate", "80", name=f"replay-{turn}") as child:
            before = len(read_to_end(broker.bootstrap_servers, orders))
            wait_until(
                lambda before=before: len(read_to_end(broker.bootstrap_servers, orders)) > before,
                30,
                "something was sent",
                child,
            )
            child.signal(end)
            assert child.wait(20) == (0 if end is signal.SIGTERM else -9)
    done = len(read_to_end(broker.bootstrap_servers, orders))
    assert 0 < done < 600
    assert dlq.json("list")["replayed"] == done
    assert dlq.json("replay", "--to", "source")["replayed"] == 600 - done
    assert sorted(numbers_in(read_to_end(broker.bootstrap_servers, orders))) == list(range(600))


def test_a_second_replay_of_the_group_ends_the_first(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    produce(
        broker.bootstrap_servers, dead, [letter(n, orders, own_headers=[("number", b"%d" % n)]) for n in range(300)]
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    with replaying(dlq, tmp_path, "--rate", "10") as first:
        wait_until(lambda: len(read_to_end(broker.bootstrap_servers, orders)) > 0, 30, "something was sent", first)
        dlq("replay", "--to", "source")
        assert first.wait(30) == 1, first.explain("expected the other replay to end it")
        assert "another replay of this group has begun" in first.log_text()
    assert sorted(numbers_in(read_to_end(broker.bootstrap_servers, orders))) == list(range(300))


def test_marks_of_a_topic_that_was_deleted_are_not_taken_for_those_of_a_new_one(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    produce(broker.bootstrap_servers, dead, [letter(1, orders)])
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    assert dlq.json("replay", "--to", "source")["replayed"] == 1
    broker.delete_topic(dead)
    wait_until(lambda: "does not exist" in dlq_fault(dlq), 20, "the topic is gone")
    broker.create_topic(dead, 1)
    produce(broker.bootstrap_servers, dead, [letter(2, orders)])
    assert dlq.json("replay", "--to", "source")["replayed"] == 1


def dlq_fault(dlq: Dlq) -> str:
    try:
        return dlq("list", code=2)
    except AssertionError:
        return ""


def test_letters_of_other_programs_and_groups(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1)
    event = custom_event(1)
    connect = [("__connect.errors.topic", orders.encode()), *CONNECT[1:]]
    spring = [("kafka_dlt-original-topic", orders.encode()), *SPRING[1:]]
    newer = letter(8, orders)
    newer = newer._replace(headers=[*newer.headers, ("airship-connector.format", b"2")])
    produce(
        broker.bootstrap_servers,
        dead,
        [
            *[Record(event, b"k", [("own", b"1"), *headers]) for headers in (connect, spring, ARROYO)],
            letter(7, orders, group="another"),
            newer,
        ],
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    found = dlq.json("replay", "--to", "source")
    assert (found["replayed"], found["skipped_by"]) == (2, {"no_origin": 1, "other_group": 1, "newer_format": 1})
    assert dlq.json("replay", "--to", "source", "--origin-topic", orders)["replayed"] == 1
    assert dlq.json("replay", "--to", "source", "--group", "another")["replayed"] == 1
    assert "format 2, newer than 1" in dlq("show", "0:4")
    arrived = read_to_end(broker.bootstrap_servers, orders)
    assert len(arrived) == 4
    assert [message.headers() for message in arrived[:3]] == [[("own", b"1"), ("airship-connector.replays", b"1")]] * 3
    assert [message.value() for message in arrived[:3]] == [event] * 3


def test_a_pointer_is_followed_to_its_message(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 2)
    event = custom_event(1, "ada.lovelace")
    produce(broker.bootstrap_servers, orders, [Record(event, b"k" * 5_000, [("own", b"1")], 1, 1_700_000_000_123)])
    (message,) = read_to_end(broker.bootstrap_servers, orders)

    def pointer(record: SourceRecord) -> Record:
        rejected = Reject(record, "deliver", "refused", (Fault("f", "a", "b"),))
        return Record(None, None, headers_of(rejected, "shop", None, LeftOut.VALUE))

    gone = FakeRecord(99, in_topic=orders)
    other = FakeRecord(0, in_topic=orders, in_partition=1)  # what lies there now is not what was refused
    produce(
        broker.bootstrap_servers, dead, [pointer(record) for record in (cast("SourceRecord", message), gone, other)]
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    shown = dlq.json("show", "0:0")
    assert (shown["would_pass_now"], shown["left_out"]) == (True, ["answer", "headers", "value"])
    assert shown["value"]["user"] == {"named_user_id": "<text of 12>"}
    for position in ("0:1", "0:2"):
        assert dlq.json("show", position)["would_pass_now"] is None
        assert "which is not in its topic any more" in dlq("show", position)
    found = dlq.json("replay", "--to", "source")
    assert (found["replayed"], found["skipped_by"]) == (1, {"pointer": 2})
    copy = read_to_end(broker.bootstrap_servers, orders)[-1]
    assert (copy.partition(), copy.key(), copy.value()) == (1, b"k" * 5_000, event)
    assert copy.headers() == [("own", b"1"), ("airship-connector.replays", b"1")]


def test_without_the_right_to_make_its_memory_it_sends_nothing(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that a topic cannot have stands in for a right: the cluster refuses to create the ledger."""
    dead, orders = topics.create("d" * 230, 1), topics.create("orders", 1)
    produce(broker.bootstrap_servers, dead, [letter(1, orders)])
    told = dlq_for(broker, dead, tmp_path, capsys, orders)("replay", "--to", "source", code=1)
    assert "which remembers what was replayed, is missing and could not be created" in told
    assert read_to_end(broker.bootstrap_servers, orders) == []


def test_a_message_that_its_topic_does_not_take_any_more_is_named_and_nothing_of_its_batch_is_sent(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 1, {"max.message.bytes": "3000"})
    long = json.loads(custom_event(1))
    long["body"]["properties"] = {f"p{n}": os.urandom(50).hex() for n in range(100)}
    produce(broker.bootstrap_servers, dead, [letter(0, orders), letter(1, orders, value=json.dumps(long).encode())])
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    assert f"letter 0:1 to {orders}: " in dlq("replay", "--to", "source", "--rate", "1", code=1)
    assert len(read_to_end(broker.bootstrap_servers, orders)) == 1
    assert dlq.json("list")["replayed"] == 1


def test_a_topic_that_lost_partitions_gets_its_messages_by_their_keys(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, orders = topics.create("dead", 1), topics.create("orders", 3)
    produce(broker.bootstrap_servers, dead, [letter(n, orders, partition=9) for n in range(40)])
    dlq = dlq_for(broker, dead, tmp_path, capsys, orders)
    assert dlq.json("replay", "--to", "source")["replayed"] == 40
    places = defaultdict(set)
    for message in read_to_end(broker.bootstrap_servers, orders):
        places[message.key()].add(message.partition())
    assert len(places) == 5
    assert all(len(partitions) == 1 for partitions in places.values())


def test_the_memory_must_not_be_read_as_a_topic_of_messages(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 1)
    dlq = dlq_for(broker, dead, tmp_path, capsys)
    dlq.settings["routes"] = [{"topics_pattern": ".*replayed", "format": "json"}]
    dlq.write()
    assert f"a pattern reads {dead}.replayed as well" in dlq("replay", "--to", "source", code=2)
