"""Karpenter instead of node groups: its charts, what tells it of interruptions, one class and one pool a hardware.

Sources, read 2026-11-25: aws/karpenter-provider-aws at 1d92708 (v1.14.1, 2026-08-21): the charts' values.yaml,
pkg/apis/crds/{karpenter.k8s.aws_ec2nodeclasses,karpenter.sh_nodepools}.yaml, website/content/en/v1.14
(nodeclasses, nodepools, disruption; CloudFormation of its getting-started). Its matrix has Kubernetes 1.30 to 1.36.
Images: tags of awslabs/amazon-eks-ami (v20260724) and bottlerocket-os/bottlerocket (v1.67.0 of 2026-10-13).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from infra.plan.aws.cold_start import DiskPlan, node_config, node_disks, pull_features
from infra.plan.aws.nodes import ACCELERATOR_LABEL, most_nodes, node_labels, node_taints, takes_spot
from infra.plan.aws.scope import Scope
from infra.plan.values import AddonPlan, NodeGroupPlan
from infra.spec.hardware import CATALOGUE
from infra.spec.stack_aws import Aws

VERSION = "1.14.1"
NAMESPACE = "kube-system"
ACCOUNT = "karpenter"
IMAGES: Mapping[str, str] = MappingProxyType(
    {"al2023": "al2023@v20260724", "bottlerocket": "bottlerocket@v1.67.0"}
)
"""Image to its pinned alias; the alias means the NVIDIA variant on instances with NVIDIA's GPUs."""
LEAVE_SECONDS = 300
"""Beside the longest grace: a pod that must go gets its whole grace at the end of a node's."""
RETENTION_SECONDS = 300
"""How long a word of an interruption is worth reading."""
EVENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "health": ("aws.health", "AWS Health Event"),
        "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
        "reservation": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
        "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
        "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    }
)
"""What it wants to hear of: source and kind of event."""


@dataclass(frozen=True, slots=True)
class EventRulePlan:
    """A rule of EventBridge that passes events to the queue."""

    name: str
    """Of the resource."""
    rule_name: str
    pattern: str
    """JSON."""


@dataclass(frozen=True, slots=True)
class NodePoolPlan:
    """The nodes of one hardware."""

    name: str
    """Of the resource."""
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KarpenterPlan:
    """All of Karpenter but its role."""

    crds: AddonPlan
    """Their own chart: Helm never updates what stands beside a chart's templates."""
    chart: AddonPlan
    queue_name: str
    queue_policy: str
    """JSON."""
    retention_seconds: int
    rules: tuple[EventRulePlan, ...]
    node_class: Mapping[str, Any]
    """Manifest without the nodes' role and the disks' key, which are known only once they are made."""
    node_pools: tuple[NodePoolPlan, ...]
    leave_seconds: int
    """Longest that a pool's nodes may take to go, when it is deleted."""
    admits_nodes: bool
    """Whether its nodes must be let into the cluster: no managed group of the same role has done so."""
    tags: Mapping[str, str]


def plan_karpenter(
    scope: Scope, aws: Aws, groups: tuple[NodeGroupPlan, ...], grace_seconds: int
) -> KarpenterPlan | None:
    """All of it; None where Cluster Autoscaler adds nodes.

    Args:
        scope: of the stack.
        aws: its settings.
        groups: one for each hardware that endpoints name.
        grace_seconds: longest that a pod may take to leave.
    """
    if aws.capacity.autoscaler != "karpenter":
        return None
    rules = tuple(_rule(scope, name) for name in sorted(EVENTS))
    return KarpenterPlan(
        crds=_release("karpenter-crd", {}),
        chart=_release("karpenter", _values(scope, aws)),
        queue_name=queue_name(scope),
        queue_policy=_queue_policy(scope, rules),
        retention_seconds=RETENTION_SECONDS,
        rules=rules,
        node_class=_node_class(scope, aws, groups),
        node_pools=tuple(_node_pool(scope, aws, group, grace_seconds) for group in groups),
        leave_seconds=grace_seconds + 2 * LEAVE_SECONDS,
        admits_nodes=aws.cluster.existing is not None,
        tags=scope.tagged("karpenter"),
    )


def queue_name(scope: Scope) -> str:
    """The queue by which it hears of interruptions."""
    return scope.named("karpenter")


def node_class_spec(plan: KarpenterPlan, role: object, key: object) -> dict[str, Any]:
    """The node class whole.

    Args:
        plan: of Karpenter.
        role: name of the nodes' role.
        key: ARN of the key of their disks.
    """
    spec = plan.node_class["spec"]
    disks = [
        {**disk, "ebs": {**disk["ebs"], **({"kmsKeyID": key} if "encrypted" in disk["ebs"] else {})}}
        for disk in spec["blockDeviceMappings"]
    ]
    return {**spec, "blockDeviceMappings": disks, "role": role}


def _release(name: str, values: Mapping[str, Any]) -> AddonPlan:
    return AddonPlan(
        name=name,
        namespace=NAMESPACE,
        chart=f"oci://public.ecr.aws/karpenter/{name}",
        repository=None,
        version=VERSION,
        values=values,
    )


def _values(scope: Scope, aws: Aws) -> dict[str, Any]:
    return {
        "controller": {
            "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
        },
        "replicas": 2,
        "serviceAccount": {"name": ACCOUNT},
        "settings": {
            "clusterName": scope.cluster,
            "eksControlPlane": True,
            # Of a cluster that is there it is not known whether zones may be left.
            "enableZonalShift": aws.cluster.existing is None,
            "interruptionQueue": queue_name(scope),
        },
    }


def _rule(scope: Scope, name: str) -> EventRulePlan:
    source, kind = EVENTS[name]
    pattern = json.dumps({"detail-type": [kind], "source": [source]}, sort_keys=True)
    return EventRulePlan(name, scope.named(f"karpenter-{name}"), pattern)


def _queue_policy(scope: Scope, rules: tuple[EventRulePlan, ...]) -> str:
    """Only its own rules may write to the queue, and nobody without TLS."""
    queue = scope.arn("sqs", queue_name(scope))
    sources = [scope.arn("events", f"rule/{rule.rule_name}") for rule in rules]
    allow = {
        "Sid": "Events",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
    }
    deny = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}, sort_keys=True)


def _node_class(scope: Scope, aws: Aws, groups: tuple[NodeGroupPlan, ...]) -> dict[str, Any]:
    used = [CATALOGUE[group.hardware] for group in groups]
    choices = [node_disks(hardware, aws.capacity, aws.cold_start) for hardware in used]
    quickest = max(choices, key=lambda disks: disks[-1].iops, default=())
    pull = pull_features(aws.cold_start)
    reserved = sorted(_reservations(aws, groups).values())
    spec: dict[str, Any] = {
        "amiSelectorTerms": [{"alias": IMAGES[aws.capacity.image]}],
        "blockDeviceMappings": [_device(disk) for disk in quickest],
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpProtocolIPv6": "disabled",
            "httpPutResponseHopLimit": 1,
            "httpTokens": "required",
        },
        "securityGroupSelectorTerms": _security_groups(scope, aws),
        "subnetSelectorTerms": _subnets(scope, aws),
        "tags": dict(scope.tags),
        # A snapshot's images would lie hidden below the other disks.
        **({} if aws.cold_start.snapshot else {"instanceStorePolicy": "RAID0"}),
        **({"capacityReservationSelectorTerms": [{"id": each} for each in reserved]} if reserved else {}),
        **({"userData": node_config(pull)} if pull and aws.capacity.image == "al2023" else {}),
    }
    return {"metadata": {"name": scope.name}, "spec": dict(sorted(spec.items()))}


def _device(disk: DiskPlan) -> dict[str, Any]:
    origin: dict[str, Any] = {"encrypted": True} if disk.snapshot is None else {"snapshotID": disk.snapshot}
    ebs = {
        "deleteOnTermination": True,
        "iops": disk.iops,
        "throughput": disk.throughput,
        "volumeSize": f"{disk.gib}Gi",
        "volumeType": "gp3",
        **origin,
    }
    return {"deviceName": disk.device, "ebs": ebs}


def _subnets(scope: Scope, aws: Aws) -> list[dict[str, Any]]:
    existing = aws.network.existing
    if existing is not None:  # nothing in it is tagged
        return [{"id": each} for each in sorted(existing.private_subnets)]
    return [{"tags": {"karpenter.sh/discovery": scope.cluster}}]


def _security_groups(scope: Scope, aws: Aws) -> list[dict[str, Any]]:
    existing = aws.cluster.existing
    if existing is not None:
        return [{"id": existing.security_group}]
    return [{"tags": {"aws:eks:cluster-name": scope.cluster}}]  # EKS's own tag of the cluster's group


def _reservations(aws: Aws, groups: tuple[NodeGroupPlan, ...]) -> dict[str, str]:
    used = {group.hardware for group in groups}
    return {name: found for name, found in aws.capacity.reservations.items() if name in used}


def _node_pool(scope: Scope, aws: Aws, group: NodeGroupPlan, grace_seconds: int) -> NodePoolPlan:
    labels = {key: value for key, value in node_labels(group).items() if key != ACCELERATOR_LABEL}
    taints = [{"effect": each.effect, "key": each.key, "value": each.value} for each in node_taints(group)]
    node = {
        # It would end a node under its requests, whatever they say; new images come by drift.
        "expireAfter": "Never",
        "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": scope.name},
        "requirements": _requirements(aws, group),
        "taints": taints,
        "terminationGracePeriod": f"{grace_seconds + LEAVE_SECONDS}s",
    }
    spec = {
        "disruption": {
            "budgets": [{"nodes": "100%", "reasons": ["Empty"]}, {"nodes": "1", "reasons": ["Drifted"]}],
            "consolidateAfter": f"{aws.capacity.idle_minutes}m",
            "consolidationPolicy": "WhenEmpty",
        },
        "limits": {"nodes": str(most_nodes(group))},
        "template": {"metadata": {"labels": labels}, "spec": node},
    }
    return NodePoolPlan(group.name, {"metadata": {"name": scope.named(group.name)}, "spec": spec})


def _requirements(aws: Aws, group: NodeGroupPlan) -> list[dict[str, Any]]:
    """Karpenter takes what is reserved first, then spot, then on demand, and remembers a stock-out for minutes."""
    reserved = ["reserved"] if group.hardware in aws.capacity.reservations else []
    spot = ["spot"] if takes_spot(aws, group.hardware) else []
    found = {
        "karpenter.sh/capacity-type": ["on-demand", *reserved, *spot],
        "kubernetes.io/arch": ["amd64"],
        "node.kubernetes.io/instance-type": [CATALOGUE[group.hardware].instance_type],
    }
    return [{"key": key, "operator": "In", "values": values} for key, values in found.items()]
