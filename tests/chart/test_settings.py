"""From `config` to what the program loads: nothing is changed, what is wrong is told before anything is installed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.app import dead_letter_topic
from connector.cli.main import run
from connector.configuration import load
from connector.configuration.sources import from_file
from connector.settings import Settings
from tests.chart import live_cluster
from tests.chart.container_disk import APP_KEY, Cluster, MissingSecretError
from tests.chart.rendering import (
    SITUATIONS,
    connector,
    merged,
    of_kind,
    only,
    pod_specs,
    render,
    rendered,
    values_of,
    workload,
)

PLAIN = values_of("plain")
CHECK = "airship-airship-connector-settings-check"


def settings_maps(values: dict[str, Any]) -> list[dict[str, str]]:
    """`data` of the ConfigMaps with the settings: the release's, and the one of the check before it."""
    return [found["data"] for found in of_kind(render(values), "ConfigMap") if "connector.yaml" in found["data"]]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_settings_are_rendered_as_they_are(situation: str) -> None:
    maps = settings_maps(values_of(situation))
    assert len(maps) == 2
    for held in maps:
        assert yaml.safe_load(held["connector.yaml"]) == values_of(situation)["config"]


SECRETS = "/etc/airship-connector/secrets"
BEARER = {"airship": {"app_key": APP_KEY, "auth": {"bearer_token_file": f"{SECRETS}/bearer-token"}}}
ADDED: dict[str, dict[str, Any]] = {
    "gitops": {
        "airship": {
            "app_key": APP_KEY,
            "auth": {
                "oauth": {
                    "client_id": "airship-connector-credentials/client-id",
                    "private_key_file": f"{SECRETS}/private-key",
                }
            },
        }
    },
    "static-membership": {
        "airship": {
            "app_key": APP_KEY,
            "auth": {"oauth": {"client_id": "airship-oauth/client-id", "client_secret": "airship-oauth/client-secret"}},
        }
    },
    "strimzi-mtls": merged(
        BEARER,
        kafka={
            "properties": {
                "security.protocol": "ssl",
                "ssl.ca.location": "/etc/airship-connector/kafka-ca/ca.crt",
                "ssl.certificate.location": "/etc/airship-connector/kafka-user/user.crt",
                "ssl.key.location": "/etc/airship-connector/kafka-user/user.key",
            }
        },
    ),
    "strimzi-scram": merged(
        BEARER,
        kafka={
            "properties": {
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "shop-to-airship",
                "sasl.password": "shop-to-airship/password",
                "ssl.ca.location": "/etc/airship-connector/kafka-ca/ca.crt",
            }
        },
    ),
    "confluent-cloud": merged(
        BEARER,
        kafka={"properties": {"sasl.password": "confluent-cluster/secret"}},
        schema_registry={"password": "confluent-registry/secret"},
    ),
    "msk-scram": merged(
        BEARER, kafka={"properties": {"sasl.username": "msk/username", "sasl.password": "msk/password"}}
    ),
    "keda": merged(BEARER, kafka={"properties": {"sasl.password": "kafka-user/password"}}),
}
"""What the secrets and the wiring of a situation add to its `config`."""


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_program_loads_config_and_what_the_secrets_add(situation: str, tmp_path: Path) -> None:
    objects = rendered(situation)
    cluster = Cluster(tmp_path, objects)
    loaded = load(None, cluster.environment(workload(objects)["spec"]["template"]["spec"]))
    whole = tmp_path / "whole.yaml"
    added = ADDED.get(situation, BEARER)
    whole.write_text(yaml.safe_dump(cluster.config(merged(values_of(situation)["config"], **added))))
    assert loaded == load(whole, {})


@pytest.mark.parametrize("situation", SITUATIONS)
def test_helm_test_finds_the_same_settings(situation: str, tmp_path: Path) -> None:
    objects = rendered(situation)
    job, tested = workload(objects)["spec"]["template"]["spec"], only(objects, "Pod")["spec"]
    cluster = Cluster(tmp_path, objects)
    assert load(None, cluster.environment(job)) == load(None, cluster.environment(tested))
    assert connector(tested)["args"] == ["check", "--timeout", "10"]


def check_of(
    values: dict[str, Any], directory: Path, monkeypatch: pytest.MonkeyPatch, lacking: set[str] | None = None
) -> int:
    """Runs what the Job before the release runs, with what it finds; the exit code."""
    objects = render(values)
    pod = only(objects, "Job")["spec"]["template"]["spec"]
    hooks = [found for found in objects if "helm.sh/hook" in found["metadata"].get("annotations", {})]
    later = {found["metadata"]["name"] for found in objects if found not in hooks}
    for name in [name for name in os.environ if name.startswith("CONNECTOR_")]:
        monkeypatch.delenv(name)
    for name, value in Cluster(directory, hooks, later | (lacking or set())).environment(pod).items():
        monkeypatch.setenv(name, value)
    return run(connector(pod)["args"])


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_check_before_a_release_passes(
    situation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where what the release itself makes is not there yet."""
    assert check_of(values_of(situation), tmp_path, monkeypatch, {"events-cluster-ca-cert"}) == 0
    assert capsys.readouterr().out.startswith("ok    settings: valid")


def test_the_settings_that_go_into_a_real_cluster_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather told here than by whoever has a cluster."""
    assert check_of(live_cluster.values(), tmp_path, monkeypatch) == 0


def test_the_check_tells_an_expression_with_the_words_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = merged(PLAIN, config={"kafka": {"properties": {"socket.timeout": 5}}})
    values["config"]["routes"][0]["when"] = "status = 'paid'"
    assert check_of(values, tmp_path, monkeypatch) == 2
    told = capsys.readouterr().err
    assert run(["run"]) == 2
    assert capsys.readouterr().err == told
    assert "connector.yaml:" in told
    assert "routes[0].when" in told
    assert "did you mean socket.timeout.ms" in told


@pytest.mark.parametrize(
    ("lacking", "named"), [({"airship"}, "airship.app_key: missing"), ({"registry"}, "schema_registry.username: found")]
)
def test_the_check_tells_a_secret_that_is_not_there(
    lacking: set[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rather than a pod that waits for it without a word."""
    values = merged(
        PLAIN,
        config={"schema_registry": {"url": "http://registry:8081", "username": "me"}},
        secretSettings=[{"setting": "schema_registry.password", "secretName": "registry", "key": "password"}],
    )
    assert check_of(values, tmp_path, monkeypatch, lacking) == 2
    assert named in capsys.readouterr().err
    objects = render(values)
    with pytest.raises(MissingSecretError):
        Cluster(tmp_path, objects, lacking).environment(workload(objects)["spec"]["template"]["spec"])


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"kafka": {"bootstrap_server": "kafka:9092"}}, "'/config/kafka': additional properties 'bootstrap_server'"),
        ({"delivery": {"batch": {"events_max": 101}}}, "'/config/delivery/batch/events_max': maximum"),
        ({"kafka": {"group_protocol": "new"}}, "'/config/kafka/group_protocol': value must be one of"),
        ({"routes": []}, "'/config/routes': minItems"),
        ({"loging": {}}, "'/config': additional properties 'loging'"),
    ],
)
def test_a_typing_error_is_refused_when_it_is_rendered(config: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmError, match=re.escape(told)):
        render(merged(PLAIN, config=config))


def test_a_missing_config_says_what_is_missing() -> None:
    with pytest.raises(helm.HelmError, match=r"'/config': missing propert.*'kafka'"):
        render({})


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(-(2**53), 2**53, allow_nan=False),
    st.sampled_from(
        ["NO", "on", "01234", "1e3", "0x10", "2020-05-02", "~", "null", "${{ a }}", "{{ .Values }}", " a\n", "#", "<&>"]
    ),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8), scalars, max_size=8))
def test_no_value_changes_its_type_or_text_on_the_way(tmp_path: Path, properties: dict[str, Any]) -> None:
    """Helm reads numbers as floats and writes YAML of its own; the program reads scalars as JSON does."""
    values = merged(PLAIN, config={})
    values["config"]["routes"] = [{"topics": ["orders"], "event": {"body": {"name": "n", "properties": properties}}}]
    file = tmp_path / "connector.yaml"
    file.write_text(settings_maps(values)[0]["connector.yaml"], encoding="utf-8")
    assert from_file(file).tree == values["config"]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"dead_letters": {"topic": "{topic}.{group}.rejects"}},
        {"dead_letters": {"topic": "{topic}.dlq"}, "routes": [{"topics_pattern": "a.*"}, {"topics": ["b", "c"]}]},
    ],
)
def test_the_dead_letter_topic_is_named_as_the_program_names_it(config: dict[str, Any]) -> None:
    values = merged(values_of("strimzi-mtls"), config=config, strimzi={"user": {"topicPrefixes": ["a"]}})
    expected = dead_letter_topic(
        Settings.model_validate(merged(values["config"], airship={"app_key": APP_KEY, "auth": {"bearer_token": "t"}}))
    )
    assert only(render(values), "KafkaTopic")["spec"]["topicName"] == expected


def test_a_change_of_the_settings_rolls_the_pods_and_nothing_else_does() -> None:
    def template(values: dict[str, Any]) -> Any:
        return workload(render(values))["spec"]["template"]

    before = template(PLAIN)
    assert template(merged(PLAIN, config={"delivery": {"requests_max": 17}})) != before
    assert template(merged(PLAIN, serviceMonitor={"enabled": True}, networkPolicy={"enabled": True})) == before
    assert {name for name, _ in pod_specs(rendered("plain"))} == {
        "Deployment airship-airship-connector",
        f"Job {CHECK}",
        "Pod airship-airship-connector-check",
    }


def test_the_check_comes_first_and_stays_when_it_failed() -> None:
    for found in (only(rendered("plain"), "Job"), *of_kind(rendered("plain"), "ConfigMap")):
        annotations = found["metadata"].get("annotations", {})
        if found["metadata"]["name"] != CHECK:
            assert "helm.sh/hook" not in annotations
            continue
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    job = only(rendered("plain"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert job["spec"]["backoffLimit"] == 0
    # what a release makes is not there before it
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert not of_kind(render(merged(PLAIN, settingsCheck={"enabled": False})), "Job")
