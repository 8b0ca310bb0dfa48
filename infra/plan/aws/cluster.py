"""The EKS cluster: who reaches its API and who may do what there, its logs, its add-ons and its own nodes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network
from typing import Any

from infra.plan.aws.eks_addons import EksAddonPlan, plan_eks_addons
from infra.plan.aws.logs import LogGroupPlan, cluster_log_group, log_group
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
SYSTEM = "system"
SERVICE_RANGES = ("172.20.0.0/16", "10.100.0.0/16")
"""What EKS takes for Services, in its order. Source: EKS API, KubernetesNetworkConfigRequest, 2026-11."""
AMI_TYPE = "AL2023_x86_64_STANDARD"
"""Of system nodes: the platform's images are x86_64."""
SYSTEM_DISK_GIB = 50
"""Of a system node: images of the platform and of add-ons."""
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """An IAM role that may do everything in the cluster."""

    name: str
    """Of the resource."""
    principal: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SystemNodesPlan:
    """The nodes of the platform itself."""

    name: str
    """Of the resource."""
    group_name: str
    """With a hash of all that cannot be changed in place: new nodes then come before the old ones go. The fewest are
    among it: EKS refuses to raise them above what it has, which is the autoscaler's."""
    template_name: str
    instance_type: str
    ami_type: str
    min: int
    max: int
    disk_gib: int
    labels: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EksPlan:
    """A cluster of the stack's own."""

    name: str
    region: str
    version: str
    public_cidrs: tuple[str, ...]
    """Who may reach the API server from outside, sorted; empty: it has no public address."""
    service_cidr: str
    log_types: tuple[str, ...]
    logs: LogGroupPlan
    """Made before the cluster: EKS would make one that is kept for ever and not encrypted by the key."""
    admins: tuple[AccessPlan, ...]
    addons: tuple[EksAddonPlan, ...]
    nodes: SystemNodesPlan
    is_protected: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GivenCluster:
    """A cluster that is there, of which nothing is made."""

    name: str
    security_group: str


def plan_eks(scope: Scope, aws: Aws, *, needs_efs: bool) -> EksPlan | GivenCluster:
    """The cluster of a stack.

    Args:
        scope: the stack.
        aws: its account.
        needs_efs: whether a volume is shared.
    """
    cluster = aws.cluster
    if cluster.existing is not None:
        return GivenCluster(cluster.existing.name, cluster.existing.security_group)
    vpc = aws.network.cidr if aws.network.existing is None else aws.network.existing.cidr
    return EksPlan(
        name=scope.cluster,
        region=scope.region,
        version=cluster.version,
        public_cidrs=tuple(sorted(set(cluster.public_cidrs))),
        service_cidr=service_range(vpc),
        log_types=LOG_TYPES,
        logs=log_group(scope, "control-plane", cluster.log_days, group_name=cluster_log_group(scope)),
        admins=tuple(
            AccessPlan(f"admin-{_hash(arn)}", arn, scope.tagged("admin"))
            for arn in sorted(set(cluster.admins))
        ),
        addons=plan_eks_addons(scope, cluster.version, needs_efs=needs_efs),
        nodes=_system_nodes(scope, aws),
        is_protected=scope.is_protected,
        tags=scope.tagged("cluster"),
    )


def service_range(vpc_cidr: str) -> str:
    """The range of Services: the first of EKS's own that the VPC does not use."""
    vpc = IPv4Network(vpc_cidr, strict=False)
    free = (known for known in SERVICE_RANGES if not IPv4Network(known).overlaps(vpc))
    return next(free, SERVICE_RANGES[-1])


def kubeconfig_text(name: str, region: str, endpoint: str, authority: str) -> str:
    """How the cluster is reached: with a token of `aws eks get-token`, so that it holds no secret.

    Args:
        name: of the cluster.
        region: where it is.
        endpoint: address of its API server.
        authority: its certificate authority, in base64.
    """
    user = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
    }
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"certificate-authority-data": authority, "server": endpoint}}
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": user}}],
    }
    return json.dumps(config, sort_keys=True)


def _system_nodes(scope: Scope, aws: Aws) -> SystemNodesPlan:
    nodes, given = aws.cluster.system, aws.network.existing
    subnets = scope.zones if given is None else tuple(sorted(given.private_subnets))
    return SystemNodesPlan(
        name=SYSTEM,
        group_name=f"{SYSTEM}-{_hash(scope.cluster, nodes.instance_type, AMI_TYPE, str(nodes.min), *subnets)}",
        template_name=scope.named(SYSTEM),
        instance_type=nodes.instance_type,
        ami_type=AMI_TYPE,
        min=nodes.min,
        max=nodes.max,
        disk_gib=SYSTEM_DISK_GIB,
        labels={"moorage.dev/nodes": SYSTEM},
        tags=scope.tagged(SYSTEM),
    )


def _hash(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
