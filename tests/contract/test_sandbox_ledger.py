"""What the stand-in remembers, its pages, its clock, and its life in a thread."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connector.airship.sandbox import LatencyFault, RunningSandbox, SandboxOptions, running_sandbox
from connector.airship.sandbox.clock import SandboxClock, parse_instant
from tests.contract.sandbox_requests import HEADERS, SEED, client_of, event, post


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: RunningSandbox) -> RunningSandbox:
    _running.clear_faults()
    _running.clear()
    return _running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with client_of(sandbox) as client:
        yield client


def _names(events: list[Any]) -> list[str]:
    return [accepted["event"]["body"]["name"] for accepted in events]


def test_events_are_read_in_pages_in_the_order_of_acceptance(sandbox: RunningSandbox, client: httpx.Client) -> None:
    for first in range(0, 12, 3):
        post(client, [event(f"e{number}") for number in range(first, first + 3)])
    seen: list[Any] = []
    after = 0
    for _ in range(4):
        page = client.get("/sandbox/events", params={"after": after, "limit": 5}).json()
        assert page["accepted"] == 12
        assert len(page["events"]) == min(5, 12 - len(seen))
        seen += page["events"]
        after = page["next_after"]
    assert _names(seen) == [f"e{number}" for number in range(12)]
    assert [accepted["sequence"] for accepted in seen] == list(range(1, 13))
    requests = client.get("/sandbox/requests").json()["requests"]
    assert [accepted["request"] for accepted in seen[::3]] == [entry["number"] for entry in requests]
    assert all(entry["started"] <= entry["ended"] for entry in requests)


@pytest.mark.parametrize("how", [{"params": {"format": "ndjson"}}, {"headers": {"Accept": "application/x-ndjson"}}])
def test_events_and_requests_can_be_read_one_a_line(client: httpx.Client, how: dict[str, Any]) -> None:
    post(client, json.dumps([event("one"), event("two")], indent=4))
    lines = client.get("/sandbox/events", **how).text.splitlines()
    assert _names([json.loads(line) for line in lines]) == ["one", "two"]
    (line,) = client.get("/sandbox/requests", **how).text.splitlines()
    assert json.loads(line)["events"] == 2


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=10001", "limit=x", "format=xml"])
def test_a_wrong_question_is_told_what_is_wrong(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/sandbox/events?{query}")
    assert answer.status_code == 400
    assert "found" in answer.json()["error"]


def test_the_pages_themselves_are_not_counted(sandbox: RunningSandbox, client: httpx.Client) -> None:
    for path in ("/sandbox/events", "/sandbox/requests", "/sandbox/faults", "/sandbox/clock", "/sandbox/summary"):
        assert client.get(path).status_code == 200
    assert client.get("/sandbox/nothing").status_code == 404
    assert sandbox.summary().requests == 0


def test_deleting_events_starts_all_over(sandbox: RunningSandbox, client: httpx.Client) -> None:
    post(client, [event()])
    post(client, [event("Bad")])
    assert client.delete("/sandbox/events").json() == {"forgotten": 1}
    summary = client.get("/sandbox/summary").json()
    assert summary == {
        "accepted": 0,
        "refused": 0,
        "requests": 0,
        "requests_by_status": {},
        "token_requests_by_status": {},
        "requests_by_fault": {},
        "in_flight": 0,
        "in_flight_max": 0,
        "first_kept": 1,
        "held_bytes": 0,
    }
    post(client, [event("again")])
    assert [(accepted.sequence, accepted.event["body"]["name"]) for accepted in sandbox.events()] == [(1, "again")]


@pytest.mark.parametrize(("keep", "held"), [(0, 0), (1, 1), (5, 5), (7, 7), (100, 12)])
def test_only_the_last_events_are_held_and_the_counts_stay_exact(keep: int, held: int) -> None:
    with running_sandbox(SandboxOptions(keep=keep)) as sandbox, client_of(sandbox) as client:
        for first in range(0, 12, 3):
            batch = [event(f"e{number}") for number in range(first, first + 3)]
            post(client, batch)
        post(client, [event("Bad")])
        summary = sandbox.summary()
        # Whole batches are held, and no more of them than the held events need.
        assert summary.held_bytes <= -(-held // 3) * len(json.dumps(batch))
        assert (summary.accepted, summary.refused, summary.requests) == (12, 1, 5)
        assert summary.requests_by_status == {"200": 4, "400": 1}
        assert summary.first_kept == 13 - held
        names = [accepted.event["body"]["name"] for accepted in sandbox.events()]
        assert names == [f"e{number}" for number in range(12 - held, 12)]
        assert len(sandbox.requests()) == min(5, keep)
        assert sandbox.events(after=11) == sandbox.events()[-1:] if held else True


def test_large_events_are_held_only_up_to_a_size() -> None:
    bodies = [json.dumps([event(f"e{number}"), event(f"e{number}", note="x" * 200)]) for number in range(10)]
    options = SandboxOptions(keep_bytes=3 * len(bodies[0]))
    with running_sandbox(options) as sandbox, client_of(sandbox) as client:
        for body in bodies:
            post(client, body)
        assert [accepted.sequence for accepted in sandbox.events()] == [15, 16, 17, 18, 19, 20]
        summary = sandbox.summary()
        assert (summary.accepted, summary.first_kept) == (20, 15)
        post(client, [event(**{f"note{number}": "x" * 255 for number in range(10)})])
        assert sandbox.events() == []
        assert sandbox.summary().first_kept == 22


def test_accepted_events_are_recorded_one_a_line_even_beyond_what_is_held(tmp_path: Path) -> None:
    record = tmp_path / "accepted.ndjson"
    record.write_text('{"earlier": true}\n')
    options = SandboxOptions(keep=0, record=record, now=datetime(2020, 5, 3, tzinfo=UTC))
    with running_sandbox(options) as sandbox, client_of(sandbox) as client:
        post(client, SEED)
        assert record.read_text().count("\n") == 2  # there before the answer is
        post(client, json.dumps([event("a"), event("b")], indent=2).replace("\n", "\r\n"))
        post(client, [event("c"), event("Bad")])
        post(client, event("bare"))
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert lines == [{"earlier": True}, *json.loads(SEED), event("a"), event("b"), event("bare")]


def test_a_record_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    options = SandboxOptions(record=tmp_path / "absent" / "accepted.ndjson")
    with pytest.raises(FileNotFoundError), running_sandbox(options):
        pass


def test_waiting_for_the_sums(sandbox: RunningSandbox, client: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as others:
        inside = others.submit(sandbox.wait_until, lambda summary: summary.accepted >= 2, 10)
        over_http = others.submit(client.get, "/sandbox/summary", params={"accepted": 2, "within": 10})
        post(client, [event()])
        post(client, [event()])
        assert inside.result(10).accepted == 2
        assert over_http.result(10).json()["accepted"] == 2
    with pytest.raises(TimeoutError, match="accepted=2"):
        sandbox.wait_until(lambda summary: summary.accepted >= 3, 0.01)
    assert client.get("/sandbox/summary", params={"accepted": 3, "within": 0.01}).json()["accepted"] == 2


def test_events_hold_their_order_when_requests_overlap(sandbox: RunningSandbox) -> None:
    """The slower request arrives first and is stored second: the ledger shows the order of storing."""
    sandbox.set_fault(LatencyFault(seconds=600, next=1))
    with client_of(sandbox) as client, ThreadPoolExecutor(1) as other:
        slow = other.submit(post, client, [event("slow")])
        sandbox.wait_until(lambda summary: summary.in_flight == 1, 10)
        post(client, [event("fast")])
        sandbox.clear_faults()
        assert slow.result(10).status_code == 200
    first, second = sandbox.events()
    assert [first.event["body"]["name"], second.event["body"]["name"]] == ["fast", "slow"]
    assert first.request > second.request
    assert first.arrived > second.arrived


def test_a_client_that_goes_away_within_its_body_is_counted_as_unanswered(sandbox: RunningSandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.putrequest("POST", "/api/custom-events")
    for name, value in {**HEADERS, "Content-Length": "1000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"[")
    sandbox.wait_until(lambda summary: summary.in_flight == 1, 10)
    connection.close()
    summary = sandbox.wait_until(lambda summary: summary.requests == 1, 10)
    assert summary.requests_by_status == {"none": 1}
    assert summary.accepted == 0


def test_a_body_that_does_not_come_is_given_up() -> None:
    with running_sandbox(SandboxOptions(read_seconds=0.1)) as sandbox:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        connection.putrequest("POST", "/api/custom-events")
        for name, value in {**HEADERS, "Content-Length": "1000"}.items():
            connection.putheader(name, value)
        connection.endheaders(b"[")
        assert connection.getresponse().status == 408
        connection.close()
        assert sandbox.summary().requests_by_status == {"408": 1}


def test_an_idle_connection_is_closed() -> None:
    with running_sandbox(SandboxOptions(idle_seconds=0.1)) as sandbox:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        connection.request("POST", "/api/custom-events", json.dumps([event()]), HEADERS)
        assert connection.getresponse().read()
        assert connection.sock.recv(1) == b""  # the server's end, not a time-out
        connection.close()


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(sandbox: RunningSandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    body = json.dumps([event()]).encode()
    connection.putrequest("POST", "/api/custom-events")
    for name, value in {**HEADERS, "Content-Length": str(len(body)), "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(1024).startswith(b"HTTP/1.1 100 ")
    connection.send(body)
    assert connection.getresponse().status == 200
    connection.close()


def _self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


def test_it_serves_https_from_tls_1_2_on(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    with running_sandbox(SandboxOptions(tls_certificate=certificate, tls_key=key)) as sandbox:
        assert sandbox.base_url == f"https://127.0.0.1:{sandbox.port}"
        trusting = ssl.create_default_context(cafile=certificate)
        answer = httpx.post(
            f"{sandbox.base_url}/api/custom-events", json=[event()], headers=HEADERS, verify=trusting, trust_env=False
        )
        assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{sandbox.base_url}/sandbox/summary", trust_env=False)


def test_the_clock_is_read_set_advanced_and_put_back(client: httpx.Client) -> None:
    def seed_status() -> int:
        return post(client, SEED).status_code

    assert seed_status() == 400
    shown = client.post("/sandbox/clock", json={"now": "2020-05-03T00:00:00Z", "frozen": True}).json()
    assert shown == {"now": datetime(2020, 5, 3, tzinfo=UTC).timestamp(), "frozen": True}
    assert seed_status() == 200
    client.post("/sandbox/clock", json={"advance_seconds": 91 * 86_400})
    assert seed_status() == 400
    assert client.post("/sandbox/clock", json={"now": None}).json()["frozen"] is False
    assert abs(client.get("/sandbox/clock").json()["now"] - datetime.now(UTC).timestamp()) < 60
    for wrong in ({"now": "yesterday"}, {"then": 1}, {"advance_seconds": "x"}):
        assert client.post("/sandbox/clock", json=wrong).status_code == 400
    assert client.post("/sandbox/clock", content=b"{").status_code == 400


def test_the_clock_runs_on_from_the_date_unless_it_is_frozen() -> None:
    elapsed = [0.0]
    clock = SandboxClock(wall=lambda: 1_000.0 + elapsed[0], monotonic=lambda: elapsed[0])
    assert clock.now() == 1_000
    clock.set(datetime(2020, 5, 3, tzinfo=UTC))
    start = clock.now()
    elapsed[0] = 10
    assert clock.now() - start == 10
    clock.advance(5)
    assert clock.now() - start == 15
    assert clock.real_now() == 1_010
    assert clock.age_now() == 15
    clock.set(datetime(2020, 5, 3, tzinfo=UTC), frozen=True)
    elapsed[0] = 20
    assert clock.now() == start
    age = clock.age_now()
    clock.reset()
    assert clock.now() == 1_020
    clock.advance(7)
    assert clock.now() == 1_027
    assert clock.age_now() == age + 7  # what has aged stays aged


@pytest.mark.parametrize(
    "text", ["2020-05-03T00:00:00Z", "2020-05-03T00:00:00", "2020-05-03", "2020-05-03T02:00:00+02:00"]
)
def test_instants_are_utc_unless_they_say_otherwise(text: str) -> None:
    assert parse_instant(text) == datetime(2020, 5, 3, tzinfo=UTC)


def test_the_thread_ends_with_its_block() -> None:
    with running_sandbox() as sandbox:
        assert any(thread.name.startswith("airship-sandbox") for thread in threading.enumerate())
        port = sandbox.port
        sandbox.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/sandbox/summary", trust_env=False)
        sandbox.start()
        assert sandbox.port == port
        assert httpx.get(f"{sandbox.base_url}/sandbox/summary", trust_env=False).status_code == 200
    names = {thread.name for thread in threading.enumerate() if thread.is_alive()}
    assert not any(name.startswith(f"airship-sandbox-{port}") for name in names)


def test_a_taken_port_is_raised_where_the_sandbox_was_wanted(sandbox: RunningSandbox) -> None:
    with pytest.raises(OSError, match="address already in use"), running_sandbox(port=sandbox.port):
        pass


def test_a_failure_of_the_sandbox_itself_is_raised_at_the_end(tmp_path: Path) -> None:
    record = tmp_path / "accepted.ndjson"
    with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012, SIM117  the block's end is what raises
        with running_sandbox(SandboxOptions(record=record)) as sandbox, client_of(sandbox) as client:
            sandbox._sandbox._ledger._record.close()  # type: ignore[union-attr]
            assert post(client, [event()]).status_code == 500
            assert sandbox.summary().accepted == 0
    assert isinstance(failed.value.exceptions[0], ValueError)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"app_key": "short"}, "22"),
        ({"keep": -1}, "0 or more"),
        ({"token_seconds": 0}, "1 or more"),
        ({"tls_key": Path("key.pem")}, "both or neither"),
    ],
)
def test_wrong_options_are_told_what_is_wrong(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SandboxOptions(**options)
