"""Deployments and pods as the API sends them."""

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
BORN = 1_000_000.0
"""When everything here was made, unless said otherwise: seconds since the epoch."""


def stamp(at: float) -> str:
    """A moment as the API writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_deployment(
    name: str = "embed",
    replicas: int = 0,
    *,
    namespace: str = "moorage-baseline",
    revision: str = "1",
    version: int = 1,
    generation: int = 1,
    observed: int | None = None,
    total: int = 0,
    updated: int | None = None,
    conditions: tuple[Object, ...] = (),
    created_at: float = BORN,
) -> Object:
    """A Deployment; `total` and `updated` are its status's replicas and updatedReplicas."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "labels": {"moorage.dev/endpoint": name},
            "resourceVersion": str(version),
            "generation": generation,
            "creationTimestamp": stamp(created_at),
        },
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"annotations": {"moorage.dev/revision": revision}}},
        },
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": total,
            "updatedReplicas": total if updated is None else updated,
            "conditions": list(conditions),
        },
    }


def make_pod(
    name: str,
    *,
    endpoint: str = "embed",
    namespace: str = "moorage-baseline",
    template: str = "aaaa",
    phase: str = "Running",
    ready: bool = True,
    assigned: bool = True,
    terminating: bool = False,
    cost: int | None = None,
    version: int = 1,
    created_at: float = BORN,
    model: Object | None = None,
    worker: Object | None = None,
    conditions: tuple[Object, ...] = (),
    env: tuple[Object, ...] = (),
    reason: str | None = None,
    message: str | None = None,
) -> Object:
    """A pod; `model` and `worker` are what kubelet says of those containers."""
    metadata: Object = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "labels": {"moorage.dev/endpoint": endpoint, "pod-template-hash": template},
        "resourceVersion": str(version),
        "creationTimestamp": stamp(created_at),
    }
    if cost is not None:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
    if terminating:
        metadata["deletionTimestamp"] = stamp(created_at + 60)
    if model is None and phase == "Running":
        model = {"state": {"running": {"startedAt": stamp(created_at)}}}
    own = [] if any(each["type"] == "Ready" for each in conditions) else [ready_condition(is_ready=ready)]
    status: Object = {
        "phase": phase,
        "conditions": [*own, *conditions],
        "containerStatuses": [] if model is None else [{"name": "model", "restartCount": 0, **model}],
        "initContainerStatuses": [] if worker is None else [{"name": "worker", "restartCount": 0, **worker}],
    }
    if reason:
        status |= {"reason": reason, "message": message or ""}
    spec: Object = {"containers": [{"name": "model", "image": "ghcr.io/acme/embed:1.4", "env": list(env)}]}
    if assigned:
        spec["nodeName"] = "node-1"
    return {"metadata": metadata, "spec": spec, "status": status}


def ready_condition(*, is_ready: bool) -> Object:
    """The condition by which a ReplicaSet tells pods apart."""
    return {"type": "Ready", "status": "True" if is_ready else "False"}
