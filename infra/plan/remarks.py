"""What the reader of a plan should know although nothing is wrong."""

from collections.abc import Iterator, Sequence

from infra.plan.aws.nodes import EKS_DRAIN_SECONDS, ManagedGroupPlan
from infra.plan.ingresses import LONGEST_HOLD_SECONDS
from infra.plan.values import NodeGroupPlan, Remark
from infra.spec.model import Endpoint, Spec
from infra.spec.stack import Stack


def plan_remarks(
    spec: Spec, stack: Stack, groups: Sequence[NodeGroupPlan], managed: Sequence[ManagedGroupPlan] = ()
) -> tuple[Remark, ...]:
    """All remarks, those of the stack first, then by endpoint."""
    found = [remark for endpoint in spec.endpoints for remark in _of_endpoint(endpoint, stack)]
    found += [
        Remark("price-unknown", None, f"No price is known for {group.hardware}; costs leave it out.")
        for group in groups
        if group.dollars_per_hour is None
    ]
    found += _of_account(stack, managed)
    return tuple(sorted(found, key=lambda remark: (remark.endpoint or "", remark.code)))


def _of_account(stack: Stack, managed: Sequence[ManagedGroupPlan]) -> Iterator[Remark]:
    if not all(group.is_drained_whole for group in managed):
        yield Remark(
            "drain-capped",
            None,
            f"A request may run longer than the {EKS_DRAIN_SECONDS} s that EKS gives a node which it moves to another"
            " zone or which a new version replaces; one that is cut runs again.",
        )
    aws = stack.aws
    if aws is not None and aws.cluster.existing is None and not aws.cluster.public_cidrs:
        yield Remark(
            "api-inside",
            None,
            "The API server has no public address, so `pulumi up` must run inside the VPC or through a VPN into it.",
        )


def _of_endpoint(endpoint: Endpoint, stack: Stack) -> Iterator[Remark]:
    limits, name = endpoint.limits, endpoint.name
    longest = limits.queue_seconds + limits.request_seconds
    if longest > LONGEST_HOLD_SECONDS:
        yield Remark(
            "hold-capped",
            name,
            f"A sync request may take {longest} s, load balancers hold {LONGEST_HOLD_SECONDS} s; past that it"
            " is answered 504 and should be sent async.",
        )
    if endpoint.replicas.min == 0 and limits.queue_seconds < limits.start_seconds:
        yield Remark(
            "wait-below-start",
            name,
            f"queue_seconds ({limits.queue_seconds}) is below start_seconds ({limits.start_seconds}): a request"
            " that wakes it may expire before its replica is ready.",
        )
    if endpoint.access == "public" and endpoint.quickstart is None:
        yield Remark("public-without-limit", name, "Anyone may call it, and no rate limit holds them.")
    if endpoint.egress == "none" and stack.objects is not None:
        yield Remark(
            "objects-out-of-reach",
            name,
            "egress: none holds for its worker too, so bodies and results above 256 KiB cannot be kept in the"
            " object store.",
        )
    way_in = stack.ingress.public if endpoint.ingress == "public" else stack.ingress.private
    if way_in is None and stack.aws is None:
        yield Remark(
            "no-ingress",
            name,
            f"The stack has no ingress.{endpoint.ingress}, so it is reached from inside the cluster only.",
        )
