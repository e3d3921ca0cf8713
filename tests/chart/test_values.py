"""Values: each is known, documented and used; what contradicts itself is refused with what to do, all at once."""

from __future__ import annotations

import json
import re
from typing import Any

import helm_python as helm
import jsonschema
import pytest
import yaml

from connector import __version__
from docs.chart_values import Value, values
from tests.chart.rendering import CHART, SITUATIONS, chart, manifests, merged, render, values_of, workload

PLAIN = values_of("plain")
ROWS = values()
TEMPLATES = {path: path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*.*")}


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(helm.HelmError) as refused:
        render(values)
    return str(refused.value)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"config": {"admin": {"port": 0}}}, "config.admin.port: found 0"),
        ({"config": {"admin": {"host": "127.0.0.1"}}}, "config.admin.host: found 127.0.0.1"),
        ({"config": {"kafka": {"group_instance_id": "one"}}}, "use staticMembership.enabled"),
        (
            {"staticMembership": {"enabled": True}, "config": {"kafka": {"group_protocol": "consumer"}}},
            "expected the classic protocol",
        ),
        ({"terminationGracePeriodSeconds": 8}, "terminationGracePeriodSeconds: found 8, expected more than"),
        ({"autoscaling": {"keda": {"enabled": True}}}, "found true without autoscaling.enabled"),
        ({"autoscaling": {"enabled": True, "minReplicas": 5}}, "found 5, expected at most maxReplicas (4)"),
        ({"autoscaling": {"enabled": True, "minReplicas": 0}}, "only KEDA can wake it from 0"),
        ({"podDisruptionBudget": {"minAvailable": 1}}, "found it beside maxUnavailable"),
        ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "every sample is there twice"),
        ({"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}, "use podMonitor.enabled"),
        ({"externalSecret": {"enabled": True, "data": []}}, "externalSecret.secretStoreRef.name: missing"),
        ({"externalSecret": {"enabled": True}}, "externalSecret.data: missing"),
        ({"strimzi": {"enabled": True}}, "strimzi.clusterName: missing"),
        (
            {
                "strimzi": {"enabled": True, "clusterName": "c"},
                "config": {"routes": [{"topics_pattern": "shop.*"}]},
            },
            "strimzi.user.topicPrefixes: missing",
        ),
        (
            {"strimzi": {"enabled": True, "clusterName": "c", "user": {"name": "airship"}}},
            "which Strimzi would overwrite",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(more: dict[str, Any], told: str) -> None:
    assert told in refusal(merged(PLAIN, **more))


def test_all_faults_are_told_at_once() -> None:
    told = refusal(merged(PLAIN, config={"admin": {"port": 0}}, terminationGracePeriodSeconds=1))
    assert "config.admin.port" in told
    assert "terminationGracePeriodSeconds" in told


def test_a_grace_period_above_the_drain_is_taken() -> None:
    spec = workload(render(merged(PLAIN, terminationGracePeriodSeconds=9)))["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_a_value_that_is_not_known_beside_it_is_refused(row: Value) -> None:
    *sections, name = row.path.split(".")
    misspelt: dict[str, Any] = {name + "s_": row.default}
    for section in reversed(sections):
        misspelt = {section: misspelt}
    assert f"additional properties '{name}s_' not allowed" in refusal(merged(PLAIN, **misspelt))


@pytest.mark.parametrize(
    "more",
    [
        {"replicaCount": "2"},
        {"replicaCount": -1},
        {"image": {"digest": "sha256:123"}},
        {"image": {"repository": ""}},
        {"image": {"pullPolicy": "Sometimes"}},
        {"credentials": {"method": "password"}},
        {"secretSettings": [{"setting": "kafka.properties.sasl.password", "secretName": "s"}]},
        {"secretSettings": [{"setting": "sasl", "secretName": "s", "key": "k"}]},
        {"imagePullSecrets": ["mirror"]},
        {"podLabels": {"a": 1}},
        {"serviceMonitor": {"interval": "30"}},
        {"networkPolicy": {"kafka": {"ports": ["9092"]}}},
        {"strimzi": {"user": {"authentication": "scram"}}},
        {"podDisruptionBudget": {"maxUnavailable": "half"}},
        {"telemetry": {"otlp": {"sampler": "some"}}},
        {"extraEnv": [{"value": "1"}]},
    ],
)
def test_a_wrong_type_is_refused(more: dict[str, Any]) -> None:
    assert "don't meet the specifications of the schema" in refusal(merged(PLAIN, **more))


def test_a_chart_of_charts_can_hand_its_globals_down() -> None:
    render(merged(PLAIN, **{"global": {"imageRegistry": "r"}}))


def test_the_schema_is_of_the_draft_that_helm_reads() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    assert "$defs" not in json.dumps(schema)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_every_value_is_used(row: Value) -> None:
    name = re.escape(row.path.rpartition(".")[2])
    assert any(re.search(rf"\.{name}\b|\"{name}\"", text) for text in TEMPLATES.values()), row.path


def test_every_value_that_is_used_is_there() -> None:
    known = {row.path for row in ROWS}
    sections = {".".join(path.split(".")[:end]) for path in known for end in range(1, path.count(".") + 1)}
    used = {
        path
        for text in TEMPLATES.values()
        for path in re.findall(r"(?:\.Values|\$values)\.([A-Za-z]+(?:\.[A-Za-z]+)*)", text)
    }
    assert len(used) > 40
    for path in used - known - sections:  # deeper into a free value
        assert any(path.startswith(f"{above}.") for above in known), path


def test_nothing_is_asked_of_a_cluster_and_nothing_is_left_to_chance() -> None:
    """So that GitOps renders what is installed, and the same every time."""
    unsteady = re.compile(r"\b(lookup|rand\w+|uuidv4|now|gen[A-Z]\w+|getHostByName|\.Capabilities|htpasswd|bcrypt)\b")
    for path, text in TEMPLATES.items():
        actions = re.findall(r"{{(?!-? ?/\*).*?}}", text, re.DOTALL)
        assert not [action for action in actions if unsteady.search(action)], path
    for situation in SITUATIONS:
        assert manifests(values_of(situation)) == manifests(values_of(situation))


def test_the_chart_is_of_the_program_s_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__


def test_the_package_has_what_a_release_needs_and_no_more() -> None:
    assert {file["name"] for file in chart().files} == {
        ".helmignore",
        "README.md",
        "files/dashboard.json",
        "files/prometheus-rules.yaml",
    }


def test_objects_of_the_user_s_own_are_templates() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n"
    mapping = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}}
    names = {found["metadata"]["name"] for found in render(merged(PLAIN, extraObjects=[text, mapping]))}
    assert names >= {"airship-text", "airship-map"}
