"""Every fault that can be asked for, at start and at run time, over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from connector.airship.sandbox import (
    ConcurrencyFault,
    DropFault,
    ExpireTokensFault,
    LatencyFault,
    RefuseFault,
    Rule,
    RunningSandbox,
    Sandbox,
    SandboxOptions,
    StatusFault,
    UnreachableFault,
    rule_from,
    rule_from_text,
    running_sandbox,
)
from connector.airship.sandbox.faults import FaultBook
from tests.contract.sandbox_requests import client_of, event, post


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


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 408, 413, 425, 429, 500, 501, 502, 503, 504, 599])
def test_any_status_can_be_asked_for(sandbox: RunningSandbox, client: httpx.Client, status: int) -> None:
    sandbox.set_fault(StatusFault(status=status, next=1))
    assert post(client, [event()]).status_code == status
    assert post(client, [event()]).status_code == 200
    summary = sandbox.summary()
    assert summary.accepted == 1
    assert summary.requests_by_fault == {f"status:{status}": 1}
    assert [entry.fault for entry in sandbox.requests()] == [f"status:{status}", None]


def test_retry_after_in_seconds_and_as_a_date(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(StatusFault(status=429, next=1, retry_after=7))
    assert post(client, [event()]).headers["Retry-After"] == "7"
    sandbox.set_fault(StatusFault(status=503, next=1, retry_after_date=7, date_skew_seconds=3600))
    headers = post(client, [event()]).headers
    ahead = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
    assert ahead.total_seconds() == 7
    plain = parsedate_to_datetime(post(client, [event()]).headers["Date"])
    assert 3590 < (parsedate_to_datetime(headers["Date"]) - plain).total_seconds() <= 3600


def test_headers_of_the_answer_can_be_set(sandbox: RunningSandbox, client: httpx.Client) -> None:
    headers = {"Location": "/elsewhere", "content-type": "text/odd"}
    sandbox.set_fault(StatusFault(status=308, headers=headers))
    answer = post(client, [event()])
    assert (answer.headers["Location"], answer.headers["Content-Type"]) == ("/elsewhere", "text/odd")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_that_has_no_body(sandbox: RunningSandbox, client: httpx.Client, status: int) -> None:
    sandbox.set_fault(StatusFault(status=status, body="empty", next=1))
    answer = post(client, [event()])
    assert (answer.status_code, answer.content) == (status, b"")
    assert post(client, [event()]).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "content"),
    [
        ("json", "application/vnd.urbanairship+json", '{"ok":false'),
        ("html", "text/html", "<html>"),
        ("text", "text/plain", "503 on request"),
        ("empty", "", ""),
        ("unreadable", "application/vnd.urbanairship+json", '{"ok": tr'),
    ],
)
def test_each_kind_of_body(
    sandbox: RunningSandbox, client: httpx.Client, body: Any, content_type: str, content: str
) -> None:
    sandbox.set_fault(StatusFault(status=503, body=body))
    answer = post(client, [event()])
    assert answer.headers.get("Content-Type", "").startswith(content_type)
    assert answer.text.startswith(content)


@pytest.mark.parametrize("stored", [True, False])
def test_a_200_that_says_not_ok_and_a_200_that_cannot_be_read(
    sandbox: RunningSandbox, client: httpx.Client, stored: bool
) -> None:
    sandbox.set_fault(StatusFault(status=200, body="ok_false", next=1, stored=stored))
    answer = post(client, [event()])
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    sandbox.set_fault(StatusFault(status=200, body="unreadable", next=1, stored=stored))
    answer = post(client, [event()])
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert sandbox.summary().accepted == (2 if stored else 0)


def test_a_fault_that_stores_keeps_to_the_contract(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(StatusFault(status=500, stored=True))
    assert post(client, [event("Bad")]).status_code == 500
    assert sandbox.summary().accepted == 0
    assert post(client, [event()]).status_code == 500
    assert sandbox.summary().accepted == 1


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_dropped_answer_ends_the_connection(
    sandbox: RunningSandbox, client: httpx.Client, stored: bool, how: Any
) -> None:
    assert post(client, [event()]).status_code == 200  # the connection is up
    sandbox.set_fault(DropFault(stored=stored, how=how, next=1))
    with pytest.raises(httpx.ReadError if how == "reset" else httpx.RemoteProtocolError):
        post(client, [event(), event()])
    summary = sandbox.summary()
    assert summary.accepted == (3 if stored else 1)
    assert summary.requests_by_status == {"200": 1, "none": 1}
    assert sandbox.requests()[-1].stored is stored
    assert post(client, [event()]).status_code == 200


def test_latency_holds_the_answer_and_counts_what_is_in_flight(sandbox: RunningSandbox) -> None:
    sandbox.set_fault(LatencyFault(seconds=600))
    with client_of(sandbox) as client, ThreadPoolExecutor(4) as senders:
        answers = [senders.submit(post, client, [event()]) for _ in range(4)]
        sandbox.wait_until(lambda summary: summary.in_flight == 4, 10)
        assert sandbox.summary().accepted == 0
        sandbox.clear_faults()  # lets them go on
        assert [answer.result(10).status_code for answer in answers] == [200] * 4
    assert sandbox.summary().in_flight_max == 4


def test_latency_that_ends_while_the_body_is_on_its_way_holds_nothing(sandbox: RunningSandbox) -> None:
    sandbox.set_fault(LatencyFault(seconds=600))
    body_may_go = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"["
        assert body_may_go.wait(10)
        yield json.dumps(event()).encode() + b"]"

    with client_of(sandbox) as client, ThreadPoolExecutor(1) as sender:
        answer = sender.submit(client.post, "/api/custom-events", content=body())
        sandbox.wait_until(lambda summary: summary.in_flight == 1, 10)
        sandbox.clear_faults()
        body_may_go.set()
        assert answer.result(10).status_code == 200


def test_latency_lasts_as_long_as_was_asked_for(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(LatencyFault(seconds=0.2))
    assert post(client, [event()]).status_code == 200
    (entry,) = sandbox.requests()
    assert entry.ended - entry.started >= 0.19


def test_latency_can_come_after_storing() -> None:
    options = SandboxOptions(faults=(LatencyFault(seconds=30, store="before"),), stop_seconds=0.1)
    with running_sandbox(options) as sandbox, client_of(sandbox) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/api/custom-events", content=json.dumps([event()]), timeout=0.3)
        summary = sandbox.summary()
        assert (summary.accepted, summary.in_flight) == (1, 1)


def test_a_client_that_gives_up_does_not_keep_its_events_from_being_stored(sandbox: RunningSandbox) -> None:
    sandbox.set_fault(LatencyFault(seconds=600))
    with client_of(sandbox) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/api/custom-events", content=json.dumps([event()]), timeout=0.1)
    assert sandbox.summary().accepted == 0
    sandbox.clear_faults()
    assert sandbox.wait_until(lambda summary: summary.in_flight == 0, 10).accepted == 1


def test_a_limit_of_concurrency_turns_the_rest_away(sandbox: RunningSandbox) -> None:
    sandbox.set_fault(ConcurrencyFault(limit=2, retry_after=3))
    latency = sandbox.set_fault(LatencyFault(seconds=600))
    with client_of(sandbox) as client, ThreadPoolExecutor(2) as senders:
        inside = [senders.submit(post, client, [event()]) for _ in range(2)]
        sandbox.wait_until(lambda summary: summary.in_flight == 2, 10)
        turned_away = post(client, [event()])
        assert (turned_away.status_code, turned_away.headers["Retry-After"]) == (429, "3")
        sandbox.clear_faults(latency)
        assert [answer.result(10).status_code for answer in inside] == [200, 200]
        assert post(client, [event()]).status_code == 200
    assert sandbox.summary().accepted == 3


def test_expired_tokens_are_401_until_there_is_a_new_one(sandbox: RunningSandbox) -> None:
    with client_of(sandbox) as client:
        old = {"Authorization": "Bearer old"}
        new = {"Authorization": "Bearer new"}
        assert client.post("/api/custom-events", json=[event()], headers=old).status_code == 200
        sandbox.set_fault(ExpireTokensFault())
        for _ in range(2):
            refused = client.post("/api/custom-events", json=[event()], headers=old)
            assert refused.status_code == 401
            assert refused.headers["Content-Type"].startswith("text/plain")
            assert client.post("/api/custom-events", json=[event()], headers=new).status_code == 200
        sandbox.set_fault(ExpireTokensFault())
        assert client.post("/api/custom-events", json=[event()], headers=new).status_code == 401
        sandbox.clear_faults()
        assert client.post("/api/custom-events", json=[event()], headers=old).status_code == 200
    assert sandbox.summary().requests_by_fault == {"expire_tokens": 3}


def test_a_fixed_token_stays_expired_until_the_rule_ends() -> None:
    options = SandboxOptions(tokens=("fixed",), faults=(ExpireTokensFault(),))
    with running_sandbox(options) as sandbox, client_of(sandbox, Authorization="Bearer fixed") as client:
        assert [post(client, [event()]).status_code for _ in range(2)] == [401, 401]
        sandbox.clear_faults()
        assert post(client, [event()]).status_code == 200


@pytest.mark.parametrize(("status", "code"), [(400, 40003), (422, 42203)])
def test_events_that_carry_a_value_are_refused(
    sandbox: RunningSandbox, client: httpx.Client, status: Any, code: int
) -> None:
    sandbox.set_fault(RefuseFault(pointer="/body/properties/items/0/colour", equals="red", status=status))
    red, blue = event(items=[{"colour": "red"}]), event(items=[{"colour": "blue"}])
    answer = post(client, [blue, red])
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["details"]["path"] == "[1].body.properties.items[0].colour"
    assert post(client, [blue, event(items=[]), event(items="red"), event()]).status_code == 200
    sandbox.clear_faults()
    assert post(client, [red]).status_code == 200


def test_a_pointer_may_end_at_an_item_of_an_array(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(RefuseFault(pointer="/body/properties/tags/7", equals="red"))
    assert post(client, [event(tags=["blue"] * 7 + ["red"])]).status_code == 400
    assert post(client, [event(tags=["red"] * 7 + ["blue"])]).status_code == 200


def test_a_refusal_counts_as_a_hit_only_where_an_event_matched(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(RefuseFault(pointer="/body/name", equals="odd", next=2))
    names = ["even", "odd", "even", "odd", "odd", "even"]
    assert [post(client, [event(name)]).status_code for name in names] == [200, 400, 200, 400, 200, 200]


@pytest.mark.parametrize("marker", [True, 1, "true", False, None])
def test_the_standing_marker_refuses_true_alone(sandbox: RunningSandbox, client: httpx.Client, marker: Any) -> None:
    assert post(client, [event(), event(sandbox_refuse=marker)]).status_code == (400 if marker is True else 200)


def test_an_unreachable_endpoint_refuses_connections_and_comes_back(sandbox: RunningSandbox) -> None:
    with client_of(sandbox) as client:
        assert post(client, [event()]).status_code == 200
        fault = sandbox.set_fault(UnreachableFault(for_seconds=600))
        with pytest.raises(httpx.TransportError):
            post(client, [event()])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sandbox.port), 5).close()
        assert sandbox.clear_faults(fault) == 1
        assert post(client, [event()]).status_code == 200


def test_a_stopped_sandbox_starts_again_on_its_port_with_its_ledger() -> None:
    async def scenario() -> None:
        sandbox = Sandbox(SandboxOptions(faults=(StatusFault(status=503, next=1),)))
        async with sandbox, httpx.AsyncClient(base_url=sandbox.base_url, trust_env=False) as client:
            assert (await client.get("/sandbox/faults")).json()["faults"][0]["fault"] == "status"
            port = sandbox.port
            await sandbox.stop()
            with pytest.raises(httpx.ConnectError):
                await client.get("/sandbox/faults")
            await sandbox.start(port=port)
            # A rule of the options is set once, not again at each start.
            assert len((await client.get("/sandbox/faults")).json()["faults"]) == 1

    asyncio.run(scenario())


def test_faults_are_set_listed_and_ended_over_http(sandbox: RunningSandbox, client: httpx.Client) -> None:
    rules = [{"fault": "status", "status": 503, "for_seconds": 60}, {"fault": "latency", "seconds": 0}]
    answer = client.post("/sandbox/faults", json=rules)
    assert answer.status_code == 201
    first, second = answer.json()["ids"]
    assert post(client, [event()]).status_code == 503
    standing = client.get("/sandbox/faults").json()["faults"]
    assert [(rule["id"], rule["fault"], rule["hits"]) for rule in standing] == [
        (first, "status", 1),
        (second, "latency", 1),
    ]
    assert 0 < standing[0]["remaining_seconds"] <= 60
    assert client.delete(f"/sandbox/faults?id={first}").json() == {"ended": 1}
    assert post(client, [event()]).status_code == 200
    assert client.delete("/sandbox/faults").json() == {"ended": 1}
    assert client.get("/sandbox/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"fault": "statsu", "status": 503}, "expected one of status, latency"),
        ({"fault": "status"}, "missing required field `status`"),
        ({"fault": "status", "status": 99}, ">= 200"),
        ({"fault": "status", "status": 503, "shere": 0.5}, "unknown field `shere`"),
        ({"fault": "status", "status": 503, "share": 0}, "> 0.0"),
        ({"fault": "status", "status": 200}, "expected body ok_false"),
        ({"fault": "status", "status": 503, "retry_after": 1, "retry_after_date": 1}, "at most one"),
        ({"fault": "status", "status": 503, "headers": {"X": "a\r\nY: b"}}, "the header 'X'"),
        ({"fault": "status", "status": 503, "headers": {"content-length": "1"}}, "no framing"),
        ({"fault": "latency", "seconds": 2, "seconds_max": 1}, "at least seconds"),
        ({"fault": "latency", "knee_seconds": 1}, "knee_in_flight"),
        ({"fault": "drop"}, "missing required field `stored`"),
        ({"fault": "refuse", "pointer": "body.name"}, "expected a JSON pointer"),
        ({"fault": "expire_tokens", "next": 1}, "expected only for_seconds"),
        ({"fault": "concurrency"}, "missing required field `limit`"),
        ({"fault": "unreachable"}, "expected it"),
        (5, "Expected `object`"),
    ],
)
def test_a_wrong_rule_is_told_what_is_wrong(client: httpx.Client, rule: Any, says: str) -> None:
    answer = client.post("/sandbox/faults", json=rule)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert client.get("/sandbox/faults").json() == {"faults": []}


def test_a_rule_built_in_python_is_checked_too(sandbox: RunningSandbox) -> None:
    with pytest.raises(ValueError, match="> 0"):
        sandbox.set_fault(StatusFault(status=503, share=-1.0))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("status status=503 share=0.02 body=html", StatusFault(status=503, share=0.02, body="html")),
        ("drop stored=true next=3", DropFault(stored=True, next=3)),
        (
            '{"fault": "refuse", "pointer": "/body/x y", "equals": "a b"}',
            RefuseFault(pointer="/body/x y", equals="a b"),
        ),
        ("refuse pointer=/body/properties/n equals=5", RefuseFault(pointer="/body/properties/n", equals=5)),
        ("expire_tokens", ExpireTokensFault()),
    ],
)
def test_a_rule_can_be_written_in_words(text: str, rule: Rule) -> None:
    assert rule_from_text(text) == rule


@pytest.mark.parametrize("text", ["", "status", "status status", "nonsense a=1", "{", "status status=x"])
def test_wrong_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expected|missing|truncated|malformed"):
        rule_from_text(text)


def _hits(rules: list[Rule], times: list[float], seed: int = 0) -> list[bool]:
    book = FaultBook(seed)
    for rule in rules:
        book.add(rule, 100.0)
    return [book.plan("events", 1, 100.0 + time).instead is not None for time in times]


def test_a_window_of_time() -> None:
    rule = StatusFault(status=503, after_seconds=10, for_seconds=5)
    assert _hits([rule], [0, 9.9, 10, 14.9, 15, 20]) == [False, False, True, True, False, False]


def test_the_next_n_requests_after_the_first_m() -> None:
    rule = StatusFault(status=503, after_requests=2, next=3)
    assert _hits([rule], [0] * 7) == [False, False, True, True, True, False, False]


def test_a_share_is_repeatable_by_its_seed_and_near_its_size() -> None:
    rule = StatusFault(status=503, share=0.2)
    first = _hits([rule], [0] * 10_000, seed=1)
    assert first == _hits([rule], [0] * 10_000, seed=1)
    assert first != _hits([rule], [0] * 10_000, seed=2)
    assert 1_800 < sum(first) < 2_200


def test_waits_add_up_and_the_first_answer_wins() -> None:
    book = FaultBook(0)
    for rule in (
        LatencyFault(seconds=1),
        StatusFault(status=500, next=1),
        LatencyFault(seconds=2),
        DropFault(stored=True),
    ):
        book.add(rule, 0.0)
    plan = book.plan("events", 1, 0.0)
    assert plan.wait_seconds == 3
    assert isinstance(plan.instead, StatusFault)
    assert isinstance(book.plan("events", 1, 0.0).instead, DropFault)


def test_a_range_of_latency_stays_within_it() -> None:
    book = FaultBook(3)
    book.add(LatencyFault(seconds=0.1, seconds_max=0.5), 0.0)
    waits = [book.plan("events", 1, 0.0).wait_seconds for _ in range(1_000)]
    assert 0.1 <= min(waits) < 0.15
    assert 0.45 < max(waits) <= 0.5


def test_latency_rises_beyond_the_knee() -> None:
    book = FaultBook(0)
    book.add(LatencyFault(seconds=0.05, knee_in_flight=8, knee_seconds=0.01), 0.0)
    waits = [book.plan("events", in_flight, 0.0).wait_seconds for in_flight in (1, 8, 9, 18)]
    assert waits == pytest.approx([0.05, 0.05, 0.06, 0.15])


def test_faults_of_the_token_endpoint_leave_events_alone() -> None:
    book = FaultBook(0)
    book.add(StatusFault(status=503, target="token"), 0.0)
    assert book.plan("events", 1, 0.0).instead is None
    assert book.plan("token", 1, 0.0).instead == StatusFault(status=503, target="token")


def test_rules_of_every_kind_survive_the_way_through_json(client: httpx.Client, sandbox: RunningSandbox) -> None:
    rules: list[Rule] = [
        StatusFault(status=503, retry_after=3),
        LatencyFault(seconds=1, seconds_max=2),
        DropFault(stored=False),
        ExpireTokensFault(for_seconds=5),
        RefuseFault(equals={"a": [1]}),
        ConcurrencyFault(limit=4),
        UnreachableFault(for_seconds=1, after_seconds=3600),
    ]
    for rule in rules:
        sandbox.set_fault(rule)
    shown = client.get("/sandbox/faults").json()["faults"]
    sandbox.clear_faults()
    for entry in shown:
        for name in ("id", "hits", "remaining_seconds"):
            del entry[name]
    assert [rule_from(entry) for entry in shown] == rules
