"""Manifests of one endpoint: its record, Deployment, disks, and what lets its pods go one by one."""

import math
from typing import Any

from infra.plan.gpu_nodes import GPU_RESOURCE
from infra.plan.manifests.parts import (
    RESTRICTED,
    Manifest,
    disruption_budget,
    http_probe,
    labels_of,
    lost_node_tolerations,
    metadata,
    object_keys,
    pull_secrets,
    resources_of,
    variable_from_pod,
    variable_from_secret,
    variables,
)
from infra.plan.quantities import memory_text
from infra.plan.values import EndpointPlan, VolumePlan
from runtime.wire.cluster import (
    ANNOTATION_REVISION,
    KEDA_PORT,
    LABEL_EGRESS,
    LABEL_RECORD,
    MODEL_CONTAINER,
    RECORD_KEY,
    WORKER_CONTAINER,
)
from runtime.wire.names import short

START_PERIOD_SECONDS = 2
QUICK_STOP_SECONDS = 10
"""Grace of a model that its own probes end: it is broken, and its request already has an answer."""
STAY = {
    # A node with a replica on it is not taken away under its request: whoever removes nodes must ask it to drain.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}


def record(plan: EndpointPlan) -> Manifest:
    """The ConfigMap that gateway and scaler watch; its change rolls nothing."""
    labels = {**labels_of("record", plan.name), LABEL_RECORD: "endpoint"}
    return {
        "metadata": metadata(plan.record_name, plan.gateway_namespace, labels),
        "data": {RECORD_KEY: plan.record.model_dump_json()},
    }


def deployment(plan: EndpointPlan) -> Manifest:
    """Model and worker. Born with no replica: from then on the scaler alone writes their number."""
    labels = labels_of("replica", plan.name)
    return {
        "metadata": metadata(plan.name, plan.namespace, labels, {"pulumi.com/skipAwait": "true"}),
        "spec": {
            "progressDeadlineSeconds": plan.progress_seconds,
            "replicas": 0,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": plan.max_surge, "maxUnavailable": plan.max_unavailable},
            },
            "template": {
                "metadata": {
                    "annotations": {ANNOTATION_REVISION: plan.record.revision, **STAY},
                    "labels": {**labels, LABEL_EGRESS: plan.egress},
                },
                "spec": _pod(plan),
            },
        },
    }


def budget(plan: EndpointPlan) -> Manifest:
    """Evictions take its replicas one at a time, each after its request."""
    return disruption_budget(plan.name, plan.namespace, labels_of("replica", plan.name))


def claim(plan: EndpointPlan, volume: VolumePlan) -> Manifest:
    """A disk of the endpoint."""
    chosen = {} if volume.storage_class is None else {"storageClassName": volume.storage_class}
    return {
        "metadata": metadata(
            volume.name,
            plan.namespace,
            labels_of("replica", plan.name),
            # Many classes bind a claim only when a pod uses it, and at zero replicas none does.
            {"pulumi.com/skipAwait": "true"},
        ),
        "spec": {
            "accessModes": ["ReadWriteMany" if volume.is_shared else "ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{volume.gib}Gi"}},
            **chosen,
        },
    }


def worker_secret(plan: EndpointPlan) -> Manifest:
    """Metadata of the Secret with the worker's own address of the queue; the value comes from the state."""
    return {
        "metadata": metadata(plan.worker_secret, plan.namespace, labels_of("replica", plan.name)),
        "type": "Opaque",
    }


def scaled_object(plan: EndpointPlan) -> Manifest:
    """KEDA's part: short polls, since it scales to zero on a poll only, and no fallback, which would cut what runs."""
    policy = {
        "stabilizationWindowSeconds": 0,
        "tolerance": "0",
        "policies": [{"type": "Pods", "value": 1000, "periodSeconds": 1}],
    }
    address = f"scaler.{plan.gateway_namespace}.svc:{KEDA_PORT}"
    return {
        "metadata": metadata(plan.name, plan.namespace, labels_of("replica", plan.name)),
        "spec": {
            "advanced": {
                "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": policy, "scaleUp": policy}}
            },
            "cooldownPeriod": 0,
            "initialCooldownPeriod": 0,
            "maxReplicaCount": plan.record.scaling.max,
            "minReplicaCount": plan.record.scaling.min,
            "pollingInterval": 1,
            "scaleTargetRef": {"name": plan.name},
            "triggers": [
                {
                    "type": "external-push",
                    "metricType": "AverageValue",
                    "metadata": {"endpoint": plan.name, "scalerAddress": address},
                }
            ],
        },
    }


def _pod(plan: EndpointPlan) -> Manifest:
    return {
        "automountServiceAccountToken": False,
        "containers": [_model(plan)],
        "enableServiceLinks": False,
        "initContainers": [_worker(plan)],
        "securityContext": _pod_security(plan),
        "serviceAccountName": "replica",
        "terminationGracePeriodSeconds": plan.grace_seconds,
        "volumes": _volumes(plan),
        **_placement(plan),
        **pull_secrets(plan.pull_secrets),
    }


def _model(plan: EndpointPlan) -> Manifest:
    port = plan.worker_port
    grace = {"terminationGracePeriodSeconds": QUICK_STOP_SECONDS}
    starts = math.ceil(plan.record.limits.start_seconds / START_PERIOD_SECONDS)
    size = resources_of(plan.size)
    if plan.gpus:
        size["limits"][GPU_RESOURCE] = str(plan.gpus)
        size["requests"][GPU_RESOURCE] = str(plan.gpus)
    return {
        "name": MODEL_CONTAINER,
        "image": plan.image,
        **({"args": list(plan.arguments)} if plan.arguments else {}),
        "env": [
            *variables(plan.record.env.items()),
            variable_from_pod("OCTOAI_REPLICA_NAME", "metadata.name"),
            *(variable_from_secret(env.variable, env.object_name, "value") for env in plan.secret_env),
        ],
        "lifecycle": {"preStop": {"httpGet": {"path": "/drain", "port": port}}},
        # Every probe asks the worker: a model that infers is healthy although it answers nobody.
        "livenessProbe": http_probe("/live", port, period=2, failures=2, seconds=5) | grace,
        "ports": [{"containerPort": plan.record.port, "name": "http", "protocol": "TCP"}],
        "readinessProbe": http_probe("/ready", port, period=2, failures=2),
        "resources": size,
        "securityContext": _model_security(plan),
        "startupProbe": http_probe("/startup", port, period=START_PERIOD_SECONDS, failures=starts) | grace,
        "volumeMounts": [
            {"mountPath": "/tmp", "name": "tmp"},  # noqa: S108 - the container's own
            *([{"mountPath": "/dev/shm", "name": "shm"}] if plan.gpus else []),  # noqa: S108 - the same
            *(
                {"mountPath": volume.path, "name": short(f"volume-{volume.volume}")}
                for volume in plan.volumes
            ),
        ],
    }


def _worker(plan: EndpointPlan) -> Manifest:
    told = (
        ("MOORAGE_ENDPOINT", plan.name),
        ("MOORAGE_HEALTH", plan.record.health),
        ("MOORAGE_MODEL_URL", f"http://127.0.0.1:{plan.record.port}"),
        ("MOORAGE_OBJECTS", plan.objects),
        ("MOORAGE_PROBE_HOST", "0.0.0.0"),
        ("MOORAGE_PROBE_PORT", str(plan.worker_port)),
        ("MOORAGE_REQUEST_SECONDS", str(plan.record.limits.request_seconds)),
        ("MOORAGE_REVISION", plan.record.revision),
    )
    return {
        "name": WORKER_CONTAINER,
        "image": plan.worker_image,
        "command": ["python", "-m", "runtime.worker"],
        "env": [
            *variables(told),
            variable_from_pod("MOORAGE_REPLICA", "metadata.name"),
            variable_from_secret("MOORAGE_QUEUE_URL", plan.worker_secret, "queue-url"),
            *object_keys(plan.objects_secret),
        ],
        "ports": [{"containerPort": plan.worker_port, "name": "probes", "protocol": "TCP"}],
        "resources": resources_of(plan.worker_size),
        # A sidecar: it starts before the model and is told to end after it.
        "restartPolicy": "Always",
        "securityContext": {**RESTRICTED, "runAsGroup": 65532, "runAsUser": 65532},
        "volumeMounts": [{"mountPath": "/tmp", "name": "worker-tmp"}],  # noqa: S108 - the container's own
    }


def _pod_security(plan: EndpointPlan) -> Manifest:
    own: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if plan.is_restricted:
        own["runAsNonRoot"] = True
    if plan.volumes:
        own |= {"fsGroup": 65532, "fsGroupChangePolicy": "OnRootMismatch"}
    return own


def _model_security(plan: EndpointPlan) -> Manifest:
    """No privilege and no capability; `restricted` takes root and its file system as well."""
    own: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return own | ({"readOnlyRootFilesystem": True, "runAsNonRoot": True} if plan.is_restricted else {})


def _volumes(plan: EndpointPlan) -> list[Manifest]:
    half = memory_text(plan.size.memory_mib // 2)
    shared = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": half}}] if plan.gpus else []
    claims = [
        {"name": short(f"volume-{volume.volume}"), "persistentVolumeClaim": {"claimName": volume.name}}
        for volume in plan.volumes
    ]
    return [
        {"name": "tmp", "emptyDir": {}},
        {"name": "worker-tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        *shared,
        *claims,
    ]


def _placement(plan: EndpointPlan) -> Manifest:
    """On nodes with its hardware."""
    nodes = plan.nodes
    placed: Manifest = {}
    if nodes.selector:
        wanted = [{"key": key, "operator": "In", "values": list(values)} for key, values in nodes.selector]
        terms = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
        placed["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    own = [
        {
            "effect": each.effect,
            "key": each.key,
            **({"operator": "Exists"} if each.value is None else {"operator": "Equal", "value": each.value}),
        }
        for each in nodes.tolerations
    ]
    placed["tolerations"] = [*own, *lost_node_tolerations(each.key for each in nodes.tolerations)]
    if nodes.runtime_class is not None:
        placed["runtimeClassName"] = nodes.runtime_class
    return placed
