"""Secrets and personal data go into a real process by every path; all that comes out of it is searched for them.

The endpoint, the token URL and the registry answer with everything that they were sent, headers included: what they say
is shown to people. The dead letters are left out: they keep the message as it was, by design.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.contract.loopback import Exchange, loopback
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.registry_stub import Fault, RegistryStub, registry_stub
from tests.support.topics import Record, Topics, produce, read_to_end

USER, MAIL, PHONE, KEY, COOKIE = "Hugh.Manbeing", "hugh@example.org", "+441632960001", "key-of-hugh", "s3ss10n"
PERSONAL = ("manbeing", "hugh", "441632960001", "shoes", COOKIE)
TOKEN, CLIENT_SECRET = "t0ken-f00dfeed-77", "cl1ent-s3cret-88"
REGISTRY_PASSWORD, KAFKA_PASSWORD = "r3gistry-pass-99", "k4fka-pass-66"
APP_KEY = "4ppKeyAppKeyAppKeyAppK"
SECRETS = (TOKEN, CLIENT_SECRET, REGISTRY_PASSWORD, KAFKA_PASSWORD, APP_KEY)
ENCODED = tuple(
    base64.b64encode(pair.encode()).decode()[:-2]
    for pair in (f"shop:{CLIENT_SECRET}", f"{USER}:{REGISTRY_PASSWORD}", f"shop:{KAFKA_PASSWORD}")
)
PAGES = ("/", "/status.json", "/metrics", "/readyz", "/livez")
SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "user", "type": "string"}]}


class Search:
    """Gathers what was emitted, and looks through all of it."""

    def __init__(self) -> None:
        self._emitted: list[tuple[str, str]] = []

    def pages(self, connector: Connector, state: str) -> None:
        self._emitted += [(f"{page} while {state}", connector.get(page)[1]) for page in PAGES]

    def log(self, connector: Connector) -> str:
        text = connector.process.log_text()
        self._emitted.append(("the log, spans and metrics", text))
        return text

    def finds_nothing(self) -> None:
        found = [
            (where, private, text[max(0, at - 200) : at + 100])
            for where, text in self._emitted
            for private in (*PERSONAL, *SECRETS, *ENCODED)
            if (at := text.lower().find(private.lower())) >= 0
        ]
        assert found == []


def quoting(exchange: Exchange) -> str:
    """All that the request said, its credentials among it."""
    request = exchange.request
    return f"{request.headers} asked for {request.target} with {request.body.decode()}"


def personal(value: bytes) -> Record:
    headers = [("cookie", COOKIE.encode()), ("user", USER.encode()), ("tracestate", f"mail={MAIL}".encode())]
    return Record(value, key=KEY.encode(), headers=headers)


def good(number: int = 1, **properties: Any) -> Record:
    return personal(custom_event(number, USER, mail=MAIL, phone=PHONE, item="shoes", **properties))


def bad(topic: str) -> list[Record]:
    """One for each way to be refused before a request is made."""
    mapped = json.dumps({"customer": {"id": USER, "mail": MAIL}, "at": f"yesterday, {USER}"}).encode()
    return [
        personal(b'{"user": "' + USER.encode()),
        personal(USER.encode("utf-16")),
        personal(mapped),
        personal(custom_event(2, USER).replace(b"purchased", b"Purchased-Shoes")),
        personal(custom_event(3, USER, mail=MAIL * 30)),
        personal(b"\x00\x00\x00\x00\x07" + USER.encode()),
    ]


Mode = Callable[[Exchange], None]


def answering(status: int, body: Callable[[Exchange], str], **headers: str) -> Mode:
    return lambda exchange: exchange.reply(status, body(exchange).encode(), headers)


def refusing(exchange: Exchange) -> None:
    """A 400 for whoever is named, as Airship says it."""
    if b"refuse" in exchange.request.body:
        said = {"ok": False, "error": quoting(exchange), "details": {"error": f"{USER} <{MAIL}> is not allowed"}}
        exchange.reply(400, json.dumps(said).encode())
    else:
        exchange.reply()


BLOCKS: dict[str, Mode] = {
    "unauthorized": answering(401, quoting),
    "forbidden": answering(403, lambda exchange: json.dumps({"error": quoting(exchange)})),
    "wrong_address": answering(302, quoting, Location=f"http://login.example.org/?token={TOKEN}&user={USER}"),
    "unexpected_answer": answering(418, quoting),
}
TROUBLES: dict[str, Mode] = {
    "server_error": answering(503, quoting),
    "throttled": answering(429, quoting),
    "unreadable_answer": answering(200, quoting),
}


@pytest.mark.broker_can("admin")
@pytest.mark.timeout(180)
def test_nothing_personal_or_secret_leaves_the_process_but_to_airship_and_the_dead_letters(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, mapped = topics.create("events", 1), topics.create("mapped", 1)
    dead = topics.unique_name("dead")
    broker.create_topic(dead, 1)
    search = Search()
    mode: list[Mode] = [refusing]

    def as_it_stands(exchange: Exchange) -> None:
        mode[0](exchange)

    with loopback(as_it_stands) as endpoint:
        settings = settings_for(
            broker.bootstrap_servers, topics.unique_name("group"), endpoint.url, routes(topic, mapped), dead
        )
        settings["airship"] |= {"app_key": APP_KEY, "auth": {"bearer_token": TOKEN}}
        settings["delivery"] |= {"retry": {"initial_ms": 50, "max_ms": 100}}
        settings["dead_letters"] |= {"rejects_share_max": 1.0}
        settings["log"] = {"level": "debug"}
        exporters = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"}
        with Connector(tmp_path, settings, environment=exporters) as connector:
            connector.wait_ready()
            rejects = [*bad(topic), good(4, refuse=True)]
            produce(broker.bootstrap_servers, topic, rejects)
            produce(broker.bootstrap_servers, mapped, rejects[2:3])
            wait_until(lambda: len(read_to_end(broker.bootstrap_servers, dead)) == 8, 30, "all to be dead letters")
            search.pages(connector, "rejects are written")

            for reason, fault in TROUBLES.items():
                mode[0] = fault
                produce(broker.bootstrap_servers, topic, [good()])
                wait_until(partial(counts_retries, connector, reason), 20, reason, connector.process)
                search.pages(connector, reason)
                mode[0] = refusing
            for reason, fault in BLOCKS.items():
                mode[0] = fault
                produce(broker.bootstrap_servers, topic, [good()])
                connector.wait_not_ready(reason)
                search.pages(connector, reason)
                mode[0] = refusing
                connector.wait_ready()

            broker.delete_topic(dead)
            produce(broker.bootstrap_servers, topic, bad(topic)[:1])
            connector.wait_not_ready("dead_letters")
            search.pages(connector, "dead letters cannot be written")
            connector.process.terminate()
            connector.expect_end(30)
        log = search.log(connector)
    search.finds_nothing()
    for expected in ("record rejected", "request failed", "request not accepted", '"side":"dead_letters"', '"links"'):
        assert expected in log, f"{expected}: this path was not taken"


def routes(topic: str, mapped: str) -> list[dict[str, Any]]:
    template = {
        "occurred": "${{ timestamp(at) }}",
        "user": {"named_user_id": "${{ customer.id }}"},
        "body": {"name": "bought"},
    }
    return [{"topics": [topic]}, {"topics": [mapped], "format": "json", "event": template}]


def counts_retries(connector: Connector, reason: str) -> bool:
    sample = f'connector_requests_retried_total{{reason="{reason}"}} '
    lines = connector.get("/metrics")[1].splitlines()
    return any(line.startswith(sample) and float(line.removeprefix(sample)) > 0 for line in lines)


def was_asked_twice(registry: RegistryStub, before: int) -> bool:
    return len(registry.requests) > before + 1


@pytest.mark.timeout(120)
def test_no_credential_leaves_when_the_token_url_and_the_registry_refuse_it(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("orders", 1), topics.create("dead", 1)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), {"user": USER})
    produce(broker.bootstrap_servers, topic, [personal(b"\x00\x00\x00\x00\x07" + out.getvalue())])
    search = Search()
    said = json.dumps({"error_code": 50001, "message": f"found Basic {ENCODED[1]}== ({REGISTRY_PASSWORD})"})
    faults = [Fault(500, said.encode()), Fault(401, said.encode()), Fault(200, said.encode())]
    with (
        loopback(lambda exchange: exchange.reply(401, quoting(exchange).encode())) as tokens,
        registry_stub(fault=faults[0], schemas={"7": {"schema": json.dumps(SCHEMA)}}) as registry,
    ):
        event = {"user": {"named_user_id": "${{ user }}"}, "body": {"name": "bought"}}
        route = {"topics": [topic], "format": "avro", "event": event}
        settings = settings_for(broker.bootstrap_servers, topics.unique_name("group"), tokens.url, [route], dead)
        settings["airship"] |= {
            "app_key": APP_KEY,
            "token_url": f"{tokens.url}/token",
            "auth": {"oauth": {"client_id": "shop", "client_secret": CLIENT_SECRET}},
        }
        settings["schema_registry"] = {
            "url": registry.url,
            "username": USER,
            "password": REGISTRY_PASSWORD,
            "timeout_ms": 500,
        }
        with Connector(tmp_path, settings) as connector:
            for fault in faults:
                registry.fault = fault
                asked = len(registry.requests)
                wait_until(partial(was_asked_twice, registry, asked), 30, "the registry to be asked twice")
                connector.wait_not_ready("schema_registry")
                search.pages(connector, f"the registry answers {fault.status}")
            registry.fault = None
            connector.wait_not_ready("credentials_refused")
            search.pages(connector, "the token URL refuses the client")
            connector.process.terminate()
            connector.expect_end(30)
        search.log(connector)
    search.finds_nothing()


@pytest.mark.timeout(120)
def test_no_password_leaves_when_the_broker_does_not_take_it(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    dead = topics.unique_name("dead")
    search = Search()
    settings = settings_for(
        broker.bootstrap_servers, topics.unique_name("group"), "http://127.0.0.1:9", [{"topics": ["orders"]}], dead
    )
    settings["airship"]["auth"] = {"bearer_token": TOKEN}
    settings["kafka"]["properties"] = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "shop",
        "sasl.password": KAFKA_PASSWORD,
    }
    with Connector(tmp_path, settings) as connector:
        wait_until(lambda: "waiting for Kafka" in connector.process.log_text(), 30, "it to wait", connector.process)
        search.pages(connector, "the broker does not take the password")
        connector.process.terminate()
        connector.expect_end(30)
    search.log(connector)
    search.finds_nothing()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("airship", "auth", "bearer_token"), {"is": TOKEN}),
        (("airship", "app_key"), [APP_KEY]),
        (("kafka", "properties", "sasl.password"), {"is": KAFKA_PASSWORD}),
        (
            ("schema_registry",),
            {"url": f"http://{USER}:{REGISTRY_PASSWORD}@registry:8081", "pasword": REGISTRY_PASSWORD},
        ),
        (("airship", "base_url"), f"http://shop:{CLIENT_SECRET}@go.example.org"),
        (("airship", "proxy"), f"ftp://shop:{CLIENT_SECRET}@proxy"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_fault_in_the_settings_is_told_without_the_secret(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    settings = settings_for("127.0.0.1:9", "group", "http://127.0.0.1:9", [{"topics": ["orders"]}], "dead")
    section = settings
    for name in path[:-1]:
        section = section.setdefault(name, {})
    section[path[-1]] = value
    search = Search()
    with Connector(tmp_path, settings) as connector:
        assert connector.process.wait(30) == 2, connector.process.log_text()
    assert path[0] in search.log(connector)
    search.finds_nothing()
