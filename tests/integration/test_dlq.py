"""`dlq list` and `dlq show` on a real broker: counted is what matches, hidden is what a message holds."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from connector.errors import StartError
from connector.kafka import topic_reader
from tests.integration.dead_letters import ARROYO, CONNECT, SPRING, dlq_for, letter
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.topics import Record, Topics, committed, produce, produce_transaction


def test_counts_by_everything_that_a_letter_says(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 3)
    made = [
        *[letter(number, "orders") for number in range(40)],
        *[letter(number, "orders", stage="decode", reason="not_json", field="value") for number in range(30)],
        *[
            letter(number, "refunds", stage="validate", reason="invalid_event", field=f"lines[{number}].sku")
            for number in range(20)
        ],
        letter(7, "orders", value=b'{"name": "needle"}', schema_id="id:42", group="other"),
    ]
    produce(broker.bootstrap_servers, dead, made)
    dlq = dlq_for(broker, dead, tmp_path, capsys)
    sums = dlq.json("list")
    assert sums["total"] == 91
    assert sums["by_reason"] == {"refused": 41, "not_json": 30, "invalid_event": 20}
    assert sums["by_stage"] == {"deliver": 41, "decode": 30, "validate": 20}
    assert sums["by_topic"] == {"orders": 71, "refunds": 20}
    assert sums["by_field"] == {"body.name": 41, "value": 30, "lines[].sku": 20}
    assert sum(sums["by_day"].values()) == 91
    for filters, count in [
        (["--reason", "not_json"], 30),
        (["--reason", "not_json", "--reason", "refused"], 71),
        (["--stage", "validate", "--topic", "refunds"], 20),
        (["--stage", "validate", "--topic", "orders"], 0),
        (["--text", "needle"], 1),
        (["--schema-id", "42"], 1),
        (["--group", "other"], 1),
        (["--field", "value"], 30),
        (["--since", "1h"], 91),
        (["--until", "1h"], 0),
        (["--since", "2999-01-01"], 0),
        (["--not-replayed"], 91),
    ]:
        assert dlq.json("list", *filters)["total"] == count, filters
    text = dlq("list")
    assert f"91 dead letters in {dead}, 0 of them replayed" in text
    assert "41  refused" in text
    assert committed(broker.bootstrap_servers, "shop", dead) == {}


@pytest.mark.broker_can("transactions")
def test_the_end_behind_control_records_is_reached(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 1)
    produce_transaction(broker.bootstrap_servers, dead, [letter(1, "orders")], commit=True)
    produce_transaction(broker.bootstrap_servers, dead, [letter(2, "orders")], commit=False)
    assert dlq_for(broker, dead, tmp_path, capsys).json("list")["total"] == 1


def test_a_letter_is_shown_with_what_would_become_of_it_and_without_what_is_in_it(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 1)
    bad = custom_event(2, "ada.lovelace").replace(b"purchased", b"Purchased")
    produce(
        broker.bootstrap_servers,
        dead,
        [
            letter(11, "orders", partition=3, value=custom_event(11, "ada.lovelace"), key=b"ada.lovelace"),
            letter(12, "orders", value=bad, stage="validate", reason="invalid_event"),
            letter(13, "orders", value=b"\xffada.lovelace", stage="decode", reason="not_json"),
            letter(14, "elsewhere"),
        ],
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys)
    first = dlq.json("show", "0:0")
    assert (first["partition"], first["offset"]) == (0, 0)
    assert first["origin"] == {"topic": "orders", "partition": 3, "offset": 11}
    assert (first["stage"], first["reason"], first["field"]) == ("deliver", "refused", "body.name")
    assert (first["http_status"], first["attempts"], first["replays"]) == (400, 2, 0)
    assert first["failed_at"].endswith("Z")
    assert first["would_pass_now"] is True
    assert first["now"]["route"] == "events"
    assert first["value"]["user"] == {"named_user_id": "<text of 12>"}
    assert first["headers"] == [{"name": "own", "value": "<2 bytes>"}, {"name": "empty", "value": None}]
    second, third, fourth = (dlq.json("show", f"0:{offset}") for offset in (1, 2, 3))
    assert second["would_pass_now"] is False
    assert second["now"]["faults"][0]["field"] == "body.name"
    assert (third["now"]["stage"], third["value"]) == ("decode", "<13 bytes>")
    assert fourth["now"]["reason"] == "no_route"
    for arguments in (["show"], ["show", "0:1"], ["show", "--json"], ["show", "--stage", "decode"]):
        assert "lovelace" not in dlq(*arguments)
    assert "ada.lovelace" in dlq("show", "0:0", "--reveal")
    assert dlq.json("show", "0:0", "--reveal")["key"] == "ada.lovelace"
    assert dlq.json("show", "0:2", "--reveal")["value"] == "0x" + b"\xffada.lovelace".hex()
    lines = dlq("show", "--json", "--count", "3").splitlines()
    assert [json.loads(line)["offset"] for line in lines] == [0, 1, 2]
    words = dlq("show", "0:1")
    assert "body.name: found a string with upper-case characters, expected lower case" in words
    assert "would be rejected again: validate, invalid_event" in words
    assert "<text of" in dlq.json("show", "0:0")["message"]  # the endpoint's words may quote the message
    assert "lower case" in dlq.json("show", "0:0", "--reveal")["message"]


def test_what_is_missing_is_said(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 1)
    produce(broker.bootstrap_servers, dead, [letter(1, "orders")])
    dlq = dlq_for(broker, dead, tmp_path, capsys)
    assert f"{dead} has no letter at 0:1" in dlq("show", "0:1", code=2)
    assert "has no letter at 9:0" in dlq("show", "9:0", code=2)
    assert "expected PARTITION:OFFSET" in dlq("show", "here", code=2)
    assert "expected 30m, 12h" in dlq("list", "--since", "yesterday", code=2)
    assert "--reason: found 'not_jsno', expected not_json" in dlq("list", "--reason", "not_jsno", code=2)
    missing = topics.unique_name("missing")
    for arguments in (["list"], ["show"], ["replay", "--to", "source"]):
        told = dlq(*arguments, "--dead-letter-topic", missing, code=2)
        assert f"{missing} does not exist" in told
    dlq.settings["kafka"]["bootstrap_servers"] = "127.0.0.1:1"
    dlq.settings["kafka"]["properties"] = {"socket.connection.setup.timeout.ms": 1000}
    dlq.write()
    assert "does not answer" in dlq("list", code=1)


def test_letters_of_other_programs_are_read(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = topics.create("dead", 1)
    event = custom_event(1, "ada.lovelace")
    own: tuple[str, bytes | None] = ("own", b"1")
    produce(
        broker.bootstrap_servers,
        dead,
        [
            Record(event, b"k", [own, *CONNECT]),
            Record(event, b"k", [own, *SPRING]),
            Record(event, b"k", [own, *ARROYO]),
            Record(event, b"k", [own]),
        ],
    )
    dlq = dlq_for(broker, dead, tmp_path, capsys)
    connect, spring, arroyo, unknown = (dlq.json("show", f"0:{n}", "--origin-topic", "orders") for n in range(4))
    assert [view["written_by"] for view in (connect, spring, arroyo, unknown)] == [
        "kafka-connect",
        "spring",
        "arroyo",
        "unknown",
    ]
    assert connect["origin"] == {"topic": "orders", "partition": 1, "offset": 77}
    assert (connect["stage"], connect["error_class"]) == (
        "VALUE_CONVERTER",
        "org.apache.kafka.connect.errors.DataException",
    )
    assert spring["origin"] == {"topic": "orders", "partition": 2, "offset": 123_456_789_012}
    assert (spring["group"], spring["error_class"]) == ("billing", "java.lang.IllegalStateException")
    assert arroyo["origin"] == {"topic": "orders", "partition": 4, "offset": 99}
    for view in (connect, spring, arroyo, unknown):
        assert [header["name"] for header in view["headers"]] == ["own"]
        assert view["would_pass_now"] is True
    shown = dlq("show", "0:1")
    assert "lovelace" not in shown
    assert "\x1b" not in dlq("show", "0:1", "--reveal")
    sums = dlq.json("list")
    assert sums["by_reason"] == {
        "org.apache.kafka.connect.errors.DataException": 1,
        "java.lang.IllegalStateException": 1,
        "(not told)": 2,
    }
    assert sums["by_topic"] == {"orders": 2, "(not told)": 2}


@pytest.mark.broker_can("freeze")
def test_a_broker_that_stands_still_ends_a_listing_in_bounded_time(
    broker: Broker, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "_SILENCE_SECONDS", 2.0)
    dead = topics.create("dead", 1)
    produce(broker.bootstrap_servers, dead, [letter(n, "orders", value=b"x" * 100_000) for n in range(200)])
    with topic_reader.TopicReader({"bootstrap.servers": broker.bootstrap_servers}, dead, "shop") as reader:
        chunks = reader.chunks()
        while not next(chunks):
            pass
        broker.freeze()
        started = time.monotonic()
        with pytest.raises(StartError, match=r"nothing came for 2 s, and [0-9]+ records are still to be read"):
            for _ in chunks:
                pass
        assert time.monotonic() - started < 20
        broker.thaw()
