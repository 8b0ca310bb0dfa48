"""What a stack costs that nobody calls: each part of the platform, its count and its price. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.aws import prices
from infra.plan.aws.cluster import SYSTEM_DISK_GIB
from infra.plan.aws.quotas import QuotaNeed, quota_needs
from infra.spec.hardware import CATALOGUE, PRICES_READ
from infra.spec.stack_aws import Aws

KEYS = 3
"""KMS keys of a stack: `cluster`, `data`, `logs`."""
INCLUDED_THROUGHPUT = 125
"""MiB/s that a gp3 disk has without a charge. Source: Amazon EBS user guide, gp3 volumes, read 2026-11."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the settings alone do not say, as the rest of the plan has decided it."""

    public_balancers: int = 0
    internal_balancers: int = 0
    least_nodes: int = 0
    """Nodes of replicas while every endpoint is at its fewest."""
    most_nodes: int = 0
    throughput_mib: int = INCLUDED_THROUGHPUT
    """Of each node's disk, in MiB/s."""
    disks_gib: int = 0
    """Of the platform's pods and of endpoints' own volumes, together."""
    has_shared_files: bool = False
    secrets: int = 0
    """Entries in Secrets Manager that the stack makes, and the one that RDS makes for it."""
    interface_services: int = 4
    """Services that are reached inside the VPC: ECR's two, STS, Secrets Manager."""
    firewall_rules: int = 0
    """Groups of rules of the web ACL."""


@dataclass(frozen=True, slots=True)
class FixedCost:
    """One part of the platform."""

    name: str
    count: int
    """Fewest that there are."""
    dollars_per_hour: float | None
    """Of one; None where no price is known, or the use alone is charged."""
    source: str
    """Of the price, with its day."""
    most: int
    """Most that there are."""
    use: str = ""
    """What its use costs besides; empty where it costs nothing, or next to nothing."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What the platform itself costs, and what it needs of the account."""

    fixed: tuple[FixedCost, ...] = ()
    quotas: tuple[QuotaNeed, ...] = ()
    ceiling_dollars_per_hour: float | None = None
    """Most that the stack may cost with every endpoint at its most replicas; None: there is no bound."""
    is_spot_first: bool = False


NO_BILL = Bill()
"""Of a stack whose cluster is somebody else's."""


def bill_of(aws: Aws, counts: Counts, replicas: Mapping[str, int]) -> Bill:
    """The bill of a stack.

    Args:
        aws: the settings.
        counts: what the rest of the plan has decided.
        replicas: name of the hardware catalogue to the most replicas of all endpoints on it.
    """
    return Bill(
        fixed=fixed_costs(aws, counts),
        quotas=quota_needs(aws, replicas),
        ceiling_dollars_per_hour=aws.ceiling_dollars_per_hour,
        is_spot_first=aws.capacity.first == "spot",
    )


def fixed_costs(aws: Aws, counts: Counts) -> tuple[FixedCost, ...]:
    """Every part that is there without a request, in the order of a reader's interest.

    Traffic, logs, stored bytes and requests to AWS are charged by use and not counted; `use` names their price.
    """
    return (
        *_cluster(aws, counts),
        *_network(aws, counts),
        *_ways_in(aws, counts),
        *_stores(aws, counts),
        *_rest(aws, counts),
    )


def _cluster(aws: Aws, counts: Counts) -> Iterator[FixedCost]:
    if aws.cluster.existing is None:
        yield _each("EKS control plane", 1, prices.CLUSTER_HOUR, prices.CLUSTER, use=prices.USE_LOGS)
        system = aws.cluster.system
        price = prices.INSTANCE_HOUR.get(system.instance_type)
        name = f"system node ({system.instance_type})"
        yield _each(name, system.min, price, prices.INSTANCES, most=system.max)
        name, disk = f"disk of a system node ({SYSTEM_DISK_GIB} GiB)", SYSTEM_DISK_GIB * prices.DISK_GIB_MONTH
        yield _each(name, system.min, _month(disk), prices.SERVICES, most=system.max)
    yield from _waiting_instances(aws)
    # A stopped instance keeps its disk.
    waiting = sum(pool.size for pool in aws.capacity.warm_pools.values())
    each = _month(aws.capacity.disk_gib * prices.DISK_GIB_MONTH + _faster(counts))
    nodes = waiting + counts.least_nodes, waiting + counts.most_nodes
    if nodes[1]:
        name = f"disk of a node ({aws.capacity.disk_gib} GiB)"
        yield _each(name, nodes[0], each, prices.SERVICES, most=nodes[1])
    if counts.disks_gib:
        yield _each("GiB of disks of pods", counts.disks_gib, _month(prices.DISK_GIB_MONTH), prices.SERVICES)


def _waiting_instances(aws: Aws) -> Iterator[FixedCost]:
    """Those of warm pools that run; a stopped one costs its disk only."""
    for name, pool in sorted(aws.capacity.warm_pools.items()):
        if pool.state == "Running":
            price = CATALOGUE[name].dollars_per_hour
            yield _each(
                f"running instance of a warm pool ({name})",
                pool.size,
                price,
                f"EC2 price list, {PRICES_READ}",
            )


def _faster(counts: Counts) -> float:
    """Dollars a month of a disk's throughput past what is included."""
    return max(0, counts.throughput_mib - INCLUDED_THROUGHPUT) * prices.DISK_FASTER_MONTH


def _network(aws: Aws, counts: Counts) -> Iterator[FixedCost]:
    if aws.network.existing is not None:
        return
    zones = len(set(aws.network.zones))
    gateways = zones if aws.network.nat == "zone" else 1
    yield _each("NAT gateway", gateways, prices.NAT_HOUR, prices.SERVICES, use=prices.USE_NAT)
    yield _each("public address of a NAT gateway", gateways, prices.ADDRESS_HOUR, prices.ADDRESS)
    if aws.network.interface_endpoints:
        count = counts.interface_services * zones
        yield _each(
            "interface endpoint, a zone",
            count,
            prices.INTERFACE_HOUR,
            prices.SERVICES,
            use=prices.USE_INTERFACE,
        )
    if aws.network.flow_log_days is not None:
        yield _by_use("flow logs", prices.USE_LOGS, prices.SERVICES)


def _ways_in(aws: Aws, counts: Counts) -> Iterator[FixedCost]:
    balancers = counts.public_balancers + counts.internal_balancers
    if balancers:
        yield _each(
            "load balancer", balancers, prices.BALANCER_HOUR, prices.SERVICES, use=prices.USE_BALANCER
        )
    if counts.public_balancers:
        subnets = _public_subnets(aws) * counts.public_balancers
        yield _each("public address of a load balancer", subnets, prices.ADDRESS_HOUR, prices.ADDRESS)
    if aws.ingress.hosted_zone is None:
        yield _each("hosted zone", 1, _month(prices.ZONE_MONTH), prices.SERVICES)
    if aws.ingress.waf and counts.public_balancers:
        month = prices.WEB_ACL_MONTH + counts.firewall_rules * prices.WEB_ACL_RULE_MONTH
        yield _each("web ACL", 1, _month(month), prices.SERVICES, use="$0.60 for a million requests")
    if aws.ingress.access_log_days is not None:
        yield _by_use("access logs", prices.USE_BUCKETS, prices.SERVICES)


def _public_subnets(aws: Aws) -> int:
    existing = aws.network.existing
    return len(set(aws.network.zones)) if existing is None else len(existing.public_subnets)


def _stores(aws: Aws, counts: Counts) -> Iterator[FixedCost]:
    if aws.queue is not None:
        nodes = aws.queue.shards * (1 + aws.queue.replicas)
        price = prices.CACHE_HOUR.get(aws.queue.node_type)
        yield _each(f"ElastiCache node ({aws.queue.node_type})", nodes, price, prices.CACHE)
        durable = None if price is None else price * prices.DURABILITY_SHARE
        yield _each("durable log of an ElastiCache node", nodes, durable, prices.DURABILITY)
    if aws.database is not None:
        price = prices.DATABASE_HOUR.get(aws.database.instance_class)
        name = f"RDS instance ({aws.database.instance_class})"
        yield _each(name, 2, price, prices.DATABASE)
        disk = _month(aws.database.disk * prices.DATABASE_GIB_MONTH)
        yield _each(f"disk of an RDS instance ({aws.database.disk} GiB)", 2, disk, prices.SERVICES)
    yield _by_use("buckets", prices.USE_BUCKETS, prices.SERVICES)
    if counts.has_shared_files:
        yield _by_use("EFS", prices.USE_SHARED, prices.SERVICES)


def _rest(aws: Aws, counts: Counts) -> Iterator[FixedCost]:
    yield _each("KMS key", KEYS, _month(prices.KEY_MONTH), prices.SERVICES)
    if counts.secrets:
        yield _each("secret", counts.secrets, _month(prices.SECRET_MONTH), prices.SERVICES)
    if aws.monitoring.prometheus == "managed":
        yield _by_use("Amazon Managed Prometheus", prices.USE_METRICS, prices.METRICS)


def _each(
    name: str, count: int, hour: float | None, source: str, *, most: int | None = None, use: str = ""
) -> FixedCost:
    return FixedCost(name, count, hour, source, count if most is None else most, use)


def _by_use(name: str, use: str, source: str) -> FixedCost:
    """What costs nothing until it is used."""
    return FixedCost(name, 1, None, source, 1, use)


def _month(dollars: float) -> float:
    """A price a month, as one an hour."""
    return dollars / prices.HOURS
