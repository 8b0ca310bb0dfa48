"""The VPC: its subnets, ways out, endpoints of AWS's services, and what is written down of its traffic.

Each zone's letter has its own place in the range, used or not, so that no subnet moves when a zone is added:
the range falls into eight equal blocks, six of them are the private subnets of zones a to f, and the last two
fall into eighths again: public subnets of a to f, and intra subnets of a to f.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from infra.plan.aws.logs import LogGroupPlan, log_group, stack_log_group
from infra.plan.aws.roles import RolePlan, Statement
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

SubnetKind = Literal["intra", "private", "public"]
LETTERS = "abcdef"
"""Zones that a range has places for."""
FLOW_LOGS = "flow-logs"
"""The log group of connections, and the role that writes it."""
_BITS = 3
_PUBLIC_BLOCK = 6
_INTRA_BLOCK = 7
_INTERFACES = ("ecr.api", "ecr.dkr", "secretsmanager", "sts")


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """One subnet. Nothing that is started in one gets a public address, not even in the public ones."""

    name: str
    """Of the resource, as `private-a`."""
    kind: SubnetKind
    """`public`: load balancers and NATs. `private`: nodes, out by NAT. `intra`: stores, no way out at all."""
    zone: str
    cidr: str
    route_table: str
    """Name of its route table."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RouteTablePlan:
    """Where a subnet's traffic goes."""

    name: str
    nat: str | None
    """Name of the NAT by which it leaves."""
    is_public: bool
    """Whether it leaves by the internet gateway."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NatPlan:
    """A NAT gateway, with its address."""

    name: str
    subnet: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VpcEndpointPlan:
    """A service of AWS that is reached inside the VPC."""

    name: str
    service: str
    kind: Literal["Gateway", "Interface"]
    reason: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VpcPlan:
    """A VPC of the stack's own, each list sorted by name."""

    cidr: str
    subnets: tuple[SubnetPlan, ...]
    route_tables: tuple[RouteTablePlan, ...]
    nats: tuple[NatPlan, ...]
    endpoints: tuple[VpcEndpointPlan, ...]
    flow_logs: LogGroupPlan | None
    """None: connections are not logged."""
    tags: Mapping[str, str]
    gateway_tags: Mapping[str, str]
    default_group_tags: Mapping[str, str]
    """Of the default security group, from which every rule is taken."""
    endpoint_group: str
    """Name of the security group of the interface endpoints."""
    endpoint_group_tags: Mapping[str, str]

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of its availability zones, sorted."""
        return tuple(sorted({subnet.zone for subnet in self.subnets}))


@dataclass(frozen=True, slots=True)
class GivenVpc:
    """A VPC that is there, of which nothing is made."""

    vpc_id: str
    cidr: str
    private_subnets: tuple[str, ...]
    public_subnets: tuple[str, ...]


def plan_vpc(scope: Scope, aws: Aws) -> VpcPlan | GivenVpc:
    """The network of a stack."""
    network, given = aws.network, aws.network.existing
    if given is not None:
        return GivenVpc(
            given.vpc, given.cidr, tuple(sorted(given.private_subnets)), tuple(sorted(given.public_subnets))
        )
    # The first that the stack names, so that a zone added behind it leaves the NAT and its address alone.
    nat_letters = sorted(set(network.zones)) if network.nat == "zone" else [network.zones[0]]
    days = network.flow_log_days
    return VpcPlan(
        cidr=network.cidr,
        subnets=tuple(sorted(_subnets(scope, network.cidr), key=lambda subnet: subnet.name)),
        route_tables=tuple(sorted(_route_tables(scope, nat_letters), key=lambda table: table.name)),
        nats=tuple(
            NatPlan(f"nat-{letter}", f"public-{letter}", scope.tagged(f"nat-{letter}"))
            for letter in nat_letters
        ),
        endpoints=_endpoints(scope, with_interfaces=network.interface_endpoints),
        flow_logs=None if days is None else log_group(scope, FLOW_LOGS, days),
        tags=scope.tagged("vpc"),
        gateway_tags=scope.tagged("internet"),
        default_group_tags=scope.tagged("default-closed"),
        endpoint_group=scope.named("endpoints"),
        endpoint_group_tags=scope.tagged("endpoints"),
    )


def subnet_cidr(cidr: str, kind: SubnetKind, letter: str) -> str:
    """The range of a zone's subnet: of a /16, /19 if it is private, else /22.

    Args:
        cidr: of the VPC, /16 to /20.
        kind: of the subnet.
        letter: of the zone, a to f.
    """
    place = LETTERS.index(letter)
    blocks = list(IPv4Network(cidr, strict=False).subnets(prefixlen_diff=_BITS))
    if kind == "private":
        return str(blocks[place])
    block = blocks[_PUBLIC_BLOCK if kind == "public" else _INTRA_BLOCK]
    return str(list(block.subnets(prefixlen_diff=_BITS))[place])


def network_roles(scope: Scope, aws: Aws) -> tuple[RolePlan, ...]:
    """The role that writes the flow logs, where there are some."""
    if aws.network.existing is not None or aws.network.flow_log_days is None:
        return ()
    group = scope.arn("logs", f"log-group:{stack_log_group(scope, FLOW_LOGS)}")
    return (
        RolePlan(
            name=FLOW_LOGS,
            role_name=scope.named(FLOW_LOGS),
            reason="VPC flow logs are written into CloudWatch on the stack's behalf.",
            trust="vpc-flow-logs",
            statements=(
                Statement(
                    sid="WriteFlowLogs",
                    reason="Finds the one log group and its streams, and writes into them.",
                    actions=(
                        "logs:CreateLogStream",
                        "logs:DescribeLogGroups",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ),
                    resources=(group, f"{group}:*"),
                ),
            ),
        ),
    )


def _subnets(scope: Scope, cidr: str) -> Iterator[SubnetPlan]:
    marks: Mapping[SubnetKind, Mapping[str, str]] = {
        "intra": {},
        "private": {"karpenter.sh/discovery": scope.cluster, "kubernetes.io/role/internal-elb": "1"},
        "public": {"kubernetes.io/role/elb": "1"},
    }
    for zone in scope.zones:
        letter = zone[-1]
        for kind, extra in marks.items():
            name = f"{kind}-{letter}"
            yield SubnetPlan(
                name=name,
                kind=kind,
                zone=zone,
                cidr=subnet_cidr(cidr, kind, letter),
                route_table=name if kind == "private" else kind,
                tags=dict(sorted({**scope.tagged(name), **extra}.items())),
            )


def _route_tables(scope: Scope, nat_letters: Sequence[str]) -> Iterator[RouteTablePlan]:
    """One a zone for private subnets, also with one NAT: more NATs then change routes only."""
    yield RouteTablePlan("intra", None, is_public=False, tags=scope.tagged("intra"))
    yield RouteTablePlan("public", None, is_public=True, tags=scope.tagged("public"))
    for zone in scope.zones:
        name = f"private-{zone[-1]}"
        letter = zone[-1] if zone[-1] in nat_letters else nat_letters[0]
        yield RouteTablePlan(name, f"nat-{letter}", is_public=False, tags=scope.tagged(name))


def _endpoints(scope: Scope, *, with_interfaces: bool) -> tuple[VpcEndpointPlan, ...]:
    gateway = VpcEndpointPlan(
        name="s3",
        service=f"com.amazonaws.{scope.region}.s3",
        kind="Gateway",
        reason="Layers of images, weights and results do not pass the NAT; it costs nothing.",
        tags=scope.tagged("s3"),
    )
    interfaces = (
        VpcEndpointPlan(
            name=service.replace(".", "-"),
            service=f"com.amazonaws.{scope.region}.{service}",
            kind="Interface",
            reason="The stack says that the service is reached inside the VPC.",
            tags=scope.tagged(service.replace(".", "-")),
        )
        for service in (_INTERFACES if with_interfaces else ())
    )
    return tuple(sorted((gateway, *interfaces), key=lambda endpoint: endpoint.name))
