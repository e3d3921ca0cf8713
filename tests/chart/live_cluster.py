"""The cluster that KUBECONFIG names, by kubectl and by Helm's own library; and what is installed in it.

CLUSTER_IMAGE   the image, `repository:tag` or `repository@sha256:...`, that the cluster can pull;
                else the chart's default, for a cluster that has it already
CLUSTER_KAFKA   host:port of brokers that the cluster's pods reach; without it pods live and never get ready
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import helm_python as helm
import yaml

from tests.chart.container_disk import APP_KEY
from tests.chart.rendering import Object, merged, values_of

RELEASE = "airship-connector"
WAIT_SECONDS = 300.0
KAFKA = os.environ.get("CLUSTER_KAFKA", "")
_IMAGE = os.environ.get("CLUSTER_IMAGE", "")
_COMMAND_SECONDS = 60.0
_REPLICAS = 2

T = TypeVar("T")


class Namespace:
    """One namespace, which enforces the restricted Pod Security Standard."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.helm = helm.Config(kubeconfig_path=os.environ["KUBECONFIG"], namespace=name)

    def make(self) -> None:
        level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": level}})
        secret = {"app-key": APP_KEY, "bearer-token": "any"}
        metadata = {"name": "airship", "namespace": self.name}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret})

    def remove(self) -> None:
        self.helm.close()
        self.kubectl("delete", "namespace", self.name, "--ignore-not-found", "--wait=false")

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--namespace", self.name, *arguments]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done

    def apply(self, *objects: Object, dry_run: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        arguments = ["apply", "--server-side", "--filename", "-", *(["--dry-run=server"] if dry_run else [])]
        return self.kubectl(*arguments, text=yaml.safe_dump_all(objects), check=check)

    def get(self, kind: str, *arguments: str) -> list[Object]:
        """Those of the release, unless arguments select others."""
        selector = arguments or (f"--selector=app.kubernetes.io/instance={RELEASE}",)
        return list(json.loads(self.kubectl("get", kind, *selector, "--output=json").stdout)["items"])

    def served(self) -> set[str]:
        """Kinds that the cluster knows, as `apiVersion Kind`."""
        lines = self.kubectl("api-resources", "--no-headers", "--output=wide").stdout.splitlines()
        found: set[str] = set()
        for line in lines:
            words = line.split()
            place = next(at for at, word in enumerate(words) if word in {"true", "false"})
            found.add(f"{words[place - 1]} {words[place + 1]}")
        return found

    def pods(self) -> list[Object]:
        """Of the job, without those that are on their way out."""
        found = self.get(
            "pods", f"--selector=app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=connector"
        )
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def settled_pods(self, checksum: str) -> list[Object] | None:
        """The pods with these settings, once the rollout has come as far as it can here."""
        pods = self.pods()
        right = [pod for pod in pods if pod["metadata"]["annotations"]["checksum/settings"] == checksum]
        if KAFKA:
            return right if len(right) == len(pods) == _REPLICAS and all(_are(pod, "ready") for pod in right) else None
        # Without brokers no new pod gets ready, so the old ones stay beside it.
        return right if right and all(_are(pod, "started") for pod in right) else None

    def checksum(self) -> str:
        (deployment,) = self.get("deployments")
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"])


def _are(pod: Object, state: str) -> bool:
    """Whether the pod's containers are `started` or `ready`, and were never restarted."""
    containers = pod["status"].get("containerStatuses", [])
    return bool(containers) and all(found.get(state) and not found["restartCount"] for found in containers)


def until(found: Callable[[], T | None], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Asks again and again; AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)


def values(**more: Any) -> dict[str, Any]:
    """The plain situation, for this cluster: it posts to a stand-in for the endpoint that comes with the release."""
    settings = {
        "kafka": {"bootstrap_servers": KAFKA or "127.0.0.1:9", "group_id": "airship-connector-chart-test"},
        "routes": [{"topics_pattern": "airship-connector-chart-test[.].*"}],
    }
    plain = merged(values_of("plain"), config=settings, networkPolicy=_NETWORK, extraObjects=_SANDBOX)
    plain["config"]["airship"] = {"base_url": "http://airship-sandbox:9000"}  # instead of the region
    repository, digest = _IMAGE.partition("@")[::2]
    if _IMAGE and not digest:
        repository, tag = _IMAGE.rsplit(":", 1)
        plain["image"] = {"repository": repository, "tag": tag}
    elif _IMAGE:
        plain["image"] = {"repository": repository, "digest": digest}
    return merged(plain, **more)


_NETWORK = {"enabled": True, "airship": {"to": [{"podSelector": {"matchLabels": {"app": "airship-sandbox"}}}]}}
_SANDBOX = [Path(__file__).with_name("sandbox_objects.yaml").read_text(encoding="utf-8")]
