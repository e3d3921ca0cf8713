"""`dlq replay --to airship` on a real broker against the sandbox: the outcomes of `run`, and no letter forgotten."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.airship.sandbox import LatencyFault, RunningSandbox, SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from tests.integration.dead_letters import Dlq, dlq_for, letter
from tests.integration.events import custom_event, inversions, numbers, repeated
from tests.support.broker import Broker
from tests.support.processes import ChildProcess, wait_until
from tests.support.registry_stub import Fault, registry_stub
from tests.support.topics import Topics, produce, read_to_end

pytestmark = pytest.mark.broker_can("admin", "transactions")


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(SandboxOptions()) as running:
        yield running


def against(sandbox: RunningSandbox, dlq: Dlq) -> Dlq:
    dlq.settings["airship"]["base_url"] = sandbox.base_url
    dlq.write()
    return dlq


def replaying(dlq: Dlq, tmp_path: Path, *arguments: str, name: str = "replay") -> ChildProcess:
    command = [sys.executable, "-m", "connector", "dlq", "replay", "--to", "airship", "-c", str(dlq.config), *arguments]
    return ChildProcess(name, command, log_path=tmp_path / f"{name}.log")


def test_letters_are_prepared_by_the_routes_of_their_origin(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 2)
    values = [json.dumps({"who": f"u{n}"}).encode() for n in range(50)]
    produce(
        broker.bootstrap_servers,
        dead,
        [
            *[letter(1000 + n, "orders", partition=3, value=value) for n, value in enumerate(values)],
            *[letter(2000 + n, "events", value=custom_event(n)) for n in range(50)],
            letter(1, "nobody-reads-it"),
        ],
    )
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys, "events"))
    dlq.settings["routes"].append(
        {
            "topics": ["orders"],
            "event": {
                "user": {"named_user_id": "${{ who }}"},
                "body": {
                    "name": "bought",
                    "transaction": "${{ topic() }}/${{ partition() }}/${{ offset() }}",
                },
            },
        }
    )
    dlq.write()
    found = dlq.json("replay", "--to", "airship")
    assert (found["selected"], found["replayed"], found["rejected_again"]) == (100, 100, 0)
    assert found["skipped_by"] == {"would_be_rejected": 1}
    bodies = [event.event["body"] for event in sandbox.events()]
    bought = sorted(body["transaction"] for body in bodies if body["name"] == "bought")
    assert bought == [f"orders/3/{offset}" for offset in range(1000, 1050)]
    assert len(bodies) == 100
    again = dlq.json("replay", "--to", "airship")
    assert (again["selected"], again["skipped_by"]) == (0, {"would_be_rejected": 1})
    # One memory for both targets: what the endpoint has got is not sent to the topic either.
    assert dlq.json("replay", "--to", "source")["selected"] == 0


def test_a_second_refusal_keeps_the_first_origin_and_takes_nothing_with_it(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 1)
    made = [letter(n, "orders") for n in range(200)]
    refused = custom_event(7777, sandbox_refuse=True)
    made.insert(90, letter(4711, "orders", partition=5, value=refused, key=b"\x00\xff", replays=1))
    produce(broker.bootstrap_servers, dead, made)
    first = dict(read_to_end(broker.bootstrap_servers, dead)[90].headers() or [])
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
    found = dlq.json("replay", "--to", "airship")
    assert (found["selected"], found["replayed"], found["rejected_again"]) == (201, 200, 1)
    arrived = sandbox.events()
    assert sorted(numbers(arrived)) == list(range(200))
    assert inversions(arrived) == 0
    letters = read_to_end(broker.bootstrap_servers, dead)
    assert len(letters) == 202
    told = dict(letters[-1].headers() or [])
    assert (letters[-1].key(), letters[-1].value()) == (b"\x00\xff", refused)
    assert (letters[-1].headers() or [])[:2] == [("own", b"\x00\xff"), ("empty", None)]
    assert [name for name, _ in letters[-1].headers() or []].count("airship-connector.reason") == 1
    for name in ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset"):
        assert told[name] == first[name]
    assert told["airship-connector.original-timestamp"] == first["airship-connector.original-timestamp"]
    assert told["airship-connector.replays"] == b"2"
    assert int(told["airship-connector.attempts"] or b"") > int(first["airship-connector.attempts"] or b"")
    assert told["airship-connector.group"] == b"shop"
    # It was there after the start, so the next replay is the first to take it, and then its limit is reached.
    assert dlq.json("replay", "--to", "airship")["rejected_again"] == 1
    assert dlq.json("replay", "--to", "airship")["skipped_by"] == {"replays_max": 1}


def test_trouble_of_the_endpoint_delays_and_loses_nothing(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 2)
    produce(broker.bootstrap_servers, dead, [letter(n, "orders") for n in range(1000)])
    sandbox.set_fault(StatusFault(status=503, body="html", next=3))
    sandbox.set_fault(StatusFault(status=401, body="text", next=2, after_requests=5))
    sandbox.set_fault(StatusFault(status=413, next=1, after_requests=9))
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
    assert dlq.json("replay", "--to", "airship")["replayed"] == 1000
    assert sorted(numbers(sandbox.events())) == list(range(1000))
    assert len(read_to_end(broker.bootstrap_servers, dead)) == 1000


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_anywhere_it_goes_on_without_a_gap(
    broker: Broker,
    topics: Topics,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sandbox: RunningSandbox,
    end: signal.Signals,
) -> None:
    dead = topics.create("dead", 2)
    bad = custom_event(0).replace(b"purchased", b"Purchased")
    made = [record for n in range(1500) for record in (letter(n, "orders"), letter(n, "orders", value=bad))]
    produce(broker.bootstrap_servers, dead, made)
    sandbox.set_fault(LatencyFault(seconds=0.2))
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
    dlq.settings["delivery"]["requests_max"] = 4
    dlq.write()
    for turn in range(2):
        before = sandbox.summary().accepted
        with replaying(dlq, tmp_path, "--rate", "300", name=f"replay-{turn}") as child:
            wait_until(lambda before=before: sandbox.summary().accepted > before + 100, 30, "some arrived", child)
            child.signal(end)
            assert child.wait(30) == (0 if end is signal.SIGTERM else -9)
    assert sandbox.summary().accepted < 1500
    sandbox.clear_faults()
    found = dlq.json("replay", "--to", "airship")
    assert found["skipped_by"]["would_be_rejected"] == 1500
    arrived = numbers(sandbox.events())
    assert set(arrived) == set(range(1500))
    if end is signal.SIGTERM:
        assert repeated(arrived) == 0
    else:  # in flight (four requests of 100), or settled since the last mark, a tenth of a second before
        assert repeated(arrived) <= 2 * 500


def test_a_cause_that_is_not_mended_stops_it_before_it_drains_the_letters(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 1)
    produce(
        broker.bootstrap_servers,
        dead,
        [letter(n, "orders", value=custom_event(n, sandbox_refuse=True)) for n in range(300)],
    )
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
    dlq.settings["dead_letters"]["rejects_run_max"] = 20
    dlq.write()
    assert "stopped: too many are refused again" in dlq("replay", "--to", "airship", code=1)
    assert len(read_to_end(broker.bootstrap_servers, dead)) < 400
    assert sandbox.events() == []


def test_everything_takes_what_would_be_rejected_and_rejects_it_again(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 1)
    produce(
        broker.bootstrap_servers,
        dead,
        [letter(1, "orders"), letter(2, "orders", value=b"no", stage="decode", reason="not_json")],
    )
    dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
    found = dlq.json("replay", "--to", "airship", "--all")
    assert (found["selected"], found["replayed"], found["rejected_again"]) == (2, 1, 1)
    told = dict(read_to_end(broker.bootstrap_servers, dead)[-1].headers() or [])
    assert (told["airship-connector.reason"], told["airship-connector.replays"]) == (b"not_json", b"1")
    assert told["__connect.errors.offset"] == b"2"


def test_a_registry_that_is_down_ends_a_replay_with_what_was_begun(
    broker: Broker, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], sandbox: RunningSandbox
) -> None:
    dead = topics.create("dead", 1)
    avro = topics.create("avro", 1)
    framed = [letter(1000 + n, avro, value=b"\x00\x00\x00\x00\x07" + bytes([2 * n])) for n in range(3)]
    produce(broker.bootstrap_servers, dead, [*[letter(n, "orders") for n in range(600)], *framed])
    schema = {"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}]}
    event = {"user": {"named_user_id": "one"}, "body": {"name": "bought", "properties": {"number": "${{ n }}"}}}
    with registry_stub(schemas={"7": {"schema": json.dumps(schema)}}, fault=Fault(503)) as registry:
        dlq = against(sandbox, dlq_for(broker, dead, tmp_path, capsys))
        dlq.settings["routes"].append({"topics": [avro], "format": "avro", "event": event})
        dlq.settings["schema_registry"] = {"url": registry.url, "timeout_ms": 500}
        dlq.write()
        assert dlq.json("show", "0:600")["now"]["outcome"] == "unknown"
        for target in ("source", "airship"):
            assert "error:" in dlq("replay", "--to", target, "--topic", avro, code=1)
        dlq("replay", "--to", "airship", code=1)
        sent = len(sandbox.events())
        assert dlq.json("list")["replayed"] == sent
        registry.fault = None
        found = dlq.json("replay", "--to", "airship")
        assert (found["replayed"], found["skipped_by"]) == (603 - sent, {})
    assert sorted(numbers(sandbox.events())) == sorted([*range(600), *range(3)])
