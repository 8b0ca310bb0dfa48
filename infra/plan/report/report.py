"""A report of what a change does, for people and, as JSON, for programs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.plan.facts import EndpointFacts, Facts, FixedCostFacts, QuotaFacts
from infra.plan.recording import Recording
from infra.plan.report.changes import COMPONENT_PREFIX, Change, compare, is_restarting
from infra.plan.report.costs import Costs, costs_of, total, whole_costs

KEYS = (
    "image",
    "hardware",
    "min",
    "max",
    "timeout",
    "queue_seconds",
    "request_seconds",
    "start_seconds",
    "rollout",
    "access",
    "ingress",
    "secrets",
    "url",
)
"""Facts of an endpoint whose change is told in its own words."""
FAMILIES = {"g": "G and VT", "vt": "G and VT", "p": "P", "m": "Standard (A, C, D, H, I, M, R, T, Z)"}
"""Beginning of an instance type to the vCPU quota it counts against. Source: Amazon EC2 user guide, read 2026-11."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key of an endpoint, in the words of endpoints.yaml."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint."""

    name: str
    change: Literal["added", "changed", "removed", "unchanged"]
    keys: tuple[KeyChange, ...]
    restart: str
    """What happens to running replicas, and how long it is cold."""
    costs: Costs
    costs_before: Costs | None


@dataclass(frozen=True, slots=True)
class Need:
    """What one kind of hardware needs at the most replicas."""

    hardware: str
    replicas: int
    gpus: int
    gpu_model: str
    vcpu: int
    instance_type: str
    quota: str
    available: str
    """`unknown` without credentials."""


@dataclass(frozen=True, slots=True)
class Risk:
    """An edit that deserves a second look."""

    code: str
    endpoint: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole."""

    stack: str
    base: str | None
    is_base_recorded: bool
    price_date: str
    price_source: str
    endpoints: tuple[EndpointReport, ...]
    total: Costs
    total_before: Costs | None
    needs: tuple[Need, ...]
    risks: tuple[Risk, ...]
    changes: tuple[Change, ...]
    restarts: tuple[str, ...]
    """Programs of the platform whose pods are made anew."""
    fixed: tuple[FixedCostFacts, ...]
    """Parts of the platform that cost money while nobody calls; empty where the cluster is somebody else's."""
    whole: Costs
    """Endpoints and platform together."""
    whole_before: Costs | None
    quotas: tuple[QuotaFacts, ...]
    ceiling_dollars_per_hour: float | None
    is_spot_first: bool


def report_of(before: Recording | None, after: Recording, base: str | None) -> Report:
    """What changes from one recording to the other.

    Args:
        before: of the base; None where nothing was there, or the base has no program.
        after: of the working tree.
        base: what the base is called; None where no base was asked for.
    """
    changes = compare(before, after)
    old = {each.name: each for each in before.facts.endpoints} if before else {}
    new = {each.name: each for each in after.facts.endpoints}
    by_endpoint: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_endpoint[change.endpoint or ""].append(change)
    endpoints = tuple(
        _endpoint(name, old.get(name), new.get(name), by_endpoint[name]) for name in sorted({*old, *new})
    )
    return Report(
        stack=after.stack,
        base=base,
        is_base_recorded=before is not None,
        price_date=after.facts.price_date,
        price_source=after.facts.price_source,
        endpoints=endpoints,
        total=total(costs_of(each) for each in new.values()),
        total_before=total(costs_of(each) for each in old.values()) if before else None,
        needs=tuple(_needs(after.facts)),
        risks=tuple(_risks(old, new, after.facts, changes)),
        changes=changes,
        restarts=tuple(sorted({each.name for each in by_endpoint[""] if is_restarting(each)})),
        fixed=after.facts.fixed,
        whole=whole_costs(after.facts),
        whole_before=whole_costs(before.facts) if before else None,
        quotas=after.facts.quotas,
        ceiling_dollars_per_hour=after.facts.ceiling_dollars_per_hour,
        is_spot_first=after.facts.is_spot_first,
    )


def _endpoint(
    name: str, old: EndpointFacts | None, new: EndpointFacts | None, changes: Sequence[Change]
) -> EndpointReport:
    shown = new or old
    if shown is None:
        raise ValueError(f"{name} is in neither recording")
    return EndpointReport(
        name=name,
        change=_kind(old, new, changes),
        keys=tuple(_key_changes(old, new)) if old and new else (),
        restart=_restart(old, new, changes),
        costs=costs_of(shown),
        costs_before=costs_of(old) if old and new else None,
    )


def _kind(
    old: EndpointFacts | None, new: EndpointFacts | None, changes: Sequence[Change]
) -> Literal["added", "changed", "removed", "unchanged"]:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "changed" if changes or old != new else "unchanged"


def _key_changes(old: EndpointFacts, new: EndpointFacts) -> Iterator[KeyChange]:
    for key in KEYS:
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield KeyChange(key, _text(before), _text(after))


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _restart(old: EndpointFacts | None, new: EndpointFacts | None, changes: Sequence[Change]) -> str:
    """What happens to replicas, told by what the change does to the Deployment."""
    if new is None:
        return "its URL refuses new requests, what waits is worked off, then it goes"
    starts = f"up to {new.start_seconds} s for the model, more where a node must come first"
    if old is None:
        return "starts with the first request" if new.min == 0 else f"{new.min} start: {starts}"
    workload = [change for change in changes if change.type.endswith(":Deployment")]
    if any(change.is_replaced or change.kind != "changed" for change in workload):
        return f"replaced: cold until a new replica has started, {starts}"
    if not any(is_restarting(change) for change in workload):
        return "" if not changes else "nothing restarts"
    if new.rollout == "in-place":
        return f"running replicas are exchanged one by one, each cold for {starts}; at zero nothing restarts"
    spare = f"{new.gpus} spare {new.gpu_model} GPU" if new.gpus else "room for one more replica"
    return f"running replicas are exchanged one by one, never cold, needs {spare}; at zero nothing restarts"


def _needs(facts: Facts) -> Iterator[Need]:
    by_hardware: dict[str, list[EndpointFacts]] = defaultdict(list)
    for endpoint in facts.endpoints:
        by_hardware[endpoint.hardware].append(endpoint)
    for name, endpoints in sorted(by_hardware.items()):
        one, replicas = endpoints[0], sum(each.max for each in endpoints)
        letters = one.instance_type[: next(at for at, c in enumerate(one.instance_type) if c.isdigit())]
        instances = -(-replicas // one.replicas_per_instance)
        yield Need(
            hardware=name,
            replicas=replicas,
            gpus=replicas * one.gpus,
            gpu_model=one.gpu_model,
            vcpu=instances * one.vcpu,
            instance_type=one.instance_type,
            quota=FAMILIES.get(letters, letters.upper()),
            available="unknown",
        )


def _risks(
    old: dict[str, EndpointFacts], new: dict[str, EndpointFacts], facts: Facts, changes: Sequence[Change]
) -> Iterator[Risk]:
    for remark in facts.remarks:
        yield Risk(remark.code, remark.endpoint, remark.text)
    for name, endpoint in sorted(new.items()):
        if endpoint.min == 0 and endpoint.timeout < endpoint.start_seconds:
            text = (
                f"timeout ({endpoint.timeout} s) is below start_seconds ({endpoint.start_seconds} s): it may"
            )
            yield Risk("timeout-below-start", name, f"{text} pay for a cold start more often than it serves.")
        if name in old:
            yield from _edit_risks(name, old[name], endpoint)
    for name in sorted(old.keys() - new.keys()):
        yield Risk("endpoint-removed", name, f"{old[name].url} stops answering.")
    for change in changes:
        if change.is_data and change.kind != "added":
            text = (
                f"{change.type.rpartition(':')[2]} {change.name} holds data and is {change.kind}: replacement"
            )
            yield Risk("data", change.endpoint, f"{text} unknown without `pulumi preview`.")


def _edit_risks(name: str, old: EndpointFacts, new: EndpointFacts) -> Iterator[Risk]:
    if new.max < old.max:
        yield Risk(
            "max-lowered", name, f"max falls from {old.max} to {new.max}: what is above drains, queues grow."
        )
    if new.access == "public" and old.access == "private":
        yield Risk("made-public", name, "it needed a token until now; from now on anyone may call it.")
    if new.ingress == "public" and old.ingress == "private":
        yield Risk(
            "made-reachable", name, "it was reachable from inside only; from now on from the internet."
        )
    for secret in sorted(set(old.secrets) - set(new.secrets)):
        yield Risk("secret-removed", name, f"the secret {secret} is not given to it any more.")
    if new.url != old.url:
        yield Risk("url-changed", name, f"{old.url} becomes {new.url}.")


def is_component(change: Change) -> bool:
    """Whether a change is of a component, which is a name for others and nothing by itself."""
    return change.type.startswith(COMPONENT_PREFIX)
