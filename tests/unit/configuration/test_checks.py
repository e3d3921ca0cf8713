"""What only several settings together can get wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.configuration import load
from connector.errors import SettingsError
from tests.unit.configuration.documents import changed, faults, loaded

OAUTH = {"client_id": "id", "client_secret": "hidden"}
REGISTRY = {"url": "http://registry:8081"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        # Airship
        ({"airship__auth": {}}, "airship.auth: found nothing, expected exactly one of bearer_token, "),
        (
            {"airship__auth": {"bearer_token": "a", "oauth": OAUTH}},
            "airship.auth: found bearer_token and oauth, expected exactly one of ",
        ),
        (
            {"airship__auth": {"bearer_token": "a b"}},
            "airship.auth.bearer_token: found no usable token, expected ASCII",
        ),
        ({"airship__auth": {"bearer_token": ""}}, "airship.auth.bearer_token: found no usable token, expected ASCII"),
        (
            {"airship__auth": {"oauth": {"client_id": "id"}}},
            "airship.auth.oauth: found neither, expected exactly one of client_secret and private_key_file",
        ),
        (
            {"airship__auth": {"oauth": OAUTH | {"private_key_file": "key.pem"}}},
            "airship.auth.oauth: found client_secret and private_key_file, expected exactly one of ",
        ),
        ({"airship__app_key": "A" * 21}, "airship.app_key: found a text of 21 characters, expected 22 letters, "),
        ({"airship__app_key": "A" * 21 + "é"}, "airship.app_key: found a text of 22 characters, expected 22 letters, "),
        (
            {"airship__base_url": "http://127.0.0.1:1", "airship__region": "us"},
            "airship.base_url: found beside region, expected one of them",
        ),
        (
            {"airship__base_url": "http://127.0.0.1:1", "airship__auth": {"oauth": OAUTH}},
            "airship.token_url: missing; with base_url and oauth it is expected: where tokens are issued",
        ),
        ({"airship__token_url": "http://127.0.0.1:1"}, "airship.token_url: has no effect without airship.auth.oauth"),
        ({"airship__base_url": "127.0.0.1:1"}, "airship.base_url: found no address, expected one such as https://"),
        ({"airship__base_url": "http://a:0"}, "airship.base_url: found no address"),
        ({"airship__base_url": "http://me@a"}, "airship.base_url: found a user in the address"),
        ({"airship__base_url": "http://a/?b"}, "airship.base_url: found `?` or `#` in the address"),
        (
            {"airship__base_url": "http://a/api/custom-events"},
            "airship.base_url: found a path with /api, expected the ",
        ),
        ({"airship__proxy": "proxy:3128"}, "airship.proxy: found no address"),
        # Routes
        ({"routes__0__topics": ...}, "routes[0]: found neither, expected exactly one of topics and topics_pattern"),
        (
            {"routes__0__topics_pattern": "a.*"},
            "routes[0]: found topics and topics_pattern, expected exactly one of topics and topics_pattern",
        ),
        ({"routes__0__topics": ["a b"]}, "routes[0].topics[0]: found no name of a topic"),
        ({"routes__0__topics": ["a", ".."]}, "routes[0].topics[1]: found no name of a topic"),
        ({"routes__0__topics": ["a" * 250]}, "routes[0].topics[0]: found no name of a topic"),
        ({"routes__0__topics": ["a", "a"]}, "routes[0].topics[1]: found a for the second time in this route"),
        ({"routes": [{"topics_pattern": "("}]}, "routes[0].topics_pattern: found no regular expression: "),
        (
            {"routes": [{"topics": ["a"], "name": "n"}, {"topics": ["b"], "name": "n"}]},
            "routes[1].name: found n for the second time; routes[0] has it",
        ),
        (
            {"routes": [{"topics": ["a", "b"]}, {"topics": ["b"], "when": "x"}]},
            "routes[1]: takes no message: routes[0] stands before it, has the same topics and no `when`",
        ),
        ({"routes": [{"topics_pattern": "x.*"}, {"topics": ["xy"]}]}, "routes[1]: takes no message: routes[0] stands"),
        # Schemas
        (
            {"routes__0__format": "avro"},
            "routes[0].format: found avro without a schema_registry, expected one with url or directory",
        ),
        (
            {"schema_registry": REGISTRY | {"directory": "a"}},
            "schema_registry: found url and directory, expected one of",
        ),
        (
            {"schema_registry": {}},
            "schema_registry: found no source of schemas, expected url, directory or glue_region",
        ),
        (
            {"schema_registry": REGISTRY | {"username": "me"}},
            "schema_registry.username: found without password, expected both",
        ),
        (
            {"schema_registry": REGISTRY | {"key_file": "k"}},
            "schema_registry.key_file: found without certificate_file, expected both",
        ),
        (
            {"schema_registry": REGISTRY | {"username": "me", "password": "p", "bearer_token": "t"}},
            "schema_registry: found username and bearer_token, expected one way to authenticate",
        ),
        (
            {"schema_registry": {"directory": "a", "bearer_token": "t"}},
            "schema_registry.bearer_token: has no effect without schema_registry.url",
        ),
        ({"schema_registry": {"url": "http://a, b:8081"}}, "schema_registry.url: found no address"),
        # Kafka
        ({"kafka__bootstrap_servers": "a:1,:2"}, "kafka.bootstrap_servers: found a server that is not host:port"),
        ({"kafka__bootstrap_servers": "a:99999"}, "kafka.bootstrap_servers: found a server that is not host:port"),
        ({"kafka__bootstrap_servers": "a:1/b"}, "kafka.bootstrap_servers: found a server that is not host:port"),
        (
            {"kafka__group_protocol": "consumer", "kafka__session_timeout_ms": 15_000},
            "kafka.session_timeout_ms: has no effect with group_protocol: consumer; expected the broker's ",
        ),
        (
            {"kafka__max_poll_interval_ms": 10_000},
            "kafka.max_poll_interval_ms: found 10000, expected at least session_timeout_ms (15000)",
        ),
        # Delivery
        (
            {"delivery__retry": {"initial_ms": 500, "max_ms": 499}},
            "delivery.retry.initial_ms: found 500, expected at most max_ms (499)",
        ),
        (
            {"delivery__retry": {"initial_ms": 30_001}},
            "delivery.retry.initial_ms: found 30001, expected at most max_ms",
        ),
        (
            {"delivery__window": {"bytes_max": "2MiB"}},
            "delivery.window.bytes_max: found 2MiB, expected at least a batch, delivery.batch.bytes_max (4MiB)",
        ),
        (
            {"validation": {"value_min": 2, "value_max": 1}},
            "validation.value_min: found 2, expected at most value_max (1)",
        ),
        # Dead letters
        (
            {"dead_letters__topic": "orders"},
            "dead_letters.topic: becomes orders, which routes[0] reads: dead letters would come back; expected another",
        ),
        (
            {
                "dead_letters__topic": "{topic}.{group}",
                "routes": [{"topics": ["a"]}, {"topics": ["a.airship-connector"]}],
            },
            "dead_letters.topic: becomes a.airship-connector, which routes[1] reads",
        ),
        (
            {"routes": [{"topics_pattern": "[^_].*"}]},
            "dead_letters.topic: becomes airship-connector.dlq, which the pattern of routes[0] reads",
        ),
        ({"dead_letters__topic": "{tpoic}.dlq"}, "dead_letters.topic: found braces around something else, expected at"),
        ({"dead_letters__topic": "a b"}, "dead_letters.topic: becomes a b, expected the name of a topic"),
        (
            {"dead_letters__topic": "{topic}.dlq", "routes": [{"topics_pattern": "orders"}]},
            "dead_letters.topic: found {topic}, and no route names a topic; expected a name without it",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    (line,) = faults(changed(**values), tmp_path)
    assert line.removeprefix("connector.yaml").removeprefix(":1").removeprefix(": ").startswith(said)


@pytest.mark.parametrize(
    "values",
    [
        {"airship__auth": {"bearer_token_file": "/run/token"}},
        {"airship__auth": {"oauth": OAUTH}},
        {"airship__auth": {"oauth": {"client_id": "id", "private_key_file": "key.pem"}}},
        {"airship__base_url": "http://[::1]:8080/prefix"},
        {
            "airship__base_url": "http://127.0.0.1:1",
            "airship__token_url": "http://127.0.0.1:1/token",
            "airship__auth": {"oauth": OAUTH},
        },
        {"airship__proxy": "http://me:password@proxy:3128"},
        {"kafka__bootstrap_servers": "a:9092, b:9092,[::1]:9092"},
        {"kafka__group_protocol": "consumer"},
        {"kafka__group_protocol": "consumer", "kafka__max_poll_interval_ms": 10_000},
        {"routes__0__format": "avro", "schema_registry": REGISTRY},
        {"routes__0__format": "avro", "schema_registry": {"directory": "schemas"}},
        {"schema_registry": {"url": "http://a:1,http://b:1", "username": "me", "password": "p"}},
        {"schema_registry": {"glue_region": "eu-west-1"}},
        {"routes": [{"topics": ["a"], "when": "x"}, {"topics": ["a"]}]},
        {"routes": [{"topics_pattern": "orders-[0-9]+"}]},
        {"delivery__retry": {"initial_ms": 500, "max_ms": 500}},
        {"dead_letters__topic": "{topic}.{group}.dlq"},
    ],
)
def test_settings_that_go_together_are_taken(values: dict[str, Any], tmp_path: Path) -> None:
    loaded(changed(**values), tmp_path)


def test_a_fault_inside_does_not_hide_what_else_contradicts(tmp_path: Path) -> None:
    """A check runs unless one of the settings that it reads is wrong itself."""
    lines = faults(changed(delivery__retry={"initial_ms": 500, "max_ms": 0}, airship__auth={}), tmp_path)
    assert sorted(line.split(": ")[1] for line in lines) == ["airship.auth", "delivery.retry.max_ms"]


def test_a_property_of_a_wrong_kind_does_not_hide_one_that_is_refused(tmp_path: Path) -> None:
    lines = faults(changed(kafka__properties={"client.rack": ["a"], "enable.auto.commit": True}), tmp_path)
    assert sorted(line.split(": ")[1] for line in lines) == [
        "kafka.properties.client.rack",
        "kafka.properties.enable.auto.commit",
    ]


def test_without_any_source_it_says_which_there_are() -> None:
    with pytest.raises(SettingsError, match="found no settings; name a file with -c or CONNECTOR_CONFIG, or set CONN"):
        load(None, {})
