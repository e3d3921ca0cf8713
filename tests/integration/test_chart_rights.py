"""The rights that the chart gives its Strimzi user, in a broker that allows nothing else: the whole job can be done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from connector.airship.sandbox import SandboxOptions, running_sandbox
from tests.chart.rendering import only, rendered, values_of
from tests.integration.events import numbers, records
from tests.support.connector_process import Connector, settings_for
from tests.support.local_kafka import LocalKafka
from tests.support.parts import PartUnavailableError
from tests.support.processes import free_port
from tests.support.topics import Record, produce, read_to_end

_USERS = 'user_strict="s" user_wide="w"'
_LOGIN = f"org.apache.kafka.common.security.plain.PlainLoginModule required {_USERS};"


class StrictKafka(LocalKafka):
    """Who comes without a name may do everything, who signs in only what a rule allows."""

    sasl_servers: str

    def __init__(self) -> None:
        super().__init__(
            {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "sasl.enabled.mechanisms": "PLAIN",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config": _LOGIN,
            }
        )

    def _write_configuration(self, port: int, controller_port: int) -> None:
        super()._write_configuration(port, controller_port)
        self.sasl_servers = f"127.0.0.1:{free_port()}"
        listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},SASL_PLAINTEXT://{self.sasl_servers}"
        protocols = ",".join(
            f"{name}:{name}" if name != "CONTROLLER" else "CONTROLLER:PLAINTEXT"
            for name in ("PLAINTEXT", "CONTROLLER", "SASL_PLAINTEXT")
        )
        with self._configuration.open("a") as file:
            file.write(f"listeners={listeners}\nlistener.security.protocol.map={protocols}\n")


@pytest.fixture(scope="module")
def strict() -> Iterator[StrictKafka]:
    try:
        broker = StrictKafka()
    except PartUnavailableError as reason:
        pytest.skip(f"needs a broker with access control: {reason}")
    with broker:
        yield broker


def grant(broker: StrictKafka, situation: str, user: str) -> None:
    """The rules of the chart's KafkaUser, as Strimzi's user operator makes them."""
    patterns = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
    rules = [
        AclBinding(
            ResourceType[acl["resource"]["type"].upper()],
            acl["resource"]["name"],
            patterns[acl["resource"]["patternType"]],
            f"User:{user}",
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        for acl in only(rendered(situation), "KafkaUser")["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    ]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    for future in admin.create_acls(rules).values():
        future.result(10)


def settings_of(broker: StrictKafka, situation: str, user: str, password: str, base_url: str) -> dict[str, Any]:
    config = values_of(situation)["config"]
    topics = [
        {name: route[name] for name in ("topics", "topics_pattern") if name in route} for route in config["routes"]
    ]
    dead = config.get("dead_letters", {}).get("topic", "airship-connector.dlq")
    settings = settings_for(broker.sasl_servers, config["kafka"]["group_id"], base_url, topics, dead)
    settings["kafka"]["properties"] = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": password,
    }
    return settings


def command(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "connector", *words, "-c", str(file))
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("situation", "user", "password", "topics", "dead"),
    [
        # The chart makes the topic of the dead letters, so the user need not.
        ("strimzi-mtls", "strict", "s", ("orders", "returns"), "airship-connector.dlq"),
        # Topics by prefix; nobody made the topic of the dead letters.
        ("strimzi-scram", "wide", "w", ("shop.orders", "shop.returns"), "shop-to-airship.rejects"),
    ],
)
def test_the_job_needs_no_other_rights(
    strict: StrictKafka,
    tmp_path: Path,
    situation: str,
    user: str,
    password: str,
    topics: tuple[str, str],
    dead: str,
) -> None:
    for topic in topics:
        strict.create_topic(topic, 2)
        produce(strict.bootstrap_servers, topic, [*records(50), Record(b"not json", key=b"bad")])
    if situation == "strimzi-mtls":
        strict.create_topic(dead, 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_of(strict, situation, user, password, sandbox.base_url)
        file = tmp_path / "connector.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        assert command(file, "check").returncode == 3  # nothing is allowed yet
        grant(strict, situation, user)
        with Connector(tmp_path, settings, "--stop-at-end") as connector:
            connector.expect_end(120)
        checked, letters = command(file, "check"), command(file, "dlq", "list", "--json")
        assert sorted(numbers(sandbox.events())) == sorted([*range(50), *range(50)])
    assert len(read_to_end(strict.bootstrap_servers, dead)) == 2
    assert checked.returncode == 0, checked.stdout
    assert "warn" not in checked.stdout
    assert letters.returncode == 0, letters.stderr
    assert '"total": 2' in letters.stdout
