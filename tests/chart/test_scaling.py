"""Replicas, autoscalers, disruption budgets: each has one owner and means the right pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import (
    SITUATIONS,
    connector,
    merged,
    of_kind,
    only,
    render,
    rendered,
    values_of,
    workload,
)

PLAIN = values_of("plain")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_replicas_have_one_owner(situation: str) -> None:
    objects = rendered(situation)
    scalers = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    found = workload(objects)
    assert ("replicas" in found["spec"]) == (not scalers)
    assert len(scalers) <= 1
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == (found["kind"], found["metadata"]["name"])
        assert target["apiVersion"] == found["apiVersion"]


def test_static_members_can_be_scaled_too() -> None:
    objects = render(merged(values_of("static-membership"), autoscaling={"enabled": True}))
    assert "replicas" not in only(objects, "StatefulSet")["spec"]
    assert only(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"


def test_keda_reads_the_lag_of_the_same_group_and_topics() -> None:
    values, spec = values_of("keda"), only(rendered("keda"), "ScaledObject")["spec"]
    kafka = values["config"]["kafka"]
    assert [trigger["metadata"]["topic"] for trigger in spec["triggers"]] == ["orders", "clicks"]
    for trigger in spec["triggers"]:
        said = trigger["metadata"]
        assert all(isinstance(value, str) for value in said.values())  # KEDA takes texts alone
        assert said["bootstrapServers"] == kafka["bootstrap_servers"]
        assert said["consumerGroup"] == kafka["group_id"]
        assert said["offsetResetPolicy"] == kafka["auto_offset_reset"] == "latest"
        assert (said["lagThreshold"], said["activationLagThreshold"]) == ("20000", "100")
        assert (said["sasl"], said["tls"]) == ("scram_sha256", "enable")
        assert (said["allowIdleConsumers"], said["excludePersistentLag"]) == ("false", "true")
        assert (
            trigger["authenticationRef"]["name"] == only(rendered("keda"), "TriggerAuthentication")["metadata"]["name"]
        )
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 24)
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 4}


@pytest.mark.parametrize(
    ("protocol", "mechanism", "tls", "sasl"),
    [
        (None, None, None, None),
        ("ssl", None, "enable", None),
        ("SASL_SSL", "PLAIN", "enable", "plaintext"),
        ("sasl_plaintext", "scram-sha-512", None, "scram_sha512"),
        ("sasl_ssl", "OAUTHBEARER", "enable", "oauthbearer"),
    ],
)
def test_keda_signs_in_as_the_connector_does(
    protocol: str | None, mechanism: str | None, tls: str | None, sasl: str | None
) -> None:
    said = {"security.protocol": protocol, "sasl.mechanism": mechanism}
    properties = {name: value for name, value in said.items() if value}
    values = merged(PLAIN, config={"kafka": {"properties": properties}}, autoscaling={"enabled": True})
    (trigger,) = only(render(merged(values, autoscaling={"keda": {"enabled": True}})), "ScaledObject")["spec"][
        "triggers"
    ]
    assert (trigger["metadata"].get("tls"), trigger["metadata"].get("sasl")) == (tls, sasl)
    assert "authenticationRef" not in trigger


@pytest.mark.parametrize(("reset", "policy"), [(None, "earliest"), ("earliest", "earliest"), ("error", "earliest")])
def test_keda_starts_where_the_group_starts(reset: str | None, policy: str) -> None:
    kafka = {"auto_offset_reset": reset} if reset else {}
    values = merged(PLAIN, config={"kafka": kafka}, autoscaling={"enabled": True, "keda": {"enabled": True}})
    (trigger,) = only(render(values), "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["offsetResetPolicy"] == policy


def test_topics_of_a_pattern_are_those_of_the_group() -> None:
    (trigger,) = only(rendered("strimzi-scram"), "ScaledObject")["spec"]["triggers"]
    assert "topic" not in trigger["metadata"]


def test_keda_signs_in_with_the_user_of_strimzi() -> None:
    objects = rendered("strimzi-scram")
    spec = only(objects, "TriggerAuthentication")["spec"]
    refs = {ref["parameter"]: (ref["name"], ref["key"]) for ref in spec["secretTargetRef"]}
    assert refs == {"ca": ("events-cluster-ca-cert", "ca.crt"), "password": ("shop-to-airship", "password")}
    (name,) = spec["env"]
    container = connector(workload(objects)["spec"]["template"]["spec"])
    assert name["containerName"] == container["name"]
    assert {"name": name["name"], "value": "shop-to-airship"} in container["env"]
    mtls = merged(values_of("strimzi-mtls"), autoscaling={"enabled": True, "keda": {"enabled": True}})
    refs = {ref["parameter"] for ref in only(render(mtls), "TriggerAuthentication")["spec"]["secretTargetRef"]}
    assert refs == {"ca", "cert", "key"}


def test_an_authentication_that_exists_is_used() -> None:
    values = merged(values_of("keda"), autoscaling={"keda": {"authenticationRef": "kafka"}})
    assert not of_kind(render(values), "TriggerAuthentication")
    for trigger in only(render(values), "ScaledObject")["spec"]["triggers"]:
        assert trigger["authenticationRef"] == {"name": "kafka"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_selectors_mean_the_pods_of_the_job_and_no_others(situation: str) -> None:
    objects = rendered(situation)
    found = workload(objects)
    labels = found["spec"]["template"]["metadata"]["labels"]
    others = [
        found.get("spec", {}).get("template", found)["metadata"]["labels"] for found in of_kind(objects, "Job", "Pod")
    ]
    assert len(others) == 2
    for selecting in (found, *of_kind(objects, "PodDisruptionBudget", "ServiceMonitor", "PodMonitor", "Service")):
        selector = selecting["spec"]["selector"]
        wanted = selector if selecting["kind"] == "Service" else selector["matchLabels"]
        target = labels
        if selecting["kind"] == "ServiceMonitor":
            target = only(objects, "Service")["metadata"]["labels"]
        assert wanted.items() <= target.items(), selecting["kind"]
        assert not any(wanted.items() <= other.items() for other in others), selecting["kind"]
    for policy in of_kind(objects, "NetworkPolicy"):  # `helm test` needs the same ways
        wanted = policy["spec"]["podSelector"]["matchLabels"]
        assert all(wanted.items() <= pod.items() for pod in (labels, *others))


def test_the_selector_never_changes() -> None:
    def selector(values: dict[str, Any]) -> Any:
        return workload(render(values))["spec"]["selector"]["matchLabels"]

    expected = {
        "app.kubernetes.io/name": "airship-connector",
        "app.kubernetes.io/instance": "airship",
        "app.kubernetes.io/component": "connector",
    }
    labelled = {"commonLabels": {"team": "a"}, "podLabels": {"app.kubernetes.io/component": "x", "tier": "b"}}
    for values in (*map(values_of, SITUATIONS), merged(PLAIN, **labelled, image={"tag": "9.9.9"})):
        assert selector(values) == expected
    pod = workload(render(merged(PLAIN, **labelled)))["spec"]["template"]["metadata"]["labels"]
    assert expected.items() <= pod.items()
    assert (pod["team"], pod["tier"]) == ("a", "b")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_object_has_the_common_labels(situation: str) -> None:
    for found in rendered(situation):
        if found["metadata"]["name"] == "schemas":
            continue  # the user's own object
        labels = found["metadata"]["labels"]
        assert {"name", "instance", "version", "managed-by", "component", "part-of"} <= {
            name.removeprefix("app.kubernetes.io/") for name in labels
        }
        assert labels["helm.sh/chart"] == "airship-connector-0.1.0"
        assert found["metadata"]["namespace"] == "messaging"


def test_a_disruption_budget_takes_one_of_its_two_forms() -> None:
    plain = only(rendered("plain"), "PodDisruptionBudget")["spec"]
    assert (plain["maxUnavailable"], plain["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    static = only(rendered("static-membership"), "PodDisruptionBudget")["spec"]
    assert static["minAvailable"] == 2
    assert "maxUnavailable" not in static


def test_long_names_fit() -> None:
    objects = render(merged(values_of("gitops"), fullnameOverride=""), release="a" * 53)
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert all(len(name) <= 63 for _, name in names)
    assert len(set(names)) == len(names)


def test_a_release_called_as_the_chart_has_a_short_name() -> None:
    assert workload(render(PLAIN, release="airship-connector"))["metadata"]["name"] == "airship-connector"
    assert workload(render(PLAIN))["metadata"]["name"] == "airship-airship-connector"
