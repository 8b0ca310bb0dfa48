"""Cluster Autoscaler: its chart, and what it may do.

Sources, read 2026-11-25: kubernetes/autoscaler, gh-pages/index.yaml (chart 9.59.0 of 2026-07-21), the chart's
values.yaml, cluster-autoscaler/FAQ.md (flags) and cloudprovider/aws (README.md, auto_scaling_groups.go) at 55c37cd;
tags of its releases for the patch of each minor version.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from infra.plan.aws.cluster import SYSTEM
from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.aws.nodes import ManagedGroupPlan
from infra.plan.aws.roles import RolePlan, ServiceAccount, Statement
from infra.plan.aws.scope import Scope
from infra.plan.values import AddonPlan
from infra.spec.stack_aws import Aws

NAMESPACE = "kube-system"
ACCOUNT = "cluster-autoscaler"
IMAGES: Mapping[str, str] = MappingProxyType({"1.34": "v1.34.5", "1.35": "v1.35.2"})
"""Kubernetes version to the release for it: it simulates the scheduler, so the minor versions must be one."""
LEAST_CAP_SECONDS = 600
"""Its own default for what it lets pods take to leave a node."""
SYSTEM_PRIORITY, SPOT_PRIORITY, LAST_PRIORITY = 30, 20, 10


def autoscaler_chart(
    scope: Scope, aws: Aws, groups: tuple[ManagedGroupPlan, ...], grace_seconds: int
) -> AddonPlan:
    """The release; it finds its groups by their tags.

    Args:
        scope: of the stack.
        aws: its settings.
        groups: the managed groups of endpoints.
        grace_seconds: longest that a pod may take to leave.
    """
    return AddonPlan(
        name="cluster-autoscaler",
        namespace=NAMESPACE,
        chart="cluster-autoscaler",
        repository="https://kubernetes.github.io/autoscaler",
        version="9.59.0",
        values={
            "autoDiscovery": {"clusterName": scope.cluster},
            "awsRegion": scope.region,
            "fullnameOverride": "cluster-autoscaler",
            "image": {"tag": IMAGES[aws.cluster.version]},
            "rbac": {"serviceAccount": {"name": ACCOUNT}},
            "replicaCount": 2,
            "resources": {"requests": {"cpu": "50m", "memory": "300Mi"}, "limits": {"memory": "600Mi"}},
            # Not on the nodes that it takes away.
            "affinity": _beside(HARDWARE_LABEL),
            "expanderPriorities": _priorities(groups),
            "extraArgs": _arguments(aws.capacity.idle_minutes, grace_seconds),
        },
    )


def autoscaler_roles(scope: Scope, aws: Aws) -> tuple[RolePlan, ...]:
    """Its role; none where Karpenter adds nodes."""
    if aws.capacity.autoscaler != "cluster-autoscaler":
        return ()
    tags = "aws:ResourceTag/k8s.io/cluster-autoscaler"
    return (
        RolePlan(
            name="autoscaler",
            role_name=scope.named("autoscaler"),
            reason="Adds and removes nodes of this cluster's groups.",
            trust="pods",
            statements=(
                Statement(
                    sid="ReadGroups",
                    reason="Finds groups, their sizes, failed launches and instance types;"
                    " none of these actions knows a resource.",
                    # Of the published policy without launch configurations and instance requirements: no
                    # group of EKS has them.
                    actions=(
                        "autoscaling:DescribeAutoScalingGroups",
                        "autoscaling:DescribeAutoScalingInstances",
                        "autoscaling:DescribeScalingActivities",
                        "ec2:DescribeInstanceTypes",
                        "ec2:DescribeLaunchTemplateVersions",
                    ),
                    resources=("*",),
                ),
                Statement(
                    sid="ReadNodeGroups",
                    reason="Learns labels and taints of a group that had no node yet.",
                    actions=("eks:DescribeNodegroup",),
                    resources=(scope.arn("eks", f"nodegroup/{scope.cluster}/*/*"),),
                ),
                Statement(
                    sid="Resize",
                    reason="Sets the size of this cluster's groups and ends their idle nodes;"
                    " a group's ARN holds an id that AWS makes up, so the tags say which.",
                    actions=(
                        "autoscaling:SetDesiredCapacity",
                        "autoscaling:TerminateInstanceInAutoScalingGroup",
                    ),
                    resources=(scope.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*"),),
                    conditions={
                        "StringEquals": {f"{tags}/enabled": "true", f"{tags}/{scope.cluster}": "owned"}
                    },
                ),
            ),
            service_accounts=(ServiceAccount(NAMESPACE, ACCOUNT),),
        ),
    )


def termination_cap(grace_seconds: int) -> int:
    """Longest that it lets pods take to leave a node, in seconds: never less than what a replica is promised."""
    return max(LEAST_CAP_SECONDS, grace_seconds)


def _arguments(idle_minutes: int, grace_seconds: int) -> dict[str, Any]:
    return {
        # Groups that are alike are one hardware's spot and on-demand ones, and those are not to be bought alike.
        "balance-similar-node-groups": "false",
        "expander": "priority,least-waste",
        "ignore-daemonsets-utilization": "true",
        # A stock-out shows as a failed scaling activity within a minute or two; then the group is left for this long
        # and the next in priority asked. The provision time is for what fails without a word.
        "initial-node-group-backoff-duration": "5m",
        "max-graceful-termination-sec": str(termination_cap(grace_seconds)),
        "max-node-group-backoff-duration": "15m",
        "max-node-provision-time": "10m",
        "node-group-backoff-reset-timeout": "30m",
        # Each group on its own: a node bought for one endpoint must not keep another's idle ones.
        "scale-down-delay-type-local": "true",
        "scale-down-delay-after-add": f"{max(5, idle_minutes)}m",
        "scale-down-unneeded-time": f"{idle_minutes}m",
        # Replicas say themselves that they must not be moved (safe-to-evict); all others may, whatever they hold.
        "skip-nodes-with-local-storage": "false",
        "skip-nodes-with-system-pods": "false",
        "v": "2",
    }


def _priorities(groups: tuple[ManagedGroupPlan, ...]) -> dict[str, list[str]]:
    """Higher is asked first; a group's own name begins that of its Auto Scaling group, between `eks-` and an id.

    Groups of `cpu` have no taint that forbids, so the platform's own pods could call for one: they get system nodes.
    """
    spot = sorted(_pattern(each.group_name) for each in groups if each.capacity == "SPOT")
    return {
        str(LAST_PRIORITY): [".*"],
        **({str(SPOT_PRIORITY): spot} if spot else {}),
        str(SYSTEM_PRIORITY): [rf"^eks-{SYSTEM}-[0-9a-f]{{6}}-.*$"],
    }


def _pattern(group_name: str) -> str:
    return f"^eks-{group_name}-[0-9a-f]{{8}}-.*$"


def _beside(label: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
