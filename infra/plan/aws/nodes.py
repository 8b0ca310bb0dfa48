"""Managed node groups: one for each hardware and way to buy it that the stack's endpoints need.

A group spans all zones: a GPU may be in one of them only, and Auto Scaling looks in each. It also rebalances zones,
which EKS lets nobody switch off (aws/containers-roadmap#1453): such a node gets `EKS_DRAIN_SECONDS` to drain.

Sources, read 2026-11-25:
- AMI types: EKS API, Nodegroup.amiType; updates: EKS user guide, managed-node-update-behavior;
- node-template tags: kubernetes/autoscaler at 55c37cd (2026-08-22), cluster-autoscaler/cloudprovider/aws/README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from types import MappingProxyType
from typing import Literal

from infra.plan.aws.cold_start import DiskPlan, node_disks, node_storage, node_user_data
from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.aws.scope import Scope
from infra.plan.gpu_nodes import GPU_RESOURCE
from infra.plan.values import NodeGroupPlan, TolerationPlan
from infra.spec.hardware import CATALOGUE, Hardware
from infra.spec.stack_aws import Aws

ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
"""With it Cluster Autoscaler waits for a node whose GPU does not show yet; without, it buys a second one."""
EKS_DRAIN_SECONDS = 900
"""How long EKS waits for pods of a node that it takes away itself."""
_TEMPLATE = "k8s.io/cluster-autoscaler/node-template"

CapacityType = Literal["ON_DEMAND", "SPOT"]
_SUFFIX: Mapping[CapacityType, str] = MappingProxyType({"ON_DEMAND": "on-demand", "SPOT": "spot"})
_AMI_TYPES: Mapping[tuple[str, bool], str] = MappingProxyType(
    {
        ("al2023", False): "AL2023_x86_64_STANDARD",
        ("al2023", True): "AL2023_x86_64_NVIDIA",
        ("bottlerocket", False): "BOTTLEROCKET_x86_64",
        ("bottlerocket", True): "BOTTLEROCKET_x86_64_NVIDIA",
    }
)
"""Image and whether it has GPUs to EKS's own word."""
_POOL_STATES: Mapping[str, Literal["STOPPED", "RUNNING"]] = MappingProxyType(
    {"Running": "RUNNING", "Stopped": "STOPPED"}
)
EKS_EFFECTS: Mapping[str, str] = MappingProxyType(
    {"NoExecute": "NO_EXECUTE", "NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE"}
)
"""Kubernetes's word for a taint's effect to EKS's."""


@dataclass(frozen=True, slots=True)
class TaintPlan:
    """A taint, in Kubernetes's words."""

    key: str
    value: str
    effect: str


GPU_TAINT = TaintPlan(GPU_RESOURCE, "true", "NoSchedule")
SHUNNED = "PreferNoSchedule"
"""Effect of a taint that nobody need tolerate."""


@dataclass(frozen=True, slots=True)
class TemplateTag:
    """A tag of the Auto Scaling group by which Cluster Autoscaler knows nodes that are not there."""

    name: str
    """Of the resource."""
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class WarmPoolPlan:
    """Instances that wait; always that many, however many work."""

    size: int
    state: Literal["STOPPED", "RUNNING"]


@dataclass(frozen=True, slots=True)
class ManagedGroupPlan:
    """A managed node group; it starts without a node, and only the autoscaler says how many it has."""

    name: str
    """Of the resource."""
    group_name: str
    """In EKS, with a hash of all that cannot be changed in place: a new group then comes before the old one goes."""
    template_name: str
    hardware: str
    capacity: CapacityType
    version: str | None
    """Of Kubernetes; None in a cluster that is there, whose own counts."""
    ami_type: str
    instance_type: str
    max: int
    disks: tuple[DiskPlan, ...]
    user_data: str | None
    labels: tuple[tuple[str, str], ...]
    taints: tuple[TaintPlan, ...]
    template_tags: tuple[TemplateTag, ...]
    """Sorted by name."""
    warm_pool: WarmPoolPlan | None
    reservation: str | None
    """Capacity reservation; the group then buys nothing outside it."""
    is_drained_whole: bool
    """Whether the longest request ends within `EKS_DRAIN_SECONDS`; else a rebalance may run it twice."""
    tags: Mapping[str, str]


def plan_node_groups(
    scope: Scope, aws: Aws, groups: tuple[NodeGroupPlan, ...], grace_seconds: int
) -> tuple[ManagedGroupPlan, ...]:
    """All managed groups of endpoints, sorted by name; none with Karpenter, which makes nodes itself.

    Args:
        scope: of the stack.
        aws: its settings.
        groups: one for each hardware that endpoints name.
        grace_seconds: longest that a pod may take to leave.
    """
    if aws.capacity.autoscaler == "karpenter":
        return ()
    return tuple(
        _group(scope, aws, group, kind, grace_seconds) for group in groups for kind in _bought(aws, group)
    )


def most_nodes(group: NodeGroupPlan) -> int:
    """Nodes that hold every replica of a hardware at once."""
    return max(1, ceil(group.replicas / CATALOGUE[group.hardware].replicas_per_instance))


def gpus_of_node(hardware: Hardware) -> int:
    """GPUs of the whole instance."""
    return hardware.gpus * hardware.replicas_per_instance


def node_labels(group: NodeGroupPlan) -> dict[str, str]:
    """Labels of its nodes: whatever its replicas ask for, sorted by key."""
    asked = {key: values[0] for key, values in group.selector if values}
    model = group.gpu_model.lower().replace(" ", "-")
    accelerator = {ACCELERATOR_LABEL: f"nvidia-{model}"} if group.gpus else {}
    return dict(sorted({**accelerator, **asked, HARDWARE_LABEL: group.hardware}.items()))


def node_taints(group: NodeGroupPlan) -> tuple[TaintPlan, ...]:
    """Taints of its nodes: GPUs are for those who tolerate them, where its own replicas do.

    Others are shunned by who has a choice: a replica takes nearly the whole node, and there are no more nodes than
    replicas, so a gateway or a Prometheus on one of them would keep the last replica waiting. Replicas have no
    choice, and go there.
    """
    if not group.gpus:
        return (TaintPlan(HARDWARE_LABEL, group.hardware, SHUNNED),)
    is_tolerated = any(tolerates(each, GPU_TAINT) for each in group.tolerations)
    return (GPU_TAINT,) if is_tolerated else ()


def tolerates(toleration: TolerationPlan, taint: TaintPlan) -> bool:
    """Whether a pod with the toleration may run on nodes with the taint."""
    same = toleration.key == taint.key and toleration.effect == taint.effect
    return same and toleration.value in {None, taint.value}


def takes_spot(aws: Aws, hardware: str) -> bool:
    """Whether spot is bought first; never where a reservation is paid for already."""
    return aws.capacity.first == "spot" and hardware not in aws.capacity.reservations


def _bought(aws: Aws, group: NodeGroupPlan) -> tuple[CapacityType, ...]:
    return ("ON_DEMAND", "SPOT") if takes_spot(aws, group.hardware) else ("ON_DEMAND",)


def _group(
    scope: Scope, aws: Aws, group: NodeGroupPlan, kind: CapacityType, grace_seconds: int
) -> ManagedGroupPlan:
    hardware, capacity = CATALOGUE[group.hardware], aws.capacity
    name = f"{group.name}-{_SUFFIX[kind]}"
    pool = capacity.warm_pools.get(group.hardware) if kind == "ON_DEMAND" else None
    labels, taints = node_labels(group), node_taints(group)
    ami_type = _AMI_TYPES[capacity.image, hardware.gpus > 0]
    return ManagedGroupPlan(
        name=name,
        group_name=f"{scope.named(name)}-{_hash(scope, aws, hardware.instance_type, ami_type)}",
        template_name=scope.named(name),
        hardware=group.hardware,
        capacity=kind,
        version=aws.cluster.version if aws.cluster.existing is None else None,
        ami_type=ami_type,
        instance_type=hardware.instance_type,
        max=most_nodes(group),
        disks=node_disks(hardware, capacity, aws.cold_start),
        user_data=node_user_data(hardware, capacity, aws.cold_start),
        labels=tuple(labels.items()),
        taints=taints,
        template_tags=_template_tags(scope, labels, taints, _resources(hardware, aws)),
        warm_pool=None if pool is None else WarmPoolPlan(pool.size, _POOL_STATES[pool.state]),
        reservation=capacity.reservations.get(group.hardware) if kind == "ON_DEMAND" else None,
        is_drained_whole=grace_seconds <= EKS_DRAIN_SECONDS,
        tags=scope.tagged(name),
    )


def _hash(scope: Scope, aws: Aws, *parts: str) -> str:
    given = aws.network.existing
    subnets = scope.zones if given is None else tuple(sorted(given.private_subnets))
    return sha256("\n".join((scope.cluster, *parts, *subnets)).encode()).hexdigest()[:6]


def _resources(hardware: Hardware, aws: Aws) -> dict[str, str]:
    """What Cluster Autoscaler cannot know of an instance type: pods that ask for disk would wait for ever."""
    storage = {"ephemeral-storage": node_storage(hardware, aws.capacity, aws.cold_start)}
    return storage | ({GPU_RESOURCE: str(gpus_of_node(hardware))} if hardware.gpus else {})


def _template_tags(
    scope: Scope, labels: Mapping[str, str], taints: tuple[TaintPlan, ...], resources: Mapping[str, str]
) -> tuple[TemplateTag, ...]:
    """EKS gives its groups the first two as well; the rest only as long as a group had no node yet.

    Sources: kubernetes/autoscaler#8799; the provider's README, on DescribeNodegroup.
    """
    found = {
        "k8s.io/cluster-autoscaler/enabled": "true",
        f"k8s.io/cluster-autoscaler/{scope.cluster}": "owned",
        **{f"{_TEMPLATE}/label/{key}": value for key, value in labels.items()},
        **{f"{_TEMPLATE}/taint/{each.key}": f"{each.value}:{each.effect}" for each in taints},
        **{f"{_TEMPLATE}/resources/{key}": value for key, value in resources.items()},
    }
    tags = (TemplateTag(_slug(key), key, value) for key, value in found.items())
    return tuple(sorted(tags, key=lambda each: each.name))


def _slug(key: str) -> str:
    """A resource's name from a tag's key."""
    return key.removeprefix(f"{_TEMPLATE}/").removeprefix("k8s.io/cluster-autoscaler/").replace("/", "-")
