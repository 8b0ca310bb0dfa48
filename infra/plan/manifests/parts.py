"""What many manifests share: metadata, containers' sizes and their security."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.plan.quantities import cpu_text, memory_text
from infra.plan.values import Size
from runtime.wire.cluster import LABEL_ENDPOINT

Manifest = dict[str, Any]

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
SECRETS_HASH = "moorage.dev/secrets-hash"
"""Annotation that changes with the secrets a pod reads, so that exactly those pods roll."""
USER = 65532
"""User of the platform's own image."""
RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
OWN_DISK: Mapping[str, str] = {"limits": "2Gi", "requests": "128Mi"}
"""Of a node's disk; the limit is above the largest scratch volume and kubelet's kept logs together."""
LOST_NODE_SECONDS = 30
"""How long a pod stays on a node that Kubernetes has given up; its own default is five minutes."""
LOST_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
POD_RESTRICTED: Mapping[str, Any] = {
    "runAsGroup": USER,
    "runAsNonRoot": True,
    "runAsUser": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
ROLLING: Mapping[str, Any] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}
"""No pod goes before its successor is ready."""


def labels_of(component: str, endpoint: str | None = None) -> dict[str, str]:
    """Labels of everything of a component, or of an endpoint's part of it."""
    own = {} if endpoint is None else {LABEL_ENDPOINT: endpoint}
    return {COMPONENT_LABEL: component, NAME_LABEL: "moorage", **own}


def metadata(
    name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Name, place and labels of an object."""
    noted = {} if annotations is None else {"annotations": dict(annotations)}
    return {"name": name, "namespace": namespace, "labels": dict(labels), **noted}


def resources_of(size: Size) -> Manifest:
    """Requests and limits of a container."""
    memory = memory_text(size.memory_mib)
    return {
        "limits": {"cpu": cpu_text(size.cpu_limit), "memory": memory},
        "requests": {"cpu": cpu_text(size.cpu), "memory": memory},
    }


def own_resources_of(size: Size) -> Manifest:
    """The same for a container of the platform's own, and its part of the node's disk: logs and scratch files.

    Replicas get none. A limit on one container counts for all that its pod writes, the weights that a model
    downloads too; of a node that is full, kubelet takes the pod that wrote most beyond its request.
    """
    sizes = resources_of(size)
    return {key: {**sizes[key], "ephemeral-storage": own} for key, own in OWN_DISK.items()}


def variables(given: Iterable[tuple[str, str]]) -> list[Manifest]:
    """Environment variables of plain text, sorted."""
    return [{"name": name, "value": value} for name, value in sorted(given)]


def variable_from_secret(variable: str, secret: str, key: str) -> Manifest:
    """An environment variable whose value is in a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def variable_from_pod(variable: str, path: str) -> Manifest:
    """An environment variable that says something of its own pod."""
    return {"name": variable, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def object_keys(secret: str | None) -> list[Manifest]:
    """Keys of the object store; none where it needs none, or gives them by the pod's own identity."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if secret else ()
    return [variable_from_secret(name, secret or "", name) for name in names]


def lost_node_tolerations(given: Iterable[str] = ()) -> list[Manifest]:
    """Have a pod replaced soon when its node is lost: requests wait for it, and a late one changes nothing.

    Args:
        given: keys of taints that are tolerated on somebody's own terms.
    """
    return [
        {
            "effect": "NoExecute",
            "key": key,
            "operator": "Exists",
            "tolerationSeconds": LOST_NODE_SECONDS,
        }
        for key in LOST_NODE_TAINTS
        if key not in set(given)
    ]


def pull_secrets(names: Iterable[str]) -> Manifest:
    """The part of a pod that names its logins to registries; nothing where it needs none."""
    found = [{"name": name} for name in names]
    return {"imagePullSecrets": found} if found else {}


def http_probe(path: str, port: int, *, period: int, failures: int, seconds: int = 2) -> Manifest:
    """A probe of an HTTP path; period and time-out in seconds."""
    return {
        "failureThreshold": failures,
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": seconds,
    }


def disruption_budget(name: str, namespace: str, labels: Mapping[str, str]) -> Manifest:
    """At most one pod may be evicted at a time; one that is broken always may."""
    return {
        "metadata": metadata(name, namespace, labels),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": dict(labels)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def spread(labels: Mapping[str, str]) -> list[Manifest]:
    """Over nodes and zones where there are some, never refusing to start."""
    return [
        {
            "labelSelector": {"matchLabels": dict(labels)},
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
