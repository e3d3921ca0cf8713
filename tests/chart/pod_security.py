"""The restricted Pod Security Standard over a pod's spec (kubernetes.io/docs/concepts/security/pod-security-standards).

The policy of Kubernetes 1.32: what `enforce: restricted` would refuse, one line for each fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SECCOMP = {"RuntimeDefault", "Localhost"}
_APPARMOR = {"RuntimeDefault", "Localhost", None}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", None}


def restricted_faults(pod: Spec) -> list[str]:
    return [*_pod(pod), *(fault for container in _containers(pod) for fault in _container(container, pod))]


def _containers(pod: Spec) -> Iterator[Spec]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _pod(pod: Spec) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is on"
    for volume in pod.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is of kind {kinds}"
    security = pod.get("securityContext", {})
    if security.get("sysctls"):
        yield "sysctls are set"
    if security.get("runAsUser") == 0:
        yield "the pod runs as root"
    yield from _profiles("the pod", security)


def _container(container: Spec, pod: Spec) -> Iterator[str]:
    name = container["name"]
    security = container.get("securityContext", {})
    above = pod.get("securityContext", {})
    if security.get("privileged"):
        yield f"{name} is privileged"
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{name} allows privilege escalation"
    capabilities = security.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield f"{name} drops not all capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name} adds capabilities"
    if security.get("runAsNonRoot", above.get("runAsNonRoot")) is not True:
        yield f"{name} may run as root"
    if security.get("runAsUser") == 0:
        yield f"{name} runs as root"
    if security.get("seccompProfile", above.get("seccompProfile", {})).get("type") not in _SECCOMP:
        yield f"{name} has no seccomp profile"
    if security.get("procMount", "Default") != "Default":
        yield f"{name} unmasks /proc"
    for port in container.get("ports", ()):
        if port.get("hostPort"):
            yield f"{name} takes a port of the host"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if container.get(probe, {}).get("httpGet", {}).get("host"):
            yield f"{name}: {probe} names a host"
    yield from _profiles(name, security)


def _profiles(owner: str, security: Spec) -> Iterator[str]:
    if security.get("seccompProfile", {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield f"{owner} is unconfined by seccomp"
    if security.get("appArmorProfile", {}).get("type") not in _APPARMOR:
        yield f"{owner} is unconfined by AppArmor"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield f"{owner} is a process of the host"
    selinux = security.get("seLinuxOptions", {})
    if selinux.get("type") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield f"{owner} sets SELinux options"
