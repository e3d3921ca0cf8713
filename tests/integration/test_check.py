"""`check` against real parts: a cluster with access control, the stand-ins of endpoint and registry, closed ports."""

from __future__ import annotations

import json
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
from tests.support.broker import Broker
from tests.support.connector_process import settings_for
from tests.support.local_kafka import LocalKafka
from tests.support.mock_broker import MockBroker
from tests.support.parts import PartUnavailableError
from tests.support.processes import free_port, wait_until
from tests.support.registry_stub import registry_stub
from tests.support.topics import Topics, committed

AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # Everything is allowed that no rule speaks of: so one rule for somebody else closes a topic for this client.
    "allow.everyone.if.no.acl.found": "true",
    "group.min.session.timeout.ms": "6000",
}


def check(settings: dict[str, Any], folder: Path, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by what was checked."""
    file = folder / "connector.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, "-m", "connector", "check", "-c", str(file), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    findings: dict[str, list[dict[str, str]]] = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        findings.setdefault(finding["check"], []).append(finding)
    return done.returncode, findings


def states(findings: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {name: "+".join(finding["state"] for finding in found) for name, found in findings.items()}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Broker]:
    """A cluster that has an authorizer, with topics and groups that are closed to this client."""
    try:
        broker = LocalKafka(AUTHORIZER)
    except PartUnavailableError as reason:
        pytest.skip(f"needs a broker with access control: {reason}")
    with broker:
        for topic in ("open", "closed", "not-readable", "not-writable"):
            broker.create_topic(topic, 3)
        broker.create_topic("compacted", 1, {"cleanup.policy": "compact", "max.message.bytes": "1000"})
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        mine, other = "User:ANONYMOUS", "User:other"
        rules = [
            rule(ResourceType.TOPIC, "closed", AclOperation.ALL, other),
            rule(ResourceType.TOPIC, "not-readable", AclOperation.WRITE, mine),
            rule(ResourceType.TOPIC, "not-writable", AclOperation.READ, mine),
            rule(ResourceType.GROUP, "closed-group", AclOperation.ALL, other),
            rule(ResourceType.GROUP, "seen-group", AclOperation.DESCRIBE, mine),
        ]
        for future in admin.create_acls(rules).values():
            future.result(10)
        wait_until(lambda: "closed" not in admin.list_topics(timeout=5).topics, 10, "the rules are in force")
        yield broker


def rule(kind: ResourceType, name: str, operation: AclOperation, who: str) -> AclBinding:
    return AclBinding(kind, name, ResourcePatternType.LITERAL, who, "*", operation, AclPermissionType.ALLOW)


def test_all_is_well(guarded: Broker, tmp_path: Path) -> None:
    with running_sandbox(SandboxOptions()) as sandbox, registry_stub() as registry:
        routes = [{"topics": ["open"], "format": "avro"}, {"topics_pattern": "not-wr.*"}]
        settings = settings_for(guarded.bootstrap_servers, "a-group", sandbox.base_url, routes, "letters.dlq")
        settings["schema_registry"] = {"url": registry.url}
        code, findings = check(settings, tmp_path)
        assert states(findings) == dict.fromkeys(findings, "ok")
        assert list(findings) == [
            "settings",
            "broker",
            "topics like not-wr.*",
            "topic open",
            "topic not-writable",
            "dead letters letters.dlq",
            "group a-group",
            "schemas",
            "endpoint",
            "clocks",
        ]
        assert code == 0
        assert sandbox.events() == []
    assert findings["topic open"][0]["found"] == "3 partitions, may be read"
    # It looked, and touched nothing.
    topics = AdminClient({"bootstrap.servers": guarded.bootstrap_servers, "log_level": 0}).list_topics(timeout=5).topics
    assert "letters.dlq" not in topics
    assert committed(guarded.bootstrap_servers, "a-group", "open") == {}


def test_what_is_not_allowed_is_told_with_the_rule_that_is_missing(guarded: Broker, tmp_path: Path) -> None:
    with running_sandbox(SandboxOptions()) as sandbox:
        routes = [{"topics": ["open", "closed", "not-readable", "absent"]}]
        settings = settings_for(guarded.bootstrap_servers, "closed-group", sandbox.base_url, routes, "not-writable")
        code, findings = check(settings, tmp_path)
    assert code == 3
    assert states(findings) == {
        "settings": "ok",
        "broker": "ok",
        "topic open": "ok",
        "topic closed": "fail",
        "topic not-readable": "fail",
        "topic absent": "fail",
        "dead letters not-writable": "fail",
        "group closed-group": "fail",
        "schemas": "skip",
        "endpoint": "ok",
        "clocks": "ok",
    }
    mends = {name: found[0]["mend"] for name, found in findings.items()}
    assert "--operation Read --operation Describe --topic not-readable" in mends["topic not-readable"]
    assert "--operation Write --operation Describe --topic not-writable" in mends["dead letters not-writable"]
    assert "--operation Read --group closed-group" in mends["group closed-group"]
    assert "--create --topic absent" in mends["topic absent"]


def test_limits_of_topics_and_brokers_that_would_stop_the_job(guarded: Broker, tmp_path: Path) -> None:
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            guarded.bootstrap_servers, "seen-group", sandbox.base_url, [{"topics": ["open"]}], "compacted"
        )
        settings["kafka"]["session_timeout_ms"] = 2000
        code, findings = check(settings, tmp_path)
        del settings["kafka"]["session_timeout_ms"]
        settings["kafka"]["group_protocol"] = "consumer"
        settings["dead_letters"] = {"topic": "absent.dlq", "create": False}
        _, others = check(settings, tmp_path)
    assert code == 3
    assert states(findings)["dead letters compacted"] == "ok+fail+warn"
    assert "2000, and the broker takes 6000 to" in findings["session"][0]["found"]
    assert "may not join" in findings["group seen-group"][0]["found"]
    assert "group protocol" not in others
    assert "create is false" in others["dead letters absent.dlq"][0]["found"]


def test_a_broker_that_is_not_there_is_told_and_the_rest_is_checked_all_the_same(tmp_path: Path) -> None:
    with running_sandbox(SandboxOptions(tokens=frozenset({"another"}))) as sandbox:
        settings = settings_for(f"127.0.0.1:{free_port()}", "g", sandbox.base_url, [{"topics": ["t"]}], "d")
        settings["schema_registry"] = {"url": f"http://127.0.0.1:{free_port()}", "timeout_ms": 500}
        code, findings = check(settings, tmp_path, "--timeout", "3")
    assert code == 3
    assert states(findings) == {
        "settings": "ok",
        "broker": "fail",
        "topics": "skip",
        "dead letters": "skip",
        "group": "skip",
        "schemas": "fail",
        "credentials": "fail",
        "clocks": "ok",
    }
    assert "Connection refused" in findings["broker"][0]["found"]
    assert "(401)" in findings["credentials"][0]["found"]
    assert "test-token" not in json.dumps(findings)


def test_a_port_without_tls_and_a_cluster_that_tells_little(tmp_path: Path) -> None:
    with MockBroker() as mock, running_sandbox(SandboxOptions()) as sandbox:
        mock.create_topic("events", 2)
        settings = settings_for(mock.bootstrap_servers, "g", sandbox.base_url, [{"topics": ["events"]}], "dead")
        code, findings = check(settings, tmp_path, "--timeout", "2")
        assert (code, findings["broker"][0]["state"]) == (0, "ok")
        assert "2 partitions; rights unknown" in findings["topic events"][0]["found"]
        settings["kafka"]["properties"] = {"security.protocol": "ssl"}
        code, findings = check(settings, tmp_path, "--timeout", "5")
    assert code == 3
    assert "speaks no TLS" in findings["broker"][0]["mend"]


def test_on_the_broker_of_the_run(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    topic, dead = topics.create("events", 2), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers, topics.unique_name("g"), sandbox.base_url, [{"topics": [topic]}], dead
        )
        code, findings = check(settings, tmp_path, "--timeout", "5")
    assert code == 0
    assert "2 partitions" in findings[f"topic {topic}"][0]["found"]


def test_wrong_settings_end_with_2_before_anything_is_asked(tmp_path: Path) -> None:
    code, findings = check({"kafka": {}}, tmp_path)
    assert (code, findings) == (2, {})
