"""Which vCPU quotas of the account a stack needs, and how much of each, with every endpoint at its most. Pure.

Sources:
- names, codes: EC2 Service Quotas, each code as shown by the console's address for it, read 2026-11-25;
- defaults: AWS CLI user guide, GetAWSDefaultServiceQuota (Standard, on demand: 5); Amazon EC2 user guide, Spot
  Instance quotas (Standard 5, others 0); a public dump of ListAWSDefaultServiceQuotas (G and VT, P, on demand: 0).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from infra.spec.hardware import CATALOGUE
from infra.spec.stack_aws import Aws

Bought = Literal["on-demand", "spot"]
Family = Literal["G and VT", "P", "Standard"]


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota on vCPUs that run at one time in one region of an account."""

    code: str
    name: str
    default: int
    """Of a new account; AWS raises it as it is asked for, or as the account is used."""


@dataclass(frozen=True, slots=True)
class QuotaNeed:
    """How much of a quota a stack needs."""

    code: str
    name: str
    default: int
    vcpu: int
    parts: tuple[str, ...]
    """What it is made up of, as `4 × g5.xlarge (a10g.1)`."""


QUOTAS: Mapping[tuple[Bought, Family], Quota] = {
    # Some accounts still show P5 as spot under a quota of its own, L-C4BD4855.
    ("on-demand", "G and VT"): Quota("L-DB2E81BA", "Running On-Demand G and VT instances", 0),
    ("on-demand", "P"): Quota("L-417A185B", "Running On-Demand P instances", 0),
    ("on-demand", "Standard"): Quota(
        "L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5
    ),
    ("spot", "G and VT"): Quota("L-3819A6DF", "All G and VT Spot Instance Requests", 0),
    ("spot", "P"): Quota("L-7212CCBC", "All P Spot Instance Requests", 0),
    ("spot", "Standard"): Quota(
        "L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5
    ),
}
FAMILIES: Mapping[str, Family] = {"g": "G and VT", "vt": "G and VT", "p": "P"}
"""Letters of an instance type that is not of the standard families. Source: as above."""
STANDARD = frozenset({*"acdhimrtz", "im", "is"})
"""Letters of those that are. Source: as above; Inf, Trn, DL, F, X and High Memory have quotas of their own."""
SIZES = {"nano": 2, "micro": 2, "small": 2, "medium": 1, "large": 2, "xlarge": 4}
"""vCPUs of a size; of a T family's `medium` it is 2. Source: Amazon EC2 instance types guide, read 2026-11."""


def quota_needs(aws: Aws, replicas: Mapping[str, int]) -> tuple[QuotaNeed, ...]:
    """What the stack needs of each quota, sorted by the quota's name.

    Nodes that are bought as spot count twice: once of the spot quota, once of the on-demand quota on which they
    fall back. Instances that a warm pool keeps stopped count once they start, as replicas.

    Args:
        aws: the settings.
        replicas: name of the hardware catalogue to the most replicas of all endpoints on it.
    """
    found: dict[tuple[Bought, Family], list[tuple[str, int]]] = defaultdict(list)
    for hardware, most in sorted(replicas.items()):
        known = CATALOGUE[hardware]
        count = -(-most // known.replicas_per_instance)
        for bought in _bought(aws, hardware):
            _add(
                found,
                bought,
                known.instance_type,
                f"{count} × {known.instance_type} ({hardware})",
                count * known.vcpu,
            )
    system = aws.cluster.system
    if aws.cluster.existing is None:
        vcpu = vcpus(system.instance_type)
        part = f"{system.max} × {system.instance_type} (system{'' if vcpu else ', size not known'})"
        _add(found, "on-demand", system.instance_type, part, system.max * (vcpu or 0))
    needs = (_need(QUOTAS[key], parts) for key, parts in found.items())
    return tuple(sorted(needs, key=lambda need: need.name))


def family_of(instance_type: str) -> Family | None:
    """The family of quotas that an instance type counts against; None where it is not known here."""
    letters = _letters(instance_type)
    return "Standard" if letters in STANDARD else FAMILIES.get(letters)


def vcpus(instance_type: str) -> int | None:
    """How many vCPUs an instance type without GPUs has, by its size; None where that says nothing, as `metal`."""
    family, _, size = instance_type.partition(".")
    if size == "medium" and family.startswith("t"):
        return 2
    if size in SIZES:
        return SIZES[size]
    count = size.removesuffix("xlarge")
    return int(count) * SIZES["xlarge"] if count != size and count.isdigit() else None


def _bought(aws: Aws, hardware: str) -> tuple[Bought, ...]:
    """As what nodes may be bought; a reservation is of on-demand capacity."""
    if aws.capacity.first == "on-demand" or hardware in aws.capacity.reservations:
        return ("on-demand",)
    return ("on-demand", "spot")


def _add(
    found: dict[tuple[Bought, Family], list[tuple[str, int]]],
    bought: Bought,
    instance_type: str,
    part: str,
    vcpu: int,
) -> None:
    family = family_of(instance_type)
    if family is not None:
        found[bought, family].append((part, vcpu))


def _need(quota: Quota, parts: list[tuple[str, int]]) -> QuotaNeed:
    return QuotaNeed(
        quota.code,
        quota.name,
        quota.default,
        sum(vcpu for _, vcpu in parts),
        tuple(part for part, _ in parts),
    )


def _letters(instance_type: str) -> str:
    return instance_type[: next(at for at, each in enumerate(instance_type) if each.isdigit())]
