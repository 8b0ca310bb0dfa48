"""IAM roles as the plan decides them: who takes one, what it may do, and why each statement stands there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Trust = Literal["pods", "ec2", "eks", "vpc-flow-logs", "rds-monitoring"]
SERVICES: Mapping[Trust, str] = {
    "pods": "pods.eks.amazonaws.com",
    "ec2": "ec2.amazonaws.com",
    "eks": "eks.amazonaws.com",
    "vpc-flow-logs": "vpc-flow-logs.amazonaws.com",
    "rds-monitoring": "monitoring.rds.amazonaws.com",
}
"""Who may take a role."""
POLICY_VERSION = "2012-10-17"
"""Of the policy language; an older one knows no variables."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One permission, with its reason."""

    sid: str
    reason: str
    actions: tuple[str, ...]
    """Sorted."""
    resources: tuple[str, ...]
    """Sorted; `*` only where the action knows no resource, which the reason then says."""
    conditions: Mapping[str, Mapping[str, str | tuple[str, ...]]] = field(default_factory=dict)
    """Operator to condition key to value."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Kubernetes identity that takes a role through Pod Identity."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class RolePlan:
    """One role."""

    name: str
    """Of the resource, as `autoscaler`."""
    role_name: str
    """In IAM."""
    reason: str
    trust: Trust
    statements: tuple[Statement, ...]
    managed: tuple[str, ...] = ()
    """ARNs of policies that AWS keeps, sorted; only where AWS says that a service needs them."""
    service_accounts: tuple[ServiceAccount, ...] = ()
    """With `trust: pods`."""


def policy_document(role: RolePlan) -> dict[str, Any]:
    """What a role may do, as IAM reads it."""
    return {"Version": POLICY_VERSION, "Statement": [_statement(each) for each in role.statements]}


def trust_document(role: RolePlan, account: str) -> dict[str, Any]:
    """Who may take a role; on behalf of this account only, so that nobody's request is passed on to it."""
    actions = ["sts:AssumeRole", "sts:TagSession"] if role.trust == "pods" else ["sts:AssumeRole"]
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": SERVICES[role.trust]},
        "Action": actions,
    }
    if role.trust in {"pods", "vpc-flow-logs", "rds-monitoring"}:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def _statement(statement: Statement) -> dict[str, Any]:
    conditions = {
        operator: {
            key: list(value) if isinstance(value, tuple) else value for key, value in sorted(tests.items())
        }
        for operator, tests in sorted(statement.conditions.items())
    }
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
        **({"Condition": conditions} if conditions else {}),
    }
