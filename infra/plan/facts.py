"""What a report compares of two plans: a few figures an endpoint, which outlive a change of the plan's shape."""

from dataclasses import asdict
from typing import Literal

from infra.plan.aws.costs import NO_BILL
from infra.plan.values import EndpointPlan, Plan, Specs
from infra.spec.hardware import CATALOGUE, PRICE_REGION, PRICES_READ
from infra.spec.model import Endpoint
from runtime.wire.records import Record


class EndpointFacts(Record):
    """One endpoint. A field that comes later has a default, so that the recordings of older commits are read."""

    name: str
    url: str
    image: str
    hardware: str
    gpus: int
    gpu_model: str
    vcpu: int
    """Of one replica's instance."""
    instance_type: str
    replicas_per_instance: int = 1
    min: int
    max: int
    timeout: int
    queue_seconds: int
    request_seconds: int
    start_seconds: int
    rollout: Literal["surge", "in-place"]
    access: Literal["private", "public"]
    ingress: Literal["private", "public"]
    is_rate_limited: bool
    secrets: tuple[str, ...]
    dollars_per_hour: float | None
    """Of one replica; None where no price is known."""
    expected_requests_per_hour: int | None = None
    expected_seconds: float | None = None


class RemarkFacts(Record):
    """Something of the plan that its reader should know."""

    code: str
    endpoint: str | None
    text: str


class FixedCostFacts(Record):
    """A part of the platform that costs money while nobody calls; see `infra.plan.aws.costs.FixedCost`."""

    name: str
    count: int
    most: int
    dollars_per_hour: float | None
    """Of one; None where no price is known, or the use alone is charged."""
    source: str
    use: str = ""


class QuotaFacts(Record):
    """A vCPU quota of the account, and how much of it the stack needs with every endpoint at its most."""

    code: str
    name: str
    default: int
    vcpu: int
    parts: tuple[str, ...]


class Facts(Record):
    """One plan."""

    stack: str
    domain: str
    price_date: str
    price_source: str
    endpoints: tuple[EndpointFacts, ...]
    remarks: tuple[RemarkFacts, ...]
    fixed: tuple[FixedCostFacts, ...] = ()
    """Empty where the cluster is somebody else's."""
    quotas: tuple[QuotaFacts, ...] = ()
    ceiling_dollars_per_hour: float | None = None
    """Most that the stack may cost."""
    is_spot_first: bool = False
    """Whether nodes are bought as spot where there is some, so that prices on demand are an upper bound."""
    is_protected: bool = True
    """Whether what holds data is protected from being deleted."""


def facts_of(specs: Specs, plan: Plan) -> Facts:
    """The facts of a plan."""
    bill = NO_BILL if plan.aws is None else plan.aws.bill
    written = {endpoint.name: endpoint for endpoint in specs.spec.endpoints}
    return Facts(
        stack=plan.stack,
        domain=plan.domain,
        price_date=PRICES_READ,
        price_source=f"AWS on demand in {PRICE_REGION}, or the stack's own `nodes`",
        endpoints=tuple(_endpoint(each, written[each.name]) for each in plan.endpoints),
        remarks=tuple(
            RemarkFacts(code=each.code, endpoint=each.endpoint, text=each.text) for each in plan.remarks
        ),
        fixed=tuple(FixedCostFacts(**asdict(each)) for each in bill.fixed),
        quotas=tuple(QuotaFacts(**asdict(each)) for each in bill.quotas),
        ceiling_dollars_per_hour=bill.ceiling_dollars_per_hour,
        is_spot_first=bill.is_spot_first,
        is_protected=plan.is_protected,
    )


def _endpoint(plan: EndpointPlan, spec: Endpoint) -> EndpointFacts:
    record, hardware = plan.record, CATALOGUE[plan.record.hardware]
    return EndpointFacts(
        name=plan.name,
        url=plan.url,
        image=plan.image,
        hardware=record.hardware,
        gpus=plan.gpus,
        gpu_model=plan.nodes.gpu_model,
        vcpu=hardware.vcpu,
        instance_type=hardware.instance_type,
        replicas_per_instance=hardware.replicas_per_instance,
        min=record.scaling.min,
        max=record.scaling.max,
        timeout=record.scaling.timeout,
        queue_seconds=record.limits.queue_seconds,
        request_seconds=record.limits.request_seconds,
        start_seconds=record.limits.start_seconds,
        rollout=spec.rollout,
        access=record.access,
        ingress=record.ingress,
        is_rate_limited=record.quickstart is not None,
        secrets=tuple(sorted(set(record.secrets.values()))),
        dollars_per_hour=plan.nodes.dollars_per_hour,
        expected_requests_per_hour=spec.expected.requests_per_hour if spec.expected else None,
        expected_seconds=spec.expected.seconds if spec.expected else None,
    )
