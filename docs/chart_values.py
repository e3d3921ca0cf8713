"""The chart's reference, from values.yaml: values.schema.json and the table in the chart's README.

A value is documented by the comment before it that begins with `# --`. A mapping with such a comment is one value, free
in what it holds; without one it is a section, whose keys are known. What a default does not tell of a value's type is
in `_SAID`. `config` is the schema of connector.yaml.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from connector.configuration.describe import json_schema

CHART = Path(__file__).parent.parent / "helm" / "airship-connector"

_TEXTS = {"additionalProperties": {"type": "string"}}
_PORTS = {"items": {"type": "integer", "minimum": 1, "maximum": 65535}}
_PEERS = {"items": {"type": "object"}}
_OBJECTS = {"items": {"type": "object"}}
_DURATION = {"pattern": r"^([0-9]+(ms|s|m|h))+$"}
_SECRET_KEY = {"pattern": r"^[-._a-zA-Z0-9]+$"}
_COUNT_OR_SHARE = {"type": ["integer", "string", "null"], "minimum": 0, "pattern": "^[0-9]{1,3}%$"}


def _items(*names: str, **more: dict[str, Any]) -> dict[str, Any]:
    """A list of objects with exactly these texts, and these other keys."""
    properties = {**{name: {"type": "string", "minLength": 1} for name in names}, **more}
    return {
        "items": {
            "type": "object",
            "required": list(properties),
            "additionalProperties": False,
            "properties": properties,
        }
    }


_SAID: dict[str, dict[str, Any]] = {
    "commonLabels": _TEXTS,
    "commonAnnotations": _TEXTS,
    "image.repository": {"minLength": 1},
    "image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "imagePullSecrets": _items("name"),
    "settingsCheck.activeDeadlineSeconds": {"minimum": 1},
    "credentials.method": {"enum": ["bearerToken", "clientSecret", "privateKey"]},
    "credentials.keys.appKey": _SECRET_KEY,
    "credentials.keys.bearerToken": _SECRET_KEY,
    "credentials.keys.clientId": _SECRET_KEY,
    "credentials.keys.clientSecret": _SECRET_KEY,
    "credentials.keys.privateKey": _SECRET_KEY,
    "secretSettings": _items(
        "secretName", "key", setting={"type": "string", "pattern": r"^[a-z_]+(\.[A-Za-z0-9_]+)+$"}
    ),
    "externalSecret.refreshInterval": _DURATION,
    "externalSecret.secretStoreRef.kind": {"enum": ["SecretStore", "ClusterSecretStore"]},
    "externalSecret.data": _items("secretKey", remoteRef={"type": "object", "required": ["key"]}),
    "externalSecret.annotations": _TEXTS,
    "autoscaling.maxReplicas": {"minimum": 1},
    "autoscaling.targetCPUUtilizationPercentage": {"minimum": 1},
    "autoscaling.metrics": _OBJECTS,
    "autoscaling.keda.lagThreshold": {"minimum": 1},
    "autoscaling.keda.pollingInterval": {"minimum": 1},
    "autoscaling.keda.fallback": {
        "properties": {
            "failureThreshold": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer", "minimum": 0},
            "behavior": {"type": "string"},
        },
        "additionalProperties": False,
    },
    "autoscaling.keda.secretTargetRef": _items("parameter", "name", "key"),
    "terminationGracePeriodSeconds": {"type": ["integer", "null"], "minimum": 1},
    "podDisruptionBudget.maxUnavailable": _COUNT_OR_SHARE,
    "podDisruptionBudget.minAvailable": _COUNT_OR_SHARE,
    "podDisruptionBudget.unhealthyPodEvictionPolicy": {"enum": ["AlwaysAllow", "IfHealthyBudget"]},
    "serviceAccount.annotations": _TEXTS,
    "podLabels": _TEXTS,
    "podAnnotations": _TEXTS,
    "workloadAnnotations": _TEXTS,
    "nodeSelector": _TEXTS,
    "tolerations": _OBJECTS,
    "topologySpreadConstraints": {
        "items": {"type": "object", "required": ["maxSkew", "topologyKey", "whenUnsatisfiable"]}
    },
    "extraEnv": {"items": {"type": "object", "required": ["name"]}},
    "extraEnvFrom": _OBJECTS,
    "extraVolumes": {"items": {"type": "object", "required": ["name"]}},
    "extraVolumeMounts": {"items": {"type": "object", "required": ["name", "mountPath"]}},
    "initContainers": {"items": {"type": "object", "required": ["name", "image"]}},
    "extraContainers": {"items": {"type": "object", "required": ["name", "image"]}},
    "extraObjects": {"items": {"type": ["object", "string"]}},
    "service.annotations": _TEXTS,
    **{
        f"{monitor}.{name}": said
        for monitor in ("serviceMonitor", "podMonitor")
        for name, said in {
            "labels": _TEXTS,
            "interval": _DURATION,
            "scrapeTimeout": _DURATION,
            "relabelings": _OBJECTS,
            "metricRelabelings": _OBJECTS,
        }.items()
    },
    "prometheusRule.labels": _TEXTS,
    "prometheusRule.extraGroups": {"items": {"type": "object", "required": ["name", "rules"]}},
    "dashboard.labels": _TEXTS,
    "dashboard.annotations": _TEXTS,
    "telemetry.resourceAttributes": _TEXTS,
    "telemetry.otlp.endpoint": {"pattern": "^(https?://.+)?$"},
    "telemetry.otlp.protocol": {"enum": ["http/protobuf", "grpc"]},
    "telemetry.otlp.metricsIntervalMs": {"minimum": 1000},
    "telemetry.otlp.sampler": {
        "enum": [
            *("always_on", "always_off", "traceidratio"),
            *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
        ]
    },
    "networkPolicy.dns.to": _PEERS,
    "networkPolicy.dns.ports": _PORTS,
    **{f"networkPolicy.{peer}.to": _PEERS for peer in ("kafka", "schemaRegistry", "airship", "collector")},
    **{f"networkPolicy.{peer}.ports": _PORTS for peer in ("kafka", "schemaRegistry", "airship", "collector")},
    "networkPolicy.extraEgress": _OBJECTS,
    "networkPolicy.ingressFrom": _PEERS,
    "strimzi.user.authentication": {"enum": ["tls", "scram-sha-512"]},
    "strimzi.user.topicPrefixes": {"items": {"type": "string", "minLength": 1}},
    "strimzi.user.extraAcls": {"items": {"type": "object", "required": ["resource", "operations"]}},
    "strimzi.deadLetterTopic.partitions": {"minimum": 1},
    "strimzi.deadLetterTopic.replicas": {"minimum": 1},
    "hooks.podLabels": _TEXTS,
    "hooks.podAnnotations": _TEXTS,
    "test.timeoutSeconds": {"minimum": 1, "maximum": 300},
}


class Value(NamedTuple):
    """One row of the table: `path` as in `--set`, and what the comment says."""

    path: str
    default: Any
    meaning: str


def values() -> list[Value]:
    """All values in their order. ValueError where one is not documented."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml: expected a mapping")
    return list(_values(root, yaml.safe_load(text), text.splitlines(), ()))


def _values(node: yaml.MappingNode, tree: Any, lines: list[str], above: tuple[str, ...]) -> list[Value]:
    found: list[Value] = []
    for key, inside in node.value:
        path = (*above, key.value)
        default = tree[key.value]
        meaning = _comment(lines, key.start_mark.line)
        if meaning:
            found.append(Value(".".join(path), default, meaning))
        elif isinstance(inside, yaml.MappingNode) and default:
            found += _values(inside, default, lines, path)
        else:
            raise ValueError(f"values.yaml:{key.start_mark.line + 1}: {'.'.join(path)} has no comment with `# --`")
    return found


def _comment(lines: list[str], line: int) -> str:
    """What stands before this line, from `# --` on."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
        if lines[first].lstrip().startswith("# --"):
            return " ".join(text.lstrip(" #") for text in lines[first:line]).removeprefix("-- ")
    return ""


def schema() -> dict[str, Any]:
    """Draft 7, which Helm reads; everything that is not known is refused."""
    rows = values()
    if unknown := set(_SAID) - {row.path for row in rows}:
        raise ValueError(f"not in values.yaml: {unknown}")
    root = _section()
    # Helm gives it to every chart that is part of another.
    root["properties"]["global"] = {"type": "object", "description": "of the chart that this one is part of"}
    for row in rows:
        node = root
        *sections, name = row.path.split(".")
        for section in sections:
            node = node["properties"].setdefault(section, _section())
        node["properties"][name] = _described(row)
    config, definitions = _config()
    root["properties"]["config"] |= config
    root["required"] = ["config"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from values.yaml by `make docs`; do not edit.",
        "title": "Values of the chart airship-connector",
        **root,
        "definitions": definitions,
    }


def _section() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _described(row: Value) -> dict[str, Any]:
    described: dict[str, Any] = {"description": row.meaning}
    match row.default:
        case bool():
            described["type"] = "boolean"
        case int():
            described |= {"type": "integer", "minimum": 0}
        case str():
            described["type"] = "string"
        case list():
            described["type"] = "array"
        case dict():
            described["type"] = "object"
        case None:
            described["type"] = _SAID[row.path]["type"]
        case _:
            raise TypeError(f"found a default of {type(row.default)} at {row.path}")
    return described | _SAID.get(row.path, {})


def _config() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of the settings, as draft 7 has it, and its definitions."""
    text = json.dumps(json_schema()).replace('"#/$defs/', '"#/definitions/')
    settings: dict[str, Any] = json.loads(text)
    definitions = settings.pop("$defs")
    # What may come from the secret of the credentials.
    settings["required"].remove("airship")
    definitions["OAuthSettings"]["required"].remove("client_id")
    return {key: settings[key] for key in ("additionalProperties", "properties", "required")}, definitions


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


_README = """\
# airship-connector, the chart

Carries events from Kafka to Airship's Custom Events endpoint and loses none. How it is installed beside Strimzi,
Confluent Cloud, Amazon MSK and with GitOps: [docs/deployment.md](../../docs/deployment.md).

    kubectl create secret generic airship --from-literal=app-key=APP_KEY --from-literal=bearer-token=TOKEN
    helm install airship-connector helm/airship-connector --values values.yaml

with a `values.yaml` such as

{example}

Needs Kubernetes {kubernetes}. A typing error in the values, `config` included, is refused when the chart is rendered;
what only the program can see (an expression, a property of librdkafka) is told by a Job before anything is changed.

## Situations

| file in `ci/` | what it is |
|---|---|
{situations}

## Values

Generated from `values.yaml` by `make docs`; do not edit. Lists replace each other, sections are merged.

| value | default | meaning |
|---|---|---|
{rows}
"""


def readme() -> str:
    example = (CHART / "ci" / "plain-values.yaml").read_text(encoding="utf-8")
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    return _README.format(
        example="\n".join(f"    {line}" for line in example.splitlines() if not line.startswith("#")),
        kubernetes=chart["kubeVersion"].removeprefix(">=").removesuffix(".0-0") + " or newer",
        situations="\n".join(f"| `{path.name}` | {_head(path)} |" for path in sorted(CHART.glob("ci/*-values.yaml"))),
        rows="\n".join(
            f"| `{row.path}` | `{json.dumps(row.default, ensure_ascii=False)}` | {row.meaning} |".replace("``", "")
            for row in values()
        ),
    )


def _head(path: Path) -> str:
    """The comment at the head of a file, as one line."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)
