"""One life of the chart in a real cluster, each test a step of it. live_cluster.py says what the cluster needs."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import helm_python as helm
import pytest

from tests.chart.live_cluster import KAFKA, RELEASE, Namespace, until, values
from tests.chart.rendering import CHART, SITUATIONS, connector, rendered

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster"),
    pytest.mark.timeout(900),
]

CHANGED = {"delivery": {"requests_max": 17}}
WRONG = {"routes": [{"topics": ["orders"], "when": "status = 'paid'"}]}


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"airship-connector-{uuid.uuid4().hex[:8]}")
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_server_takes_every_object(namespace: Namespace, situation: str) -> None:
    served = namespace.served()
    objects = [found for found in rendered(situation) if f"{found['apiVersion']} {found['kind']}" in served]
    here = [{**found, "metadata": {**found["metadata"], "namespace": namespace.name}} for found in objects]
    assert len(here) >= 8
    done = namespace.apply(*here, dry_run=True)
    assert "would violate PodSecurity" not in done.stderr


def test_the_namespace_refuses_a_softer_pod(namespace: Namespace) -> None:
    """Else that the chart's pods are let in would say nothing."""
    (pod,) = (found for found in rendered("plain") if found["kind"] == "Pod")
    soft = {**pod["spec"], "securityContext": {}}
    soft["containers"] = [{**connector(pod["spec"]), "securityContext": {}}]
    metadata = {"name": "soft", "namespace": namespace.name}
    done = namespace.apply({**pod, "metadata": metadata, "spec": soft}, dry_run=True, check=False)
    assert "violates PodSecurity" in done.stderr


def test_it_installs(namespace: Namespace) -> None:
    namespace.helm.install(CHART, RELEASE, values(), wait="hookOnly", timeout=300)
    until(lambda: namespace.settled_pods(namespace.checksum()), "the first pods")
    assert not namespace.get("jobs"), "the check before a release goes when it has passed"


def test_a_change_of_the_settings_replaces_the_pods(namespace: Namespace) -> None:
    before, old = namespace.checksum(), {pod["metadata"]["uid"] for pod in namespace.pods()}
    namespace.helm.upgrade(CHART, RELEASE, values(config=CHANGED), wait="hookOnly", timeout=300)
    assert namespace.checksum() != before
    new = until(lambda: namespace.settled_pods(namespace.checksum()), "pods with the new settings")
    assert not old & {pod["metadata"]["uid"] for pod in new}


def test_wrong_settings_are_refused_and_change_nothing(namespace: Namespace) -> None:
    before, old = namespace.checksum(), {pod["metadata"]["uid"] for pod in namespace.pods()}
    with pytest.raises(helm.HelmError, match=r"pre-upgrade.*settings-check not ready"):
        namespace.helm.upgrade(CHART, RELEASE, values(config=WRONG), wait="hookOnly", timeout=300)
    assert namespace.checksum() == before
    assert {pod["metadata"]["uid"] for pod in namespace.pods()} == old
    (check,) = namespace.get("pods", f"--selector=job-name={RELEASE}-settings-check")
    ended = check["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 2
    assert "routes[0].when" in ended["message"]


def test_it_rolls_back(namespace: Namespace) -> None:
    changed = namespace.checksum()
    namespace.helm.rollback(RELEASE, version=1, wait="hookOnly", timeout=300)
    assert namespace.checksum() != changed
    until(lambda: namespace.settled_pods(namespace.checksum()), "pods with the first settings")


def test_helm_test_tells_what_is_reached(namespace: Namespace) -> None:
    if KAFKA:
        assert "ok    broker" in namespace.helm.test(RELEASE, timeout=120, logs=True)["logs"]
        return
    with pytest.raises(helm.HelmError):
        namespace.helm.test(RELEASE, timeout=120)
    (pod,) = namespace.get("pods", f"--selector=app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=check")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 3
    assert "fail  broker" in ended["message"]


def test_it_leaves_nothing(namespace: Namespace) -> None:
    namespace.helm.uninstall(RELEASE, timeout=120)
    kinds = "deployments,services,serviceaccounts,configmaps,networkpolicies,poddisruptionbudgets"
    left = until(lambda: [namespace.get(kinds)], "what is left")[0]
    # What a failed check said is kept for an hour.
    assert {found["metadata"]["name"] for found in left} <= {f"{RELEASE}-settings-check"}
