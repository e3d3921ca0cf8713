"""The chart rendered by the real Helm, as objects; and what its containers would find on their disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "airship-connector"
SITUATIONS = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
RELEASE = "airship"
NAMESPACE = "messaging"
WORKLOADS = ("Deployment", "StatefulSet")

Object = dict[str, Any]


@cache
def chart() -> helm.Chart:
    return helm.Chart.load(CHART)


def values_of(situation: str) -> dict[str, Any]:
    loaded = yaml.safe_load((CHART / "ci" / f"{situation}-values.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def manifests(values: Mapping[str, Any], *, release: str = RELEASE) -> dict[str, str]:
    """Path of each template to its text. HelmError where Helm, the schema or the chart refuses the values."""
    rendered = chart().render(dict(values), name=release, namespace=NAMESPACE, is_install=True)
    return {path.removeprefix("airship-connector/"): text for path, text in sorted(rendered.items())}


def render(values: Mapping[str, Any], *, release: str = RELEASE) -> list[Object]:
    found: list[Object] = []
    for path, text in manifests(values, release=release).items():
        if not path.endswith("NOTES.txt"):
            found += [document for document in yaml.safe_load_all(text) if document is not None]
    return found


@cache
def _rendered(situation: str) -> list[Object]:
    return render(values_of(situation))


def rendered(situation: str) -> list[Object]:
    """The objects of a file in ci/, rendered once; not to be changed."""
    return _rendered(situation)


def merged(values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Values laid over values as Helm does: sections are joined, the rest is replaced."""
    result = dict(values)
    for name, value in more.items():
        below = result.get(name)
        result[name] = merged(below, **value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [found for found in objects if found["kind"] in kinds]


def only(objects: list[Object], *kinds: str) -> Object:
    (found,) = of_kind(objects, *kinds)
    return found


def workload(objects: list[Object]) -> Object:
    return only(objects, *WORKLOADS)


def pod_specs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Name and spec of every pod that the objects lead to."""
    for found in objects:
        name = f"{found['kind']} {found['metadata']['name']}"
        if found["kind"] == "Pod":
            yield name, found["spec"]
        elif "template" in found.get("spec", {}) and "spec" in found["spec"]["template"]:
            yield name, found["spec"]["template"]["spec"]


def connector(pod: Object) -> Object:
    (container,) = (found for found in pod["containers"] if found["name"] == "connector")
    return dict(container)
