"""The stand-in against the contract, row by row, over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import urbanairship
from urbanairship.custom_events import CustomEvent
from urbanairship.urls import Urls

from connector.airship.sandbox import EXAMPLE_APP_KEY, RunningSandbox, SandboxOptions, running_sandbox
from tests.contract.sandbox_requests import HEADERS, SEED, client_of, event, post

NOW = datetime(2020, 5, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningSandbox]:
    with running_sandbox(SandboxOptions(now=NOW, frozen=True)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: RunningSandbox) -> RunningSandbox:
    _running.clear()
    return _running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with client_of(sandbox) as client:
        yield client


def test_the_seed_example_passes_unchanged(sandbox: RunningSandbox, client: httpx.Client) -> None:
    answer = post(client, SEED)
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert UUID(answer.json()["operation_id"]).version == 4
    assert [accepted.event for accepted in sandbox.events()] == json.loads(SEED)


@pytest.mark.parametrize("path", ["/api/custom-events", "/api/custom-events/"])
@pytest.mark.parametrize("events", [[event()], [event()] * 100, event()], ids=["one", "hundred", "bare object"])
def test_accepts_one_to_a_hundred_events_with_and_without_a_slash(
    sandbox: RunningSandbox, client: httpx.Client, path: str, events: Any
) -> None:
    assert post(client, events, path).status_code == 200
    assert [accepted.event for accepted in sandbox.events()] == (events if isinstance(events, list) else [events])


def test_the_official_python_client_is_served_unchanged(sandbox: RunningSandbox) -> None:
    airship = urbanairship.BearerTokenClient(key=EXAMPLE_APP_KEY, token="any-token")
    airship.urls = Urls(base_url=f"{sandbox.base_url}/api/")
    sent = CustomEvent(
        airship,
        name="purchased",
        user={"named_user": "hugh.manbeing"},
        value=239.85,
        properties={"colors": ["red", "blue"]},
        occurred=NOW - timedelta(hours=1),
    )
    try:
        assert sent.send()["ok"] is True
        sent.name = "Purchased"
        with pytest.raises(urbanairship.AirshipFailure) as refused:
            sent.send()
        assert refused.value.response.status_code == 400
    finally:
        airship.session.close()
    assert [accepted.event["body"]["name"] for accepted in sandbox.events()] == ["purchased"]
    assert sandbox.requests()[0].path == "/api/custom-events/"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Basic c2FuZGJveDpzYW5kYm94"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "bearer any"}, 200),
        ({"X-UA-Appkey": None}, 401),
        ({"X-UA-Appkey": "a" * 21}, 401),
        ({"X-UA-Appkey": "a" * 23}, 401),
        ({"X-UA-Appkey": "a" * 21 + "."}, 401),
        ({"X-UA-Appkey": "_-" + "a" * 20}, 200),
        ({"Accept": None}, 406),
        ({"Accept": "application/json"}, 406),
        ({"Accept": "application/vnd.urbanairship+json"}, 406),
        ({"Accept": "application/vnd.urbanairship+json; version=2"}, 406),
        ({"Accept": "application/vnd.urbanairship+json; version=33"}, 406),
        ({"Accept": "*/*; version=3"}, 406),
        ({"Accept": "application/vnd.urbanairship+json; version=3;"}, 200),
        ({"Accept": "application/vnd.urbanairship+json;version=3"}, 200),
        ({"Accept": "text/html, application/vnd.urbanairship+json; version=3"}, 200),
        ({"Content-Type": None}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
    ],
    ids=str,
)
def test_each_header_is_checked(sandbox: RunningSandbox, changed: dict[str, str | None], status: int) -> None:
    headers = {name: value for name, value in {**HEADERS, **changed}.items() if value is not None}
    with httpx.Client(base_url=sandbox.base_url, timeout=20, trust_env=False) as bare:
        bare.headers.clear()
        answer = bare.post("/api/custom-events", content=json.dumps([event()]), headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["Content-Type"].startswith("text/plain")
    elif status != 200:
        assert answer.json()["ok"] is False
        assert answer.json()["error_code"] // 100 == status
    assert sandbox.summary().accepted == (1 if status == 200 else 0)
    assert sandbox.summary().requests_by_status == {str(status): 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_is_405(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/api/custom-events", content=json.dumps([event()]))
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/api", "/api/custom-event", "/api/custom-events/x", "/api/custom-events//"])
def test_another_path_is_404_and_counted(sandbox: RunningSandbox, client: httpx.Client, path: str) -> None:
    assert post(client, [event()], path).status_code == 404
    assert sandbox.summary().requests_by_status == {"404": 1}
    assert sandbox.summary().accepted == 0


@pytest.mark.parametrize(("spare", "status"), [(0, 200), (1, 413)])
def test_the_body_may_have_five_mebibytes_and_not_a_byte_more(
    sandbox: RunningSandbox, client: httpx.Client, spare: int, status: int
) -> None:
    body = json.dumps([event()])
    body = body[:-1] + " " * (5 * 1024 * 1024 - len(body) + spare) + "]"
    assert post(client, body).status_code == status
    assert sandbox.summary().accepted == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        ('[{"user": \n  oops}]', 2, 3),
        ("[", 1, 2),
        ("", 1, 1),
        ('[{"body": {"value": NaN}}]', 1, 21),
        (b'[\n"\xff"]', 2, 2),
        ("[1]\n[2]", 2, 1),
    ],
)
def test_a_body_that_is_not_json_is_400_with_the_location(
    client: httpx.Client, body: str | bytes, line: int, column: int
) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert answer.json()["details"]["location"] == {"line": line, "column": column}
    assert "path" not in answer.json()["details"]


def test_a_body_nested_without_end_is_400(client: httpx.Client) -> None:
    assert post(client, "[" * 200_000).status_code == 400


@pytest.mark.parametrize("body", ["[]", [event()] * 101, "null", "5", '"x"', "true"], ids=lambda body: str(body)[:10])
def test_the_number_of_events_is_1_to_100(sandbox: RunningSandbox, client: httpx.Client, body: Any) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert sandbox.summary().accepted == 0


def _with(path: str, value: Any) -> dict[str, Any]:
    """An event with one value replaced; with `...` for the value, without it."""
    changed: Any = event()
    node = changed
    *parents, last = path.split(".")
    for step in parents:
        node = node.setdefault(step, {})
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return dict(changed)


AN_HOUR_AHEAD = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
NINETY_ONE_DAYS_AGO = (NOW - timedelta(days=91)).strftime("%Y-%m-%dT%H:%M:%S")
CHANNEL = "d2fc8f5a-5e7a-4c3d-8d0c-0a0a7d0b0b0b"


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (_with("body.name", "Purchased"), "[1].body.name"),
        (_with("body.name", ...), "[1].body.name"),
        (_with("body.name", None), "[1].body.name"),
        (_with("body.name", 5), "[1].body.name"),
        (_with("body.value", "12"), "[1].body.value"),
        (_with("body.transaction", 5), "[1].body.transaction"),
        (_with("body.session_id", {}), "[1].body.session_id"),
        (_with("body.properties", []), "[1].body.properties"),
        (_with("body.properties.note", "x" * 256), "[1].body.properties.note"),
        (_with("body.properties.list", ["ok", "x" * 256]), "[1].body.properties.list[1]"),
        (_with("body.properties.inner", {"deep": ["x" * 256]}), "[1].body.properties.inner.deep[0]"),
        (_with("user", ...), "[1].user"),
        (_with("user", {}), "[1].user"),
        (_with("user.channel", CHANNEL), "[1].user"),
        (_with("user", {"channel": "not a uuid"}), "[1].user.channel"),
        (_with("user", {"named_user_id": " hugh"}), "[1].user.named_user_id"),
        (_with("occurred", NINETY_ONE_DAYS_AGO), "[1].occurred"),
        (_with("occurred", AN_HOUR_AHEAD), "[1].occurred"),
        (_with("occurred", "2020-05-02T02:31:22+02:00"), "[1].occurred"),
        (_with("occurred", "yesterday"), "[1].occurred"),
        (_with("body", ...), "[1].body"),
        (5, "[1]"),
        (None, "[1]"),
        ([event()], "[1]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_bad_event_refuses_all_and_is_named(
    sandbox: RunningSandbox, client: httpx.Client, bad: Any, path: str
) -> None:
    body = json.dumps([event(), bad, event()])
    answer = post(client, body)
    assert answer.status_code == 400
    refusal = answer.json()
    assert refusal["ok"] is False
    assert refusal["error"]
    assert 40000 <= refusal["error_code"] <= 40099
    assert refusal["details"]["path"] == path
    assert refusal["details"]["error"]
    location = refusal["details"]["location"]
    assert location["line"] == 1
    # The place is inside the bad event, or at its start.
    start = len(json.dumps([event()])) + 1
    assert start < location["column"] <= start + len(json.dumps(bad)) + 1
    summary = sandbox.summary()
    assert (summary.accepted, summary.refused) == (0, 3)


@pytest.mark.parametrize(
    "good",
    [
        _with("user", {"channel": CHANNEL}),
        _with("user", {"ios_channel": CHANNEL}),
        _with("user", {"android_channel": CHANNEL}),
        _with("user", {"amazon_channel": CHANNEL}),
        _with("user", {"web_channel": CHANNEL}),
        _with("occurred", "2020-05-02 02:31:22"),
        _with("occurred", "2020-05-02T02:31:22Z"),
        _with("body.value", 12),
        _with("body.properties.note", "x" * 255),
        _with("body.properties.mixed", {"n": 1.5, "yes": True, "list": [{"a": "b"}]}),
        _with("body.unique_id", "once"),
        _with("body.name", "gekauft für dich"),
    ],
    ids=lambda good: json.dumps(good)[:60],
)
def test_what_the_contract_allows_is_accepted(client: httpx.Client, good: dict[str, Any]) -> None:
    answer = post(client, [good])
    assert answer.status_code == 200, answer.text


def test_a_number_that_no_double_holds_is_a_number(sandbox: RunningSandbox, client: httpx.Client) -> None:
    big = json.dumps(event(amount="X")).replace('"X"', "1e999")
    assert post(client, f"[{big}]").status_code == 200
    assert post(client, f"[{big}, {json.dumps(event('Bad'))}]").json()["details"]["path"] == "[1].body.name"
    assert client.get("/sandbox/events?format=ndjson").text.count("1e999") == 1
    assert sandbox.events()[0].event["body"]["properties"]["amount"] == Decimal("1e999")


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("brackets", "[1].body.name"),
        ("dots", "1.body.name"),
        ("pointer", "/1/body/name"),
        ("jsonpath", "$[1].body.name"),
        ("none", None),
    ],
)
def test_the_spelling_of_the_path_can_be_chosen(spelling: Any, path: str | None) -> None:
    with running_sandbox(SandboxOptions(path=spelling, location=False)) as sandbox, client_of(sandbox) as client:
        details = post(client, [event(), event("Bad")]).json()["details"]
    assert details.get("path") == path
    assert "location" not in details


def test_a_wrong_path_points_at_an_event_that_nothing_is_wrong_with() -> None:
    with running_sandbox(SandboxOptions(path="wrong")) as sandbox, client_of(sandbox) as client:
        body = json.dumps([event("Bad"), event("Worse"), event("good")])
        details = post(client, body).json()["details"]
        assert details["path"] == "[2].body.name"
        assert details["location"]["column"] == body.index('"good"') + 1
        assert "path" not in post(client, [event("Bad")]).json()["details"]


def test_a_bare_object_is_named_without_an_index(client: httpx.Client) -> None:
    assert post(client, event("Bad")).json()["details"]["path"] == "body.name"


@pytest.mark.parametrize(
    ("spelling", "keys"),
    [("operation_id", {"ok", "operation_id"}), ("operationId", {"ok", "operationId"}), ("none", {"ok"})],
)
def test_the_spelling_of_the_operation_id_can_be_chosen(spelling: Any, keys: set[str]) -> None:
    with running_sandbox(SandboxOptions(operation_id=spelling)) as sandbox, client_of(sandbox) as client:
        assert set(post(client, [event()]).json()) == keys


def test_told_which_token_and_app_key_it_takes_no_other() -> None:
    options = SandboxOptions(tokens=("right", "also-right"), app_key="right_key_000000000000")
    with running_sandbox(options) as sandbox:
        for token, app_key, status in [
            ("right", "right_key_000000000000", 200),
            ("also-right", "right_key_000000000000", 200),
            ("wrong", "right_key_000000000000", 401),
            ("right", "wrong_key_000000000000", 401),
        ]:
            with client_of(sandbox, **{"Authorization": f"Bearer {token}", "X-UA-Appkey": app_key}) as client:
                assert post(client, [event()]).status_code == status


def test_no_answer_repeats_a_token_or_a_payload(client: httpx.Client) -> None:
    secret = "hugh.manbeing"
    for headers in ({}, {"Authorization": "Bearer s3cret", "X-UA-Appkey": "short-s3cret"}):
        answer = client.post("/api/custom-events", content=json.dumps([event("Bad")]), headers=headers)
        assert not re.search(f"s3cret|{secret}", answer.text)


def test_without_validation_events_are_counted_and_the_limits_still_hold() -> None:
    with running_sandbox(SandboxOptions(validation="off")) as sandbox, client_of(sandbox) as client:
        assert post(client, [event("Bad"), {"anything": 1}]).status_code == 200
        assert post(client, {"anything": 1}).status_code == 200
        assert post(client, [event()] * 101).status_code == 400
        assert post(client, "[]").status_code == 400
        assert post(client, "[{]").status_code == 400
        assert post(client, "5").status_code == 400
        assert post(client, [event(sandbox_refuse=True)]).status_code == 400
        assert post(client, json.dumps([event(sandbox_refuse=True)]).replace("box", "\\u0062ox")).status_code == 400
        assert sandbox.summary().accepted == 3
