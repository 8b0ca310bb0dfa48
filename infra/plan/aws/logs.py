"""Log groups of CloudWatch: how they are called, and how long they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.aws.scope import PREFIX, Scope

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs keeps a group. Source: its API, PutRetentionPolicy, 2026-11."""


@dataclass(frozen=True, slots=True)
class LogGroupPlan:
    """One log group, encrypted with the key `logs`."""

    name: str
    """Of the resource."""
    group_name: str
    """In CloudWatch."""
    days: int
    tags: Mapping[str, str]


def log_group(scope: Scope, name: str, days: int, *, group_name: str | None = None) -> LogGroupPlan:
    """A log group that is kept at least so many days.

    Args:
        scope: the stack.
        name: of the resource.
        days: how long it is kept; rounded up to what CloudWatch knows.
        group_name: where a service asks for a name of its own; `stack_log_group` otherwise.
    """
    given = stack_log_group(scope, name) if group_name is None else group_name
    return LogGroupPlan(name, given, retention_days(days), scope.tagged(name))


def stack_log_group(scope: Scope, name: str) -> str:
    """How a log group is called whose name nobody else decides: the key `logs` serves all that begin so."""
    return f"/{PREFIX}/{scope.stack}/{name}"


def cluster_log_group(scope: Scope) -> str:
    """Where EKS writes the control plane's logs, whatever one asks for."""
    return f"/aws/eks/{scope.cluster}/cluster"


def retention_days(days: int) -> int:
    """The next number of days, up, that CloudWatch knows."""
    return next((known for known in RETENTIONS if known >= days), RETENTIONS[-1])
