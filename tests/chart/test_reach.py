"""What the connector may reach and who may reach it; what Prometheus and Grafana get; the rights beside Strimzi."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, manifests, merged, of_kind, only, render, rendered, values_of

PLAIN = values_of("plain")


def egress(values: dict[str, Any]) -> list[tuple[list[int], Any]]:
    """Ports and peers of each rule."""
    spec = only(render(merged(values, networkPolicy={"enabled": True})), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    return [([port["port"] for port in rule["ports"]], rule.get("to")) for rule in spec["egress"]]


def test_by_default_only_dns_brokers_and_airship_are_reached() -> None:
    dns, brokers, airship = egress(PLAIN)
    assert dns[0] == [53, 53]
    assert dns[1][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    assert brokers == ([9092], None)
    assert airship[0] == [443]
    assert airship[1][0]["ipBlock"]["cidr"] == "0.0.0.0/0"
    assert "10.0.0.0/8" in airship[1][0]["ipBlock"]["except"]


@pytest.mark.parametrize(
    ("more", "rule", "ports"),
    [
        ({"config": {"kafka": {"bootstrap_servers": "a:9093, b:9094,SSL://c:9093"}}}, 1, [9093, 9094]),
        ({"config": {"kafka": {"bootstrap_servers": "a"}}}, 1, [9092]),
        ({"config": {"schema_registry": {"url": "http://r:8081/api,https://s"}}}, 2, [8081, 443]),
        ({"config": {"airship": {"proxy": "http://user@proxy:3128"}}}, 2, [3128]),
        ({"config": {"airship": {"base_url": "http://sandbox/x"}}}, 2, [80]),
        ({"telemetry": {"otlp": {"endpoint": "http://collector.o11y:4318"}}}, 3, [4318]),
        ({"networkPolicy": {"kafka": {"ports": [1, 2]}}}, 1, [1, 2]),
    ],
)
def test_ports_are_those_of_the_settings(more: dict[str, Any], rule: int, ports: list[int]) -> None:
    assert egress(merged(PLAIN, **more))[rule][0] == ports


def test_beside_strimzi_the_pods_of_the_cluster_are_reached() -> None:
    _, brokers, registry, _ = egress(values_of("strimzi-mtls"))
    assert brokers == (
        [9093],
        [{"podSelector": {"matchLabels": {"strimzi.io/cluster": "events", "strimzi.io/kind": "Kafka"}}}],
    )
    assert registry == ([8081], [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "schema-registry"}}}])


def test_only_the_admin_port_is_open() -> None:
    spec = only(rendered("restricted-pss"), "NetworkPolicy")["spec"]
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert rule["from"] == values_of("restricted-pss")["networkPolicy"]["ingressFrom"]


def test_metrics_of_a_pod_that_is_not_ready_can_be_asked_for() -> None:
    spec = only(rendered("plain"), "Service")["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)


def acls(situation: str) -> set[tuple[str, str, str, tuple[str, ...]]]:
    user = only(rendered(situation), "KafkaUser")
    assert user["metadata"]["labels"]["strimzi.io/cluster"] == "events"
    return {
        (acl["resource"]["type"], acl["resource"]["name"], acl["resource"]["patternType"], tuple(acl["operations"]))
        for acl in user["spec"]["authorization"]["acls"]
    }


def test_the_strimzi_user_may_do_what_is_needed_and_no_more() -> None:
    read = ("Describe", "Read")
    assert acls("strimzi-mtls") == {
        ("topic", "orders", "literal", read),
        ("topic", "returns", "literal", read),
        ("group", "airship-connector", "literal", read),
        ("topic", "airship-connector.dlq", "literal", (*read, "Write")),
    }
    assert acls("strimzi-scram") == {
        ("topic", "shop.", "prefix", read),
        ("group", "shop-to-airship", "literal", read),
        ("topic", "shop-to-airship.rejects", "literal", ("Create", *read, "Write")),
    }


def test_the_topic_of_the_dead_letters_outlives_the_release() -> None:
    topic = only(rendered("strimzi-mtls"), "KafkaTopic")
    assert topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert topic["spec"]["config"]["cleanup.policy"] == "delete"
    assert topic["spec"]["config"]["retention.ms"] == 14 * 24 * 3600 * 1000
    assert not of_kind(rendered("strimzi-scram"), "KafkaTopic")


def test_the_alerts_are_installed_as_they_are_tested() -> None:
    rules = only(rendered("gitops"), "PrometheusRule")
    assert rules["spec"] == yaml.safe_load((CHART / "files" / "prometheus-rules.yaml").read_text(encoding="utf-8"))
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    extra = {"name": "mine", "rules": [{"alert": "Mine", "expr": "vector(1)", "annotations": {"a": "{{ $value }}"}}]}
    values = merged(values_of("gitops"), prometheusRule={"extraGroups": [extra]})
    assert only(render(values), "PrometheusRule")["spec"]["groups"][-1] == extra


def test_the_dashboard_is_installed_as_it_is_tested() -> None:
    (board,) = (found for found in of_kind(rendered("gitops"), "ConfigMap") if "dashboard" in found["metadata"]["name"])
    (text,) = board["data"].values()
    assert json.loads(text) == json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "Messaging"}


@pytest.mark.parametrize(("kind", "place"), [("serviceMonitor", "endpoints"), ("podMonitor", "podMetricsEndpoints")])
def test_scrapes_ask_the_admin_port(kind: str, place: str) -> None:
    values = merged(PLAIN, **{kind: {"enabled": True, "interval": "15s", "labels": {"release": "p"}}})
    monitor = only(render(values), kind[0].upper() + kind[1:])
    (endpoint,) = monitor["spec"][place]
    assert endpoint == {"port": "admin", "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"}
    assert monitor["metadata"]["labels"]["release"] == "p"


def test_the_notes_say_what_to_look_at_next() -> None:
    def notes(values: dict[str, Any]) -> str:
        return manifests(values)["templates/NOTES.txt"]

    plain = notes(PLAIN)
    for expected in (
        "kubectl -n messaging rollout status deployment/airship-airship-connector",
        "helm -n messaging test airship --logs",
        "port-forward deployment/airship-airship-connector 8080",
        "airship-connector.dlq",
        "serviceMonitor.enabled",
    ):
        assert expected in plain
    assert "WARNING" not in plain
    assert "no credentials are named" in notes({**PLAIN, "existingSecret": ""})
    assert "statefulset/airship-airship-connector" in notes(values_of("static-membership"))
    assert "stand still until the session is over\n(60000 ms)" in notes(values_of("static-membership"))
    assert "Strimzi's user operator" in notes(values_of("strimzi-mtls"))
    assert "serviceMonitor.enabled" not in notes(values_of("gitops"))
