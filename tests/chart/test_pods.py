"""Every pod of the chart: hardened, reachable by probes, given time to drain, placed as the values say."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from connector import app
from connector.settings import Settings
from tests.chart.pod_security import restricted_faults
from tests.chart.rendering import SITUATIONS, connector, merged, only, pod_specs, render, rendered, values_of, workload

PLAIN = values_of("plain")
SECRETS = {"app_key": "0123456789abcdefghij-_", "auth": {"bearer_token": "t"}}


def settings_of(config: dict[str, Any]) -> Settings:
    return Settings.model_validate({**config, "airship": {**config.get("airship", {}), **SECRETS}})


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_pod_passes_the_restricted_standard(situation: str) -> None:
    pods = dict(pod_specs(rendered(situation)))
    assert len(pods) == 3  # the job, the check of the settings, `helm test`
    for name, pod in pods.items():
        assert not restricted_faults(pod), name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("securityContext", "runAsNonRoot"), False),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("containers", 0, "securityContext", "privileged"), True),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}),
        (("containers", 0, "securityContext", "runAsUser"), 0),
        (("containers", 0, "securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("volumes", 0), {"name": "settings", "hostPath": {"path": "/"}}),
        (("hostNetwork",), True),
    ],
)
def test_a_softer_pod_would_be_noticed(path: tuple[str | int, ...], value: object) -> None:
    pod = copy.deepcopy(workload(rendered("plain"))["spec"]["template"]["spec"])
    del pod["containers"][0]["securityContext"]["runAsNonRoot"]
    node: Any = pod
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert restricted_faults(pod)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_nobody_can_write_and_nobody_talks_to_the_api_server(situation: str) -> None:
    for name, pod in pod_specs(rendered(situation)):
        security = connector(pod)["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, name
        ids = (security.get("runAsUser"), security.get("runAsGroup"), pod["securityContext"].get("fsGroup"))
        # OpenShift refuses ids that are not the namespace's own.
        assert ids == ((None,) * 3 if situation == "openshift" else (65532,) * 3)
        assert pod["automountServiceAccountToken"] is False, name
        assert all(mount.get("readOnly") for mount in connector(pod)["volumeMounts"]), name


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_grace_period_exceeds_the_drain(situation: str) -> None:
    pod = workload(rendered(situation))["spec"]["template"]["spec"]
    drain = settings_of(values_of(situation)["config"]).drain_seconds
    assert pod["terminationGracePeriodSeconds"] == math.ceil(drain) + 30


def test_there_is_time_to_close_after_the_drain() -> None:
    """Dead letters, sender, admin pages, HTTP thread and telemetry, each with its deadline."""
    assert 5 * app._CLOSE_SECONDS < 30


@pytest.mark.parametrize(
    "config",
    [
        {"delivery": {"drain_ms": 0}},
        {"delivery": {"drain_ms": 4001}},
        {"delivery": {"drain_ms": 900_000}, "kafka": {"session_timeout_ms": 1_200_000}},
        {"kafka": {"session_timeout_ms": 1_200_000, "max_poll_interval_ms": 45_000}},
        {"kafka": {"group_protocol": "consumer", "session_timeout_ms": 1_200_000}, "delivery": {"drain_ms": 60_000}},
        {"kafka": {"max_poll_interval_ms": 10_000}},
    ],
)
def test_the_drain_is_computed_as_the_program_does(config: dict[str, Any]) -> None:
    values = merged(PLAIN, config=config)
    pod = workload(render(values))["spec"]["template"]["spec"]
    drain = settings_of(values["config"]).drain_seconds
    assert pod["terminationGracePeriodSeconds"] == math.ceil(drain) + 30


def test_the_probes_ask_where_the_program_listens() -> None:
    pod = workload(render(merged(PLAIN, config={"admin": {"port": 9090}})))["spec"]["template"]["spec"]
    container = connector(pod)
    assert container["ports"] == [{"name": "admin", "containerPort": 9090}]
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: (probe["path"], probe["port"]) for name, probe in paths.items()} == {
        "startupProbe": ("/livez", "admin"),
        "livenessProbe": ("/livez", "admin"),
        "readinessProbe": ("/readyz", "admin"),
    }


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "a" * 64
    for image, expected in (
        ({}, "airship-connector:0.1.0"),
        ({"repository": "r:5000/a", "tag": "edge"}, "r:5000/a:edge"),
        ({"repository": "r:5000/a", "tag": "edge", "digest": digest}, f"r:5000/a@{digest}"),
    ):
        images = {connector(pod)["image"] for _, pod in pod_specs(render(merged(PLAIN, image=image)))}
        assert images == {expected}


def test_pods_are_spread_by_their_own_selector_unless_another_is_named() -> None:
    own = {"matchLabels": {"app": "mine"}}
    constraint = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    objects = render(merged(PLAIN, topologySpreadConstraints=[constraint, {**constraint, "labelSelector": own}]))
    spec = workload(objects)["spec"]
    constraints = spec["template"]["spec"]["topologySpreadConstraints"]
    assert [found["labelSelector"] for found in constraints] == [spec["selector"], own]
    assert [found.get("matchLabelKeys") for found in constraints] == [["pod-template-hash"], None]
    # the pods of a StatefulSet have no such label
    static = workload(rendered("static-membership"))["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert all("matchLabelKeys" not in found for found in static)


def test_what_is_added_is_in_the_pod() -> None:
    volume = {"name": "more", "configMap": {"name": "more"}}
    mount = {"name": "more", "mountPath": "/more", "readOnly": True}
    added = {
        "extraEnv": [{"name": "A", "value": "1"}],
        "extraEnvFrom": [{"configMapRef": {"name": "b"}}],
        "extraVolumes": [volume],
        "extraVolumeMounts": [mount],
        "priorityClassName": "high",
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"pool": "events"},
        "imagePullSecrets": [{"name": "mirror"}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
    }
    for name, pod in pod_specs(render(merged(PLAIN, **added))):
        container = connector(pod)
        assert added["extraEnv"][0] in container["env"], name
        assert container["envFrom"] == added["extraEnvFrom"]
        assert mount in container["volumeMounts"]
        assert volume in pod["volumes"]
        for field in ("priorityClassName", "tolerations", "nodeSelector", "imagePullSecrets", "dnsConfig"):
            assert pod[field] == added[field], name


def test_telemetry_names_pod_node_and_workload_and_sends_only_where_told() -> None:
    def environment(situation: str) -> dict[str, Any]:
        env = connector(workload(rendered(situation))["spec"]["template"]["spec"])["env"]
        names = [variable["name"] for variable in env]
        # $(NAME) is replaced only by what stands before
        assert all(names.index(name) < names.index("OTEL_RESOURCE_ATTRIBUTES") for name in ("POD_UID", "NODE_NAME"))
        return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in env}

    quiet, sending = environment("plain"), environment("restricted-pss")
    attributes = dict(pair.split("=") for pair in quiet["OTEL_RESOURCE_ATTRIBUTES"].split(","))
    assert attributes["k8s.pod.name"] == "$(POD_NAME)"
    assert attributes["k8s.deployment.name"] == quiet["OTEL_SERVICE_NAME"] == "airship-airship-connector"
    assert not any(name.startswith("OTEL_EXPORTER") or name.endswith("_EXPORTER") for name in quiet)
    assert sending["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector.observability:4318"
    assert sending["OTEL_EXPORTER_OTLP_HEADERS"] == {"secretKeyRef": {"name": "otel", "key": "headers"}}
    assert (sending["OTEL_TRACES_EXPORTER"], sending["OTEL_METRICS_EXPORTER"]) == ("otlp", "otlp")
    assert "deployment.environment.name=production" in sending["OTEL_RESOURCE_ATTRIBUTES"]
    names = environment("static-membership")["OTEL_RESOURCE_ATTRIBUTES"]
    assert "k8s.statefulset.name=airship-airship-connector" in names


def test_a_mesh_can_be_kept_out_of_the_pods_that_have_to_end() -> None:
    said = {"podLabels": {"sidecar.istio.io/inject": "false"}, "podAnnotations": {"linkerd.io/inject": "disabled"}}
    objects = render(merged(PLAIN, hooks=said))
    job, tested = only(objects, "Job")["spec"]["template"]["metadata"], only(objects, "Pod")["metadata"]
    for metadata in (job, tested):
        assert said["podLabels"].items() <= metadata["labels"].items()
        assert said["podAnnotations"].items() <= metadata["annotations"].items()
    assert tested["annotations"]["helm.sh/hook"] == "test"
    assert "sidecar.istio.io/inject" not in workload(objects)["spec"]["template"]["metadata"]["labels"]


def test_static_members_are_called_by_their_pods() -> None:
    found = workload(rendered("static-membership"))
    assert (found["kind"], found["spec"]["serviceName"]) == ("StatefulSet", "airship-airship-connector")
    assert only(rendered("static-membership"), "Service")["metadata"]["name"] == found["spec"]["serviceName"]
    # a StatefulSet needs it
    assert only(render(merged(values_of("static-membership"), service={"enabled": False})), "Service")
    env = connector(found["spec"]["template"]["spec"])["env"]
    assert {
        "name": "CONNECTOR__KAFKA__GROUP_INSTANCE_ID",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    } in env
    # The others join no group; with a member's name they would throw it out.
    for name, pod in pod_specs(rendered("static-membership")):
        if not name.startswith("StatefulSet"):
            assert all("INSTANCE_ID" not in variable["name"] for variable in connector(pod)["env"])
