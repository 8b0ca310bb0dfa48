"""Manifests of the scaler: two pods of which one leads, and exactly the rights that scaling needs."""

from infra.plan.manifests.gateway import WATCHED
from infra.plan.manifests.parts import (
    POD_RESTRICTED,
    RESTRICTED,
    ROLLING,
    Manifest,
    http_probe,
    labels_of,
    lost_node_tolerations,
    metadata,
    own_resources_of,
    pull_secrets,
    spread,
    variable_from_pod,
    variable_from_secret,
    variables,
)
from infra.plan.values import Plan, ScalerPlan
from runtime.wire.cluster import KEDA_PORT, LEASE, SCALER_PORT

SCALER = "scaler"
STOP_SECONDS = 30


def deployment(plan: Plan) -> Manifest:
    """Its pods; the one that leads hands over when it is told to end."""
    scaler, labels = plan.scaler, labels_of(SCALER)
    return {
        "metadata": metadata(SCALER, scaler.namespace, labels),
        "spec": {
            "replicas": scaler.replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": labels},
            "strategy": dict(ROLLING),
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [_container(scaler)],
                    "enableServiceLinks": False,
                    "securityContext": dict(POD_RESTRICTED),
                    "serviceAccountName": SCALER,
                    "terminationGracePeriodSeconds": STOP_SECONDS,
                    "tolerations": lost_node_tolerations(),
                    "topologySpreadConstraints": spread(labels),
                    **pull_secrets(plan.pull_secrets),
                },
            },
        },
    }


def service(plan: Plan) -> Manifest:
    """Where KEDA asks."""
    return {
        "metadata": metadata(
            SCALER, plan.scaler.namespace, labels_of(SCALER), {"pulumi.com/skipAwait": "true"}
        ),
        "spec": {
            "ports": [{"name": "keda", "port": KEDA_PORT, "protocol": "TCP", "targetPort": KEDA_PORT}],
            "selector": labels_of(SCALER),
            "type": "ClusterIP",
        },
    }


def platform_role(plan: ScalerPlan) -> Manifest:
    """In the platform's namespace: read the records, keep its own Lease."""
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return {
        "metadata": metadata(SCALER, plan.namespace, labels_of(SCALER)),
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": list(WATCHED)},
            # A name cannot be asked for what is not there yet.
            {**lease, "verbs": ["create"]},
            {**lease, "resourceNames": [LEASE], "verbs": ["get", "patch", "update"]},
        ],
    }


def endpoints_role(namespace: str) -> Manifest:
    """In a namespace of endpoints: see why replicas wait, and set how many there are."""
    return {
        "metadata": metadata(SCALER, namespace, labels_of(SCALER)),
        "rules": [
            {"apiGroups": [""], "resources": ["events"], "verbs": list(WATCHED)},
            {"apiGroups": [""], "resources": ["pods"], "verbs": [*WATCHED, "patch"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": list(WATCHED)},
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]},
        ],
    }


def _container(scaler: ScalerPlan) -> Manifest:
    told = (
        ("MOORAGE_ENDPOINT_NAMESPACES", ",".join(scaler.endpoint_namespaces)),
        ("MOORAGE_HOST", "0.0.0.0"),
        ("MOORAGE_KEDA_PORT", str(KEDA_PORT)),
        ("MOORAGE_LEASE", LEASE),
        ("MOORAGE_NAMESPACE", scaler.namespace),
        ("MOORAGE_PORT", str(SCALER_PORT)),
        *(() if scaler.keeps_queue_users else (("MOORAGE_QUEUE_USERS", "managed"),)),
        ("MOORAGE_SCALER", scaler.mode),
    )
    keda = [{"containerPort": KEDA_PORT, "name": "keda", "protocol": "TCP"}]
    return {
        "name": SCALER,
        "image": scaler.image,
        "command": ["python", "-m", "runtime.scaler"],
        "env": [
            *variables(told),
            variable_from_pod("MOORAGE_POD", "metadata.name"),
            variable_from_secret("MOORAGE_QUEUE_URL", "queue", "scaler-url"),
            variable_from_secret("MOORAGE_WORKER_KEY", "queue", "worker-key"),
        ],
        "livenessProbe": http_probe("/healthz", SCALER_PORT, period=10, failures=6, seconds=5),
        "ports": [
            {"containerPort": SCALER_PORT, "name": "metrics", "protocol": "TCP"},
            *(keda if scaler.mode == "keda" else []),
        ],
        "readinessProbe": http_probe("/healthz", SCALER_PORT, period=5, failures=2),
        "resources": own_resources_of(scaler.size),
        "securityContext": dict(RESTRICTED),
        "startupProbe": http_probe("/healthz", SCALER_PORT, period=1, failures=120),
    }
