"""Decides all that a stack makes in an AWS account."""

from dataclasses import dataclass, replace

from infra.plan.addons import plan_addons
from infra.plan.aws.autoscaler import autoscaler_chart, autoscaler_roles
from infra.plan.aws.buckets import BucketPlan, plan_buckets
from infra.plan.aws.budget import BudgetPlan, plan_budget
from infra.plan.aws.cache import CachePlan, plan_cache
from infra.plan.aws.cluster import EksPlan, GivenCluster, plan_eks
from infra.plan.aws.cluster_roles import cluster_roles
from infra.plan.aws.costs import INCLUDED_THROUGHPUT, NO_BILL, Bill, Counts, bill_of
from infra.plan.aws.database import DatabasePlan, login_statements, plan_database
from infra.plan.aws.domain import DomainPlan, plan_domain
from infra.plan.aws.fitting import DISK_CLASS
from infra.plan.aws.gpu_charts import gpu_charts
from infra.plan.aws.image_registry import ImageRegistryPlan, plan_image_registry, pull_cache_statement
from infra.plan.aws.karpenter import KarpenterPlan, plan_karpenter
from infra.plan.aws.karpenter_roles import karpenter_roles
from infra.plan.aws.keys import KeyPlan, plan_keys
from infra.plan.aws.monitoring import MonitoringPlan, monitoring_roles, plan_monitoring
from infra.plan.aws.network import GivenVpc, VpcPlan, plan_vpc
from infra.plan.aws.nodes import ManagedGroupPlan, plan_node_groups
from infra.plan.aws.operators import (
    external_secrets,
    external_secrets_roles,
    load_balancer_controller,
    load_balancer_roles,
)
from infra.plan.aws.roles import RolePlan
from infra.plan.aws.scope import Scope
from infra.plan.aws.shared_cache import DiskClassPlan, FileSystemPlan, plan_disk_class, plan_file_system
from infra.plan.aws.stores import stores_roles
from infra.plan.aws.vault import VaultPlan, plan_vault
from infra.plan.aws.ways_in import LoadBalancerPlan, plan_load_balancers
from infra.plan.aws.web_firewall import WebFirewallPlan, plan_web_firewall
from infra.plan.fit import used_secrets
from infra.plan.values import AddonPlan, EndpointPlan, NodeGroupPlan, Specs
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws

_OWN_FORM = ("external_secrets", "nvidia_device_plugin")
"""Add-ons that are installed otherwise than on any other cluster."""


@dataclass(frozen=True, slots=True)
class AwsPlan:
    """All of it; what is None or empty is not made."""

    scope: Scope
    keys: tuple[KeyPlan, ...]
    roles: tuple[RolePlan, ...]
    """Sorted by name."""
    network: VpcPlan | GivenVpc
    cluster: EksPlan | GivenCluster
    node_groups: tuple[ManagedGroupPlan, ...]
    karpenter: KarpenterPlan | None
    queue: CachePlan | None
    """None: a pod of the cluster, as on any other."""
    database: DatabasePlan | None
    buckets: tuple[BucketPlan, ...]
    file_system: FileSystemPlan | None
    disk_class: DiskClassPlan
    images: ImageRegistryPlan
    vault: VaultPlan
    addons: tuple[AddonPlan, ...]
    """Software of others in the cluster, sorted by name; Karpenter and Prometheus are in their own parts."""
    domain: DomainPlan | None
    balancers: tuple[LoadBalancerPlan, ...]
    firewall: WebFirewallPlan | None
    monitoring: MonitoringPlan
    budget: BudgetPlan | None
    bill: Bill


def plan_aws(
    specs: Specs,
    stack: Stack,
    aws: Aws,
    scope: Scope,
    *,
    groups: tuple[NodeGroupPlan, ...],
    endpoints: tuple[EndpointPlan, ...],
) -> AwsPlan:
    """The plan of an account.

    Args:
        specs: the project; it fits the stack.
        stack: the stack's settings, settled (`infra.plan.aws.fitting`).
        aws: its part for the account.
        scope: where it lives.
        groups: one for each hardware that endpoints name.
        endpoints: sorted by name.
    """
    grace = max((endpoint.grace_seconds for endpoint in endpoints), default=0)
    node_groups = plan_node_groups(scope, aws, groups, grace)
    balancers = plan_load_balancers(scope, stack, aws, specs.spec)
    shared = any(volume.is_shared for endpoint in endpoints for volume in endpoint.volumes)
    home = stack.network.scraper_namespace
    whole = AwsPlan(
        scope=scope,
        keys=plan_keys(scope, aws),
        roles=_roles(specs, aws, scope, balancers, home, needs_efs=shared),
        network=plan_vpc(scope, aws),
        cluster=plan_eks(scope, aws, needs_efs=shared),
        node_groups=node_groups,
        karpenter=plan_karpenter(scope, aws, groups, grace),
        queue=plan_cache(scope, aws, tuple(endpoint.name for endpoint in endpoints)),
        database=plan_database(scope, aws),
        buckets=plan_buckets(scope, aws),
        file_system=plan_file_system(scope, needs_efs=shared),
        disk_class=plan_disk_class(scope),
        images=plan_image_registry(scope, _references(endpoints)),
        vault=plan_vault(scope, specs.spec, used_secrets(specs.spec), has_database=aws.database is not None),
        addons=_addons(
            stack,
            aws,
            scope,
            autoscaler_chart(scope, aws, node_groups, grace) if node_groups else None,
            has_balancers=bool(balancers),
            has_gpus=any(group.gpus for group in groups),
        ),
        domain=plan_domain(scope, aws, balancers),
        balancers=balancers,
        firewall=plan_web_firewall(scope, aws, balancers),
        monitoring=plan_monitoring(scope, aws, endpoints, home=home, disk_class=DISK_CLASS),
        budget=plan_budget(scope, aws),
        bill=NO_BILL,
    )
    replicas = {group.hardware: group.replicas for group in groups}
    return replace(whole, bill=bill_of(aws, _counts(whole, stack, groups, endpoints), replicas))


def _roles(
    specs: Specs,
    aws: Aws,
    scope: Scope,
    balancers: tuple[LoadBalancerPlan, ...],
    home: str,
    *,
    needs_efs: bool,
) -> tuple[RolePlan, ...]:
    pull = (pull_cache_statement(scope),)
    found = (
        *cluster_roles(scope, aws, needs_efs=needs_efs, node_statements=pull),
        *autoscaler_roles(scope, aws),
        *karpenter_roles(scope, aws),
        *stores_roles(scope, aws),
        *load_balancer_roles(scope, balancers),
        *external_secrets_roles(scope, specs.spec, login_statements(scope, aws)),
        *monitoring_roles(scope, aws, home=home),
    )
    return tuple(sorted(found, key=lambda role: role.name))


def _addons(
    stack: Stack,
    aws: Aws,
    scope: Scope,
    autoscaler: AddonPlan | None,
    *,
    has_balancers: bool,
    has_gpus: bool,
) -> tuple[AddonPlan, ...]:
    """Those of any cluster, and those that only this backend has; a device plugin as this backend's nodes want it."""
    others = stack.addons.model_copy(update=dict.fromkeys(_OWN_FORM, "present"))
    found = list(plan_addons(others))
    if stack.addons.external_secrets == "install":
        found.append(external_secrets())
    if stack.addons.nvidia_device_plugin == "install" or aws.gpu_operator:
        found += gpu_charts(aws, has_gpus=has_gpus)
    if stack.addons.load_balancer_controller == "install" and has_balancers:
        found.append(load_balancer_controller(scope))
    if stack.addons.cluster_autoscaler == "install" and autoscaler is not None:
        found.append(autoscaler)
    return tuple(sorted(found, key=lambda addon: addon.name))


def _references(endpoints: tuple[EndpointPlan, ...]) -> tuple[str, ...]:
    """Every image that endpoints and platform run."""
    found = {reference for endpoint in endpoints for reference in (endpoint.image, endpoint.worker_image)}
    return tuple(sorted(found))


def _counts(
    plan: AwsPlan, stack: Stack, groups: tuple[NodeGroupPlan, ...], endpoints: tuple[EndpointPlan, ...]
) -> Counts:
    disks = [disk.throughput for group in plan.node_groups for disk in group.disks]
    own = [volume for endpoint in endpoints for volume in endpoint.volumes if not volume.is_shared]
    return Counts(
        public_balancers=sum(not each.is_internal for each in plan.balancers),
        internal_balancers=sum(each.is_internal for each in plan.balancers),
        least_nodes=sum(group.min_replicas for group in groups),
        most_nodes=sum(group.replicas for group in groups),
        disks_gib=sum(volume.gib for volume in own)
        + (stack.queue.disk if plan.queue is None else 0)
        + (stack.api.disk or 0),
        has_shared_files=plan.file_system is not None,
        secrets=len(plan.vault.entries) + (plan.database is not None),  # RDS keeps its password in one
        throughput_mib=max(disks, default=INCLUDED_THROUGHPUT),
        firewall_rules=0 if plan.firewall is None else len(plan.firewall.groups),
    )
