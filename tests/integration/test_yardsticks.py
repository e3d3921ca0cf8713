"""The benchmarks' own parts: records that are what they claim to be, endpoints that read what they are sent, and
yardsticks that do all of the work that they measure."""

from __future__ import annotations

import http.client
import io
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition

from bench.dataset import EVENT_BYTES, avro_order_pool, event_pool, order_pool, produce_dataset, user_key
from bench.group_progress import GroupProgress, topic_ends
from bench.orders import ORDER_SCHEMA
from bench.yardsticks import cheapest_endpoint as endpoint_module
from bench.yardsticks.answers import read_answers
from bench.yardsticks.cheapest_endpoint import Endpoint, cheapest_endpoint
from tests.support.broker import Broker
from tests.support.processes import ChildProcess, wait_until
from tests.support.topics import Topics, read_to_end

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 5, 6, 7, 8, 9, 999, tzinfo=UTC)


# The records


def strings_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from strings_in(item)
        case list():
            for item in value:
                yield from strings_in(item)
        case _:
            pass


def test_the_events_are_valid_and_of_the_size_that_is_claimed() -> None:
    pool = event_pool(NOW)
    values = [pool.fill(index, user_key(index), index) for index in range(len(pool.templates))]
    for number, value in enumerate(values):
        assert EVENT_BYTES[0] <= len(value) <= EVENT_BYTES[1]
        event = json.loads(value)
        occurred = datetime.strptime(event["occurred"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert NOW - timedelta(minutes=11) < occurred <= NOW
        assert event["user"] == {"named_user_id": f"user-{number:08d}"}
        body = event["body"]
        assert body["name"] == body["name"].lower()
        assert body["transaction"] == f"{number:012d}"
        assert isinstance(body["value"], float)
        assert max(map(len, strings_in(event))) <= 255
        assert {type(item) for item in body["properties"].values()} >= {str, float, bool, list, dict}
    assert len({value[:300] for value in values}) == len(values), "all alike would be decoded and compressed too well"


def test_the_avro_orders_are_the_json_orders() -> None:
    plain, avro = order_pool(NOW, 40), avro_order_pool(NOW, schema_id=513, size=40)
    schema = fastavro.parse_schema(dict(ORDER_SCHEMA))
    for index in range(40):
        value = avro.fill(index, user_key(7), 12)
        assert value[:5] == b"\x00\x00\x00\x02\x01"
        stream = io.BytesIO(value[5:])
        decoded: Any = fastavro.schemaless_reader(stream, schema, None)
        assert stream.read() == b""
        decoded["created_at"] = decoded["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
        assert decoded == json.loads(plain.fill(index, user_key(7), 12))


def test_the_dataset_keeps_the_order_of_each_user(broker: Broker, topics: Topics) -> None:
    topic = topics.create("dataset", partitions=8)

    produced = produce_dataset(broker.bootstrap_servers, topic, 3000, pool=event_pool(datetime.now(UTC)), users=50)

    read = read_to_end(broker.bootstrap_servers, topic)
    assert produced.events == len(read) == 3000
    assert produced.value_bytes == sum(len(message.value() or b"") for message in read)
    numbers: dict[bytes | None, list[int]] = {}
    for message in read:
        event = json.loads(message.value() or b"")
        key = message.key()
        assert key == event["user"]["named_user_id"].encode()
        numbers.setdefault(key, []).append(int(event["body"]["transaction"]))
    assert len(numbers) == 50
    assert all(found == sorted(found) for found in numbers.values())
    assert sorted(number for found in numbers.values() for number in found) == list(range(3000))


# The cheapest endpoint


@pytest.fixture(params=["nginx", "stand-in"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    if request.param == "nginx" and endpoint_module._find_nginx() is None:
        pytest.skip("needs nginx")
    with cheapest_endpoint(stand_in=request.param == "stand-in") as running:
        assert running.description.startswith("nginx" if request.param == "nginx" else "the stand-in")
        yield running


def connect(endpoint: Endpoint) -> http.client.HTTPConnection:
    host, port = endpoint.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.connect()
    return connection


def test_any_post_is_accepted_on_one_connection(endpoint: Endpoint) -> None:
    connection = connect(endpoint)
    first_socket = connection.sock
    for path in ("/api/custom-events", "/api/custom-events/", "/"):
        for size in (0, 1, 100_000, 5 * 1024 * 1024):
            connection.request("POST", path, b"x" * size, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.getheader("Content-Type") == "application/json"
            assert json.loads(answer.read())["ok"] is True
    assert connection.sock is first_socket
    connection.close()


def test_the_answer_comes_after_the_body(endpoint: Endpoint) -> None:
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"POST /api/custom-events HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 60_000)
        raw.settimeout(0.3)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(10)
        raw.sendall(b"x" * 40_000)
        assert raw.recv(15) == b"HTTP/1.1 200 OK"


def test_what_was_answered_is_recorded_when_that_is_asked(tmp_path: Path) -> None:
    told = tmp_path / "answers"
    pool = event_pool(NOW)
    values = [pool.fill(number, user_key(number), number) for number in range(3)]
    before = time.monotonic_ns()
    with cheapest_endpoint(record=told) as recording_endpoint:
        connection = connect(recording_endpoint)
        for body in (b"[" + b",".join(values[:2]) + b"]", b"[" + values[2] + b"]"):
            connection.request("POST", "/api/custom-events", body)
            assert connection.getresponse().read()
        answers = wait_until(lambda: found if len(found := read_answers(told)) == 2 else None, 10, "both answers")
        connection.close()
    assert [answer.numbers for answer in answers] == [(0, 1), (2,)]
    assert before < answers[0].nanoseconds < answers[1].nanoseconds < time.monotonic_ns()


def test_answers_come_late_when_that_is_asked() -> None:
    with cheapest_endpoint(delay_ms=300) as late:
        connection = connect(late)
        connection.sock.settimeout(0.1)
        connection.request("POST", "/", b"x")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()


# The yardsticks


class Recorder(ThreadingHTTPServer):
    """Keeps the bodies that it is sent."""

    daemon_threads = True

    def __init__(self, status: int) -> None:
        self.status = status
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Recorded)


class Recorded(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


@contextmanager
def recording(status: int = 200) -> Iterator[Recorder]:
    with Recorder(status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def run_yardstick(tmp_path: Path, name: str, broker: Broker, topic: str, *arguments: str) -> ChildProcess:
    command = [sys.executable, "-m", *f"bench.{name}".split()]
    common = ["--bootstrap-servers", broker.bootstrap_servers, "--topic", topic]
    child = ChildProcess(name, [*command, *common, *arguments], log_path=tmp_path / "out", directory=ROOT)
    with child:
        child.wait(60)
    return child


@pytest.fixture
def filled(broker: Broker, topics: Topics) -> str:
    topic = topics.create("yardstick", partitions=3)
    produce_dataset(broker.bootstrap_servers, topic, 1234, pool=event_pool(datetime.now(UTC)), users=50)
    return topic


def result_of(child: ChildProcess) -> dict[str, float]:
    assert child.returncode == 0, child.explain("expected success")
    result: dict[str, float] = json.loads(child.log_text())
    assert list(result) == ["events", "cpu_seconds", "wall_seconds", "rss_max_mb"]
    assert 0.01 < result["cpu_seconds"] < 30
    assert 0 < result["wall_seconds"] < 30
    assert 10 < result["rss_max_mb"] < 500
    return result


def test_consume_only_reads_to_the_end(tmp_path: Path, broker: Broker, filled: str) -> None:
    assert (
        result_of(run_yardstick(tmp_path, "yardsticks.consume_only", broker, filled, "--count", "9999"))["events"]
        == 1234
    )


def test_a_short_run_stops_early(tmp_path: Path, broker: Broker, filled: str) -> None:
    assert (
        100
        <= result_of(run_yardstick(tmp_path, "yardsticks.consume_only", broker, filled, "--count", "100"))["events"]
        <= 600
    )


POSTING = ["yardsticks.bare_primitives", "peers.plain_loop", "peers.arroyo_loop", "peers.arroyo_loop --in-line"]


@pytest.mark.parametrize("name", POSTING)
def test_everything_is_delivered_in_batches(name: str, tmp_path: Path, broker: Broker, filled: str) -> None:
    with recording() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        child = run_yardstick(tmp_path, name, broker, filled, "--count", "1234", "--endpoint", url)
    assert result_of(child)["events"] == 1234
    batches = [json.loads(body) for body in server.bodies]
    # a plain loop posts what its consumer gives it, which is less than a batch at the end of each fetch
    assert max(len(batch) for batch in batches) == 100
    assert name == "peers.plain_loop" or sorted(len(batch) for batch in batches) == [34, *[100] * 12]
    numbers = [event["body"]["transaction"] for batch in batches for event in batch]
    assert len(numbers) == len(set(numbers)) == 1234


@pytest.mark.parametrize("name", POSTING)
def test_it_fails_when_the_endpoint_does(name: str, tmp_path: Path, broker: Broker, filled: str) -> None:
    with recording(status=503) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        child = run_yardstick(tmp_path, name, broker, filled, "--count", "1234", "--endpoint", url)
    assert child.returncode == 1
    assert "503" in child.log_text()


def test_the_group_of_a_peer_is_at_the_end_when_it_has_committed_everything(broker: Broker, filled: str) -> None:
    assert not GroupProgress(broker.bootstrap_servers, "peer", filled).is_at_end()
    ends = topic_ends(broker.bootstrap_servers, filled)
    assert sum(ends.values()) == 1234
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "peer", "log_level": 0})
    last = max(ends, key=lambda number: ends[number])
    for committed, at_end in ((ends[last] - 1, False), (ends[last], True)):
        positions = [TopicPartition(filled, number, end) for number, end in ends.items() if number != last]
        consumer.commit(offsets=[*positions, TopicPartition(filled, last, committed)], asynchronous=False)
        assert GroupProgress(broker.bootstrap_servers, "peer", filled).is_at_end() is at_end
    consumer.close()


def test_an_empty_topic_is_no_measurement(tmp_path: Path, broker: Broker, topics: Topics) -> None:
    child = run_yardstick(tmp_path, "yardsticks.consume_only", broker, topics.create("empty"), "--count", "1")
    assert child.returncode == 1
    assert "holds no events" in child.log_text()


# The broker for programs that are not tests


def test_a_broker_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.brokers", "--kind", "mock"]
    with ChildProcess("broker", command, log_path=tmp_path / "log", directory=ROOT) as child:
        wait_until(lambda: "\n127.0.0.1:" in child.log_text(), 30, "it prints its address", child)
        address = child.log_text().splitlines()[1]
        assert child.log_text().splitlines()[0] == f"broker: librdkafka's mock cluster in this process at {address}"
        host, port = address.split(":")
        socket.create_connection((host, int(port)), 5).close()
        child.terminate()
        assert child.wait(20) == 0
