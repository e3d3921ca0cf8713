"""What the chart renders is what the API servers and the operators take."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import jsonschema
import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

from tests.chart.rendering import CHART, SITUATIONS, Object, of_kind, rendered, values_of

OLDEST, NEWEST = "1.27.0", "1.37.0"
MODELS: dict[str, Any] = {
    "PodMonitor": prometheus_operator.PodMonitor,
    "PrometheusRule": prometheus_operator.PrometheusRule,
    "ScaledObject": keda.ScaledObject,
    "ServiceMonitor": prometheus_operator.ServiceMonitor,
    "TriggerAuthentication": keda.TriggerAuthentication,
}
SCHEMAS = {path.stem: path for path in (Path(__file__).parent / "schemas").glob("*.yaml")}


@cache
def schema(kind: str) -> dict[str, Any]:
    return dict(yaml.safe_load(SCHEMAS[kind].read_text()))


def validated(found: Object, version: str) -> None:
    kind = found["kind"]
    if kind in MODELS:
        model = MODELS[kind].model_validate(found)
        # The models leave out what they do not know: whatever is not given back was misspelt.
        again = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert again == {**found, "apiVersion": again["apiVersion"], "kind": kind}
    elif kind in SCHEMAS:
        jsonschema.validate(found, schema(kind), jsonschema.Draft7Validator)
    else:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_object_is_valid(situation: str, version: str) -> None:
    for found in rendered(situation):
        validated(found, version)


def test_the_situations_show_every_kind() -> None:
    kinds = {found["kind"] for situation in SITUATIONS for found in rendered(situation)}
    assert kinds >= {*MODELS, *SCHEMAS, "StatefulSet", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_helm_finds_nothing(situation: str) -> None:
    report = helm.lint(CHART, values_of(situation), strict=True, kube_version=f"v{OLDEST}")
    told = [message for message in report["messages"] if "icon is recommended" not in message["error"]]
    assert not told
    assert not report["errors"]


def test_a_misspelt_field_is_noticed() -> None:
    for kind, path in (
        ("ScaledObject", "pollingIntervall"),
        ("ServiceMonitor", "joblabel"),
        ("KafkaUser", "authentification"),
        ("Deployment", "replica"),
    ):
        (found, *_) = (found for situation in SITUATIONS for found in of_kind(rendered(situation), kind))
        with pytest.raises((AssertionError, jsonschema.ValidationError)):
            validated({**found, "spec": {**found["spec"], path: 1}}, NEWEST)


def test_names_are_short_enough_and_no_object_is_there_twice() -> None:
    for situation in SITUATIONS:
        names = [(found["apiVersion"], found["kind"], found["metadata"]["name"]) for found in rendered(situation)]
        assert len(names) == len(set(names))
        assert all(len(name) <= 63 for _, _, name in names)
