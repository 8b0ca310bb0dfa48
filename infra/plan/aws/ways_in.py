"""How clients come in: which load balancers there are, who reaches them, under which hosts, and for how long.

They are made here and not by the controller in the cluster, so nothing of them is left behind and the plan
shows them; the controller only tells them where the gateway's pods are (`target_group_binding`).

Sources, read 2026-11-25: Application Load Balancer user guide (security policies, target groups, attributes);
AWS Load Balancer Controller 3.5.0 (TargetGroupBinding, pod readiness gate).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.plan.aws.buckets import LOGS
from infra.plan.aws.scope import LONGEST_NAME, Scope
from infra.plan.aws.stores import network_range
from infra.plan.ingresses import LONGEST_HOLD_SECONDS, held_seconds, host_of
from infra.plan.manifests.gateway import GATEWAY
from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.spec.model import Endpoint, Spec
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws
from runtime.wire.cluster import ALL_PORT, PUBLIC_PORT

Kind = Literal["private", "public"]

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
"""TLS 1.2 and 1.3 with forward secrecy only, post-quantum key exchange where a client offers it: what AWS itself
recommends and its console takes. Source: ALB user guide, "Security policies", read 2026-11-25."""
ALGORITHM = "least_outstanding_requests"
"""A gateway's load is what it holds: requests here take from milliseconds to an hour, so taking turns would fill
one gateway while another is idle. Source: ALB user guide, "Routing algorithms", read 2026-11-25."""
LEAST_IDLE_SECONDS = 60
"""AWS's own default; the platform's event streams say something every 15 s."""
CLIENT_SECONDS = LONGEST_HOLD_SECONDS
"""How old a client's connection may grow before it is closed between two requests."""
ANYWHERE = "0.0.0.0/0"
BINDINGS = "elbv2.k8s.aws/v1beta1"
"""API version of TargetGroupBindings."""
READINESS_LABELS: Mapping[str, str] = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}
"""On the gateway's namespace: a new pod counts as ready only when the load balancer finds it healthy, so a
rollout never ends the old ones before."""
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a load balancer finds out that a gateway serves."""

    path: str = "/healthz"
    codes: str = "200,404"
    """It asks by the pod's address, and the client ports know the domain's hosts only: the gateway's own 404
    says that it serves. Its inner port, which tells more, is behind no load balancer."""
    seconds: int = 10
    """Between two checks."""
    timeout_seconds: int = 5
    healthy: int = 2
    unhealthy: int = 3
    """Checks in a row."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host that leads to a load balancer."""

    name: str
    """Of the resource."""
    host: str


@dataclass(frozen=True, slots=True)
class AccessLogs:
    """Where a load balancer writes what it served."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class LoadBalancerPlan:
    """One load balancer and its way to the gateway."""

    name: Kind
    """Of the resource."""
    balancer_name: str
    """In AWS; its target group has it too."""
    group_name: str
    """Of its security group."""
    is_internal: bool
    port: int
    """The gateway's: public or all."""
    client_cidr: str
    """Who may connect."""
    hold_seconds: int
    """Longest that a request of an endpoint behind it is held: idle timeout, and what one that leaves may take."""
    health: HealthCheck
    hosts: tuple[HostPlan, ...]
    """In the domain's zone, sorted by name."""
    inner_zone: str | None
    """Host that leads here only inside the VPC: the platform's, whose public record leads elsewhere."""
    access_logs: AccessLogs | None
    namespace: str
    """Of the gateway."""
    is_protected: bool
    tags: Mapping[str, str]


def plan_load_balancers(scope: Scope, stack: Stack, aws: Aws, spec: Spec) -> tuple[LoadBalancerPlan, ...]:
    """The load balancers that some endpoint needs, sorted by name; none where there is no endpoint.

    The public one serves the gateway's public port under every host of the domain. The private one serves all
    of the gateway under the private endpoints' own hosts, which in DNS go before the wildcard.
    """
    kinds = sorted({endpoint.ingress for endpoint in spec.endpoints})
    return tuple(_balancer(kind, scope, stack, aws, spec) for kind in kinds)


def _balancer(kind: Kind, scope: Scope, stack: Stack, aws: Aws, spec: Spec) -> LoadBalancerPlan:
    is_internal = kind == "private"
    # The private one's platform host routes to every endpoint by its model's name.
    served = [each for each in spec.endpoints if is_internal or each.ingress == "public"]
    has_public = any(each.ingress == "public" for each in spec.endpoints)
    return LoadBalancerPlan(
        name=kind,
        balancer_name=_bounded(scope.named(kind)),
        group_name=scope.named(f"{kind}-balancer"),
        is_internal=is_internal,
        port=ALL_PORT if is_internal else PUBLIC_PORT,
        client_cidr=network_range(aws) if is_internal else ANYWHERE,
        hold_seconds=_hold_seconds(served),
        health=HealthCheck(),
        hosts=tuple(sorted(_hosts(kind, spec, stack, has_public=has_public), key=lambda each: each.name)),
        inner_zone=_platform_host(stack) if is_internal and has_public else None,
        access_logs=_access_logs(kind, scope, aws),
        namespace=scope.namespace,
        is_protected=scope.is_protected,
        tags=scope.tagged(f"{kind}-balancer"),
    )


def _hosts(kind: Kind, spec: Spec, stack: Stack, *, has_public: bool) -> Iterator[HostPlan]:
    if kind == "public":
        yield HostPlan("wildcard", f"*.{stack.domain}")
        return
    for endpoint in spec.endpoints:
        if endpoint.ingress == "private":
            yield HostPlan(f"endpoint-{endpoint.name}", host_of(endpoint, spec, stack))
    if not has_public:
        yield HostPlan("platform", _platform_host(stack))


def _platform_host(stack: Stack) -> str:
    return f"api.{stack.domain}"


def _hold_seconds(endpoints: Sequence[Endpoint]) -> int:
    """Never below AWS's own default."""
    return min(max(LEAST_IDLE_SECONDS, *map(held_seconds, endpoints)), LONGEST_HOLD_SECONDS)


def _access_logs(kind: Kind, scope: Scope, aws: Aws) -> AccessLogs | None:
    if aws.ingress.access_log_days is None:
        return None
    return AccessLogs(scope.bucket(LOGS), f"load-balancers/{kind}")


def target_group_binding(plan: LoadBalancerPlan) -> Manifest:
    """Has the controller register the gateway's pods; the target group and its VPC are known once made.

    It says nothing of networking: the controller would write rules into the nodes' security group, and one that
    it leaves there keeps the load balancer's own group from being deleted. The program makes that rule.
    """
    return {
        "metadata": metadata(f"{GATEWAY}-{plan.name}", plan.namespace, labels_of(GATEWAY)),
        "spec": {
            "ipAddressType": "ipv4",
            "serviceRef": {"name": GATEWAY, "port": plan.port},
            "targetGroupProtocol": "HTTP",
            "targetType": "ip",
        },
    }


def _bounded(name: str) -> str:
    """The name, or where a load balancer may not be called so its beginning and a hash of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: LONGEST_NAME - _DIGITS - 1].rstrip('-')}-{digest}"
