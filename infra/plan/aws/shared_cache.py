"""Disks: a shared file system for volumes of several replicas, and the class of disks of one pod.

Sources, read 2026-11-25: aws-efs-csi-driver, docs/README.md (parameters of its StorageClass) and its example
dynamic_provisioning; aws-ebs-csi-driver, docs/parameters.md; EFS User Guide, "Using IAM to control access to file
systems" (its condition keys).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.plan.aws.fitting import DISK_CLASS, SHARED_CLASS
from infra.plan.aws.roles import POLICY_VERSION
from infra.plan.aws.scope import Scope

PORT = 2049
"""Of NFS."""
EFS_DRIVER, EBS_DRIVER = "efs.csi.aws.com", "ebs.csi.aws.com"


@dataclass(frozen=True, slots=True)
class FileSystemPlan:
    """The shared file system, with a mount target in each zone."""

    name: str
    port: int
    infrequent: str
    """When a file that nobody reads moves to storage that costs less; the first read brings it back."""
    policy: Mapping[str, Any]
    """Who may mount it, without its own ARN, which is not known before it is made."""
    storage_class: str
    parameters: Mapping[str, str]
    """Of the StorageClass, without the file system's id."""
    tags: Mapping[str, str]
    is_protected: bool


@dataclass(frozen=True, slots=True)
class DiskClassPlan:
    """The StorageClass of disks of one pod."""

    storage_class: str
    parameters: Mapping[str, str]
    """Without the key."""


def plan_file_system(scope: Scope, *, needs_efs: bool) -> FileSystemPlan | None:
    """The shared file system; None where no endpoint with a volume has more than one replica."""
    if not needs_efs:
        return None
    return FileSystemPlan(
        name=scope.named("shared"),
        port=PORT,
        infrequent="AFTER_30_DAYS",
        policy=_policy(scope),
        storage_class=SHARED_CLASS,
        parameters={
            "basePath": "/moorage",
            "directoryPerms": "700",
            "provisioningMode": "efs-ap",
            "subPathPattern": "${.PVC.namespace}/${.PVC.name}",
        },
        tags=scope.tagged("shared"),
        is_protected=scope.is_protected,
    )


def plan_disk_class(scope: Scope) -> DiskClassPlan:
    """The class of every other disk: encrypted gp3, made in the zone of the pod that asks first, and able to grow."""
    tags = {
        f"tagSpecification_{number}": f"{key}={value}"
        for number, (key, value) in enumerate(sorted(scope.tags.items()), 1)
    }
    own = {"csi.storage.k8s.io/fstype": "ext4", "encrypted": "true", "type": "gp3"}
    return DiskClassPlan(DISK_CLASS, dict(sorted({**own, **tags}.items())))


def _policy(scope: Scope) -> dict[str, Any]:
    """Through an access point of this account, in the VPC and by TLS: never the file system's root.

    The driver mounts as nobody in particular, so the callers are bound by the way they come and not by a role; who
    reaches a mount target at all, its security group says.
    """
    points = scope.arn("elasticfilesystem", "access-point/*")
    by_point: dict[str, Any] = {
        "ArnLike": {"elasticfilesystem:AccessPointArn": points},
        "Bool": {"aws:SecureTransport": "true", "elasticfilesystem:AccessedViaMountTarget": "true"},
    }
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Sid": "AccessPointsOnly",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                "Condition": by_point,
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }
