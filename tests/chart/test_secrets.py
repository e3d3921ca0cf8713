"""No secret stands in a value, an object or a variable: all of them are references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import helm_python as helm
import pytest

from connector.configuration.catalogue import catalogue
from connector.configuration.sources import from_secrets
from connector.kafka.property_names import COMMON, CONSUMER_ONLY, PRODUCER_ONLY
from tests.chart.container_disk import APP_KEY
from tests.chart.rendering import (
    CHART,
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
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|APP_KEY|PRIVATE|HEADERS|_PEM|_KEY$")
IS_A_PATH = re.compile(r"_(FILE|LOCATION|DIR)$")


def variables(situation: str) -> Iterator[dict[str, Any]]:
    for _, pod in pod_specs(rendered(situation)):
        for container in pod["containers"]:
            yield from container.get("env", ())


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_secret_is_a_reference(situation: str) -> None:
    assert not of_kind(rendered(situation), "Secret")
    for variable in variables(situation):
        if SECRET_NAME.search(variable["name"]) and not IS_A_PATH.search(variable["name"]):
            assert "secretKeyRef" in variable["valueFrom"], variable["name"]


def test_credentials_are_files_that_only_the_program_can_read() -> None:
    for situation in SITUATIONS:
        for name, pod in pod_specs(rendered(situation)):
            for volume in pod["volumes"]:
                mode = {**volume.get("secret", {}), **volume.get("projected", {})}.get("defaultMode", 0o440)
                assert mode == 0o440, f"{situation}: {name}: {volume['name']}"


def listed(template: str) -> set[str]:
    """The lines of a list in templates/_validate.tpl."""
    text = (CHART / "templates" / "_validate.tpl").read_text()
    return set(
        re.findall(rf'define "airship-connector.{template}" -}}}}\n(.*?)\n{{{{', text, re.DOTALL)[0].splitlines()
    )


def test_every_secret_of_the_settings_is_known_to_the_chart() -> None:
    assert listed("secretSettings") == {setting.name for setting in catalogue().values() if setting.secret}


def test_every_secret_property_of_the_client_is_known_to_the_chart() -> None:
    secret = re.compile(r"password|secret|passphrase|key\.pem$|private\.key\.pem$")
    assert listed("secretProperties") == {
        name for name in COMMON | CONSUMER_ONLY | PRODUCER_ONLY if secret.search(name)
    }


@pytest.mark.parametrize(
    "path",
    [
        "airship.app_key",
        "airship.auth.bearer_token",
        "airship.auth.oauth.client_secret",
        "schema_registry.password",
        "schema_registry.oauth.client_secret",
        "kafka.properties/sasl.password",
        "dead_letters.properties/ssl.key.pem",
    ],
)
def test_a_secret_in_plain_values_is_refused_without_being_told(path: str) -> None:
    sections, _, name = path.partition("/")
    steps = [*sections.split("."), *([name] if name else [])]
    config: Any = "hunter2"
    for step in reversed(steps):
        config = {step: config}
    more = {"airship": {"auth": {"oauth": {"client_id": "c"}}}} if "oauth" in path else {}
    if path.startswith("schema_registry.oauth"):
        config["schema_registry"]["oauth"] |= {"client_id": "c", "token_url": "https://t"}
    with pytest.raises(helm.HelmError, match=re.escape(f"config.{'.'.join(steps)}: found a secret")) as refused:
        render(merged(merged(PLAIN, config=more), config=config))
    assert "hunter2" not in str(refused.value)


def test_a_secret_of_any_setting_arrives_under_its_name(tmp_path: Any) -> None:
    """The files are named as connector/configuration/sources.py reads them."""
    settings = [*listed("secretSettings"), *(f"kafka.properties.{name}" for name in listed("secretProperties"))]
    values = merged(
        PLAIN, secretSettings=[{"setting": name, "secretName": "s", "key": f"k{n}"} for n, name in enumerate(settings)]
    )
    pod = workload(render(values))["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "secrets")
    for source in volume["projected"]["sources"]:
        for item in source["secret"]["items"]:
            (tmp_path / item["path"]).write_text(item["key"])
    read = from_secrets(tmp_path)
    assert not read.faults
    for number, name in enumerate(settings):
        node: Any = read.tree
        section, _, rest = name.partition(".properties.")
        for step in [section, "properties", rest] if rest else name.split("."):
            node = node[step]
        assert node == f"k{number}"


def test_keys_of_the_secret_can_be_named_otherwise() -> None:
    keys = {"appKey": "AIRSHIP_APP_KEY", "bearerToken": "AIRSHIP_TOKEN"}
    pod = workload(render(merged(PLAIN, credentials={"keys": keys})))["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "secrets")
    assert [item["key"] for item in volume["projected"]["sources"][0]["secret"]["items"]] == list(keys.values())


def test_without_a_secret_none_is_mounted() -> None:
    """For credentials that come another way, from an agent that writes files, say."""
    objects = render({**PLAIN, "existingSecret": ""})
    for _, pod in pod_specs(objects):
        assert [volume["name"] for volume in pod["volumes"]] == ["settings"]
        assert all("SECRETS" not in variable["name"] for variable in connector(pod)["env"])


def test_the_stand_in_for_an_external_secret_is_in_the_check_alone() -> None:
    objects = rendered("gitops")
    (holder,) = (found for found in of_kind(objects, "ConfigMap") if "app-key" in found["data"])
    assert holder["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert len(holder["data"]["app-key"]) == len(APP_KEY)
    target = only(objects, "ExternalSecret")["spec"]["target"]["name"]
    for name, pod in pod_specs(objects):
        (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "secrets")
        (source,) = volume["projected"]["sources"]
        if name.startswith("Job"):
            assert source["configMap"]["name"] == holder["metadata"]["name"]
        else:
            assert source["secret"]["name"] == target == "airship-connector-credentials"


@pytest.mark.parametrize(
    ("situation", "keys"),
    [
        ("plain", {"app-key", "bearer-token"}),
        ("static-membership", {"app-key", "client-id", "client-secret"}),
        ("gitops", {"app-key", "client-id", "private-key"}),
    ],
)
def test_only_the_keys_of_the_method_are_asked_for(situation: str, keys: set[str]) -> None:
    pod = workload(rendered(situation))["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "secrets")
    assert {item["key"] for item in volume["projected"]["sources"][0]["secret"]["items"]} == keys
