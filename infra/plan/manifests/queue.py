"""Manifests of the queue's Valkey server: one pod, its journal on a disk, its users in a file."""

import hashlib

from infra.plan.manifests.parts import (
    RESTRICTED,
    Manifest,
    disruption_budget,
    labels_of,
    metadata,
    own_resources_of,
)
from infra.plan.values import QueuePlan
from runtime.wire.cluster import QUEUE_PORT

QUEUE = "queue"
VALKEY_USER = 65533
"""Above all users of hosts, and none of another program's; the server needs no name and no home."""
STOP_SECONDS = 120
"""Grace in which it writes the rest of its journal."""
CONFIG_HASH = "moorage.dev/config-hash"
ORDINARY = "+@all -@admin -@dangerous"
USERS: tuple[tuple[str, str], ...] = (
    ("api", ORDINARY),
    ("gateway", ORDINARY),
    (
        "scaler",
        f"{ORDINARY} +acl|setuser +acl|deluser +acl|save +acl|list +acl|users +acl|getuser +acl|whoami +info",
    ),
)
"""Users of the platform's own programs with their rights; workers' are kept by the scaler."""
# The scaler adds workers' users and saves them; a restart keeps those and takes the others from the Secret.
MERGE_USERS = (
    "umask 077; { cat /users/users.acl; grep '^user worker-' /data/users.acl 2>/dev/null; true; }"
    " > /data/users.acl.new && mv /data/users.acl.new /data/users.acl"
)


def users_text(hashes: dict[str, str]) -> str:
    """Valkey's ACL file of the platform's own users.

    Args:
        hashes: user to the SHA-256 of the password, in hex.
    """
    lines = ["user default off resetkeys resetchannels -@all", "user probe on nopass -@all +ping"]
    lines += [
        f"user {name} on #{hashes[name]} resetchannels &moorage:* ~moorage:* -@all {rights}"
        for name, rights in USERS
    ]
    return "\n".join(lines) + "\n"


def config_text(plan: QueuePlan) -> str:
    """Valkey's configuration: nothing is evicted, everything is journalled."""
    return "\n".join(
        (
            f"port {QUEUE_PORT}",
            "bind * -::*",
            "protected-mode no",
            "dir /data",
            "aclfile /data/users.acl",
            'save ""',
            "appendonly yes",
            f"appendfsync {plan.fsync}",
            f"maxmemory {plan.memory_mib}mb",
            "maxmemory-policy noeviction",
            "maxclients 20000",
            "tcp-keepalive 60",
            "",
        )
    )


def config_map(plan: QueuePlan) -> Manifest:
    """The configuration file."""
    return {
        "metadata": metadata(QUEUE, plan.namespace, labels_of(QUEUE)),
        "data": {"valkey.conf": config_text(plan)},
    }


def secret(plan: QueuePlan) -> Manifest:
    """Metadata of the Secret with users and addresses."""
    return {"metadata": metadata(QUEUE, plan.namespace, labels_of(QUEUE)), "type": "Opaque"}


def service(plan: QueuePlan) -> Manifest:
    """Its one address."""
    return {
        "metadata": metadata(QUEUE, plan.namespace, labels_of(QUEUE), {"pulumi.com/skipAwait": "true"}),
        "spec": {
            "ports": [{"name": "valkey", "port": QUEUE_PORT, "protocol": "TCP", "targetPort": QUEUE_PORT}],
            "selector": labels_of(QUEUE),
            "type": "ClusterIP",
        },
    }


def budget(plan: QueuePlan) -> Manifest:
    """It may be moved: what it holds is on its disk, and everybody waits for it to come back."""
    return disruption_budget(QUEUE, plan.namespace, labels_of(QUEUE))


def service_account(plan: QueuePlan) -> Manifest:
    """An identity without a token."""
    return {
        "metadata": metadata(QUEUE, plan.namespace, labels_of(QUEUE)),
        "automountServiceAccountToken": False,
    }


def stateful_set(plan: QueuePlan) -> Manifest:
    """The server."""
    labels = labels_of(QUEUE)
    chosen = {} if plan.storage_class is None else {"storageClassName": plan.storage_class}
    digest = hashlib.sha256(config_text(plan).encode()).hexdigest()[:16]
    return {
        "metadata": metadata(QUEUE, plan.namespace, labels),
        "spec": {
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "serviceName": QUEUE,
            "template": {
                "metadata": {"annotations": {CONFIG_HASH: digest}, "labels": labels},
                "spec": _pod(plan),
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data", "labels": labels},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": f"{plan.disk_gib}Gi"}},
                        **chosen,
                    },
                }
            ],
        },
    }


def _pod(plan: QueuePlan) -> Manifest:
    ping = {"exec": {"command": ["valkey-cli", "--user", "probe", "--pass", "", "-e", "ping"]}}
    data = {"mountPath": "/data", "name": "data"}
    size = own_resources_of(plan.size)
    return {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": QUEUE,
                "image": plan.image,
                "command": ["valkey-server", "/config/valkey.conf"],
                "livenessProbe": {**ping, "failureThreshold": 6, "periodSeconds": 10, "timeoutSeconds": 5},
                "ports": [{"containerPort": QUEUE_PORT, "name": "valkey", "protocol": "TCP"}],
                "readinessProbe": {**ping, "failureThreshold": 2, "periodSeconds": 2, "timeoutSeconds": 2},
                "resources": size,
                "securityContext": dict(RESTRICTED),
                # A long journal takes its time to load.
                "startupProbe": {**ping, "failureThreshold": 600, "periodSeconds": 1, "timeoutSeconds": 2},
                "volumeMounts": [data, {"mountPath": "/config", "name": "config", "readOnly": True}],
            }
        ],
        "enableServiceLinks": False,
        "initContainers": [
            {
                "name": "users",
                "image": plan.image,
                "command": ["sh", "-ec", MERGE_USERS],
                "resources": size,
                "securityContext": dict(RESTRICTED),
                "volumeMounts": [data, {"mountPath": "/users", "name": "users", "readOnly": True}],
            }
        ],
        "securityContext": {
            "fsGroup": VALKEY_USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "runAsGroup": VALKEY_USER,
            "runAsNonRoot": True,
            "runAsUser": VALKEY_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": QUEUE,
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "volumes": [
            {"name": "config", "configMap": {"defaultMode": 292, "name": QUEUE}},
            {
                "name": "users",
                "secret": {
                    "defaultMode": 288,
                    "items": [{"key": "users.acl", "path": "users.acl"}],
                    "secretName": QUEUE,
                },
            },
        ],
    }
