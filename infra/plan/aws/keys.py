"""Keys of KMS: what each encrypts, and who may use it without being asked for by an IAM policy.

A key's policy names the account, so that IAM policies count at all, and beside it only services that act on
their own. Programs of the stack get theirs from `key_statement`, which finds the key by its alias: its ARN is
not known before it is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.plan.aws.logs import cluster_log_group, stack_log_group
from infra.plan.aws.roles import POLICY_VERSION, Statement
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

KeyName = Literal["cluster", "data", "logs"]
Conditions = Mapping[str, Mapping[str, str | tuple[str, ...]]]
USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What a service does with a key. Source: EC2 Auto Scaling User Guide, "Required AWS KMS key policy for use
with encrypted volumes", and CloudWatch Logs User Guide, "Encrypt log data"; read 2026-11, wildcards spelt out."""
READ_AND_WRITE = ("kms:Decrypt", "kms:GenerateDataKey")
"""What a program needs that reads and writes encrypted objects."""
READ = ("kms:Decrypt",)
GRANT: Conditions = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
"""With `kms:CreateGrant`: to an AWS service only, for a resource of the caller's."""
_AUTOSCALING = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
_SPOT = "aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
_DELETION_DAYS = 30
_ROTATION_DAYS = 365


@dataclass(frozen=True, slots=True)
class KeyService:
    """A service that uses a key on its own, and for what."""

    sid: str
    reason: str
    principal: Mapping[str, str]
    """As a key's policy names it; `*` only together with a condition that names the callers."""
    actions: tuple[str, ...]
    """Sorted."""
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """One key."""

    name: KeyName
    """Of the resource."""
    alias: str
    reason: str
    account: str
    services: tuple[KeyService, ...]
    tags: Mapping[str, str]
    is_protected: bool
    rotation_days: int = field(default=_ROTATION_DAYS)
    deletion_days: int = field(default=_DELETION_DAYS)
    """How long a deletion may be taken back."""


def plan_keys(scope: Scope, aws: Aws) -> tuple[KeyPlan, ...]:
    """The keys of a stack, sorted by name; without `cluster` where the cluster is there already."""
    keys = [
        _key(
            scope,
            "data",
            "Encrypts what is kept: disks, buckets, cache, database, secrets, shared volumes and images.",
            _disk_services(scope, aws),
        ),
        _key(
            scope,
            "logs",
            "Encrypts log groups apart from data: who may read logs need not read data.",
            (_log_service(scope, aws),),
        ),
    ]
    if aws.cluster.existing is None:
        keys.append(
            _key(scope, "cluster", "Encrypts the Secrets in the cluster's own database once more.", ())
        )
    return tuple(sorted(keys, key=lambda key: key.name))


def key_alias(scope: Scope, name: KeyName) -> str:
    """The name of a key, by which IAM policies and references find it."""
    return f"alias/{scope.named(name)}"


def key_statement(
    scope: Scope,
    name: KeyName,
    *,
    sid: str,
    reason: str,
    actions: tuple[str, ...] = READ_AND_WRITE,
    conditions: Conditions | None = None,
) -> Statement:
    """The permission of a role to use one key of the stack, and no other key of the account.

    A changed alias takes up to five minutes to count.
    Source: KMS Developer Guide, "Use aliases to control access to KMS keys", 2026-11.
    """
    by_alias: Conditions = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key_alias(scope, name)}}
    return Statement(
        sid=sid,
        reason=f"{reason} The key is found by its alias.",
        actions=tuple(sorted(actions)),
        resources=(scope.arn("kms", "key/*"),),
        conditions={**by_alias, **(conditions or {})},
    )


def key_policy(plan: KeyPlan) -> dict[str, Any]:
    """Who may use a key, as KMS reads it; `*` is this key, as in every key's policy."""
    account = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{plan.account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": POLICY_VERSION, "Statement": [account, *map(_service_statement, plan.services)]}


def _service_statement(service: KeyService) -> dict[str, Any]:
    return {
        "Sid": service.sid,
        "Effect": "Allow",
        "Principal": dict(service.principal),
        "Action": list(service.actions),
        "Resource": "*",
        "Condition": {
            operator: {
                key: list(value) if isinstance(value, tuple) else value for key, value in tests.items()
            }
            for operator, tests in sorted(service.conditions.items())
        },
    }


def _key(scope: Scope, name: KeyName, reason: str, services: tuple[KeyService, ...]) -> KeyPlan:
    return KeyPlan(
        name=name,
        alias=key_alias(scope, name),
        reason=reason,
        account=scope.account,
        services=services,
        tags=scope.tagged(name),
        is_protected=scope.is_protected,
    )


def _disk_services(scope: Scope, aws: Aws) -> tuple[KeyService, ...]:
    """The roles by which AWS starts the nodes, whose disks are encrypted.

    They are named in a condition and not as principals: in a new account they do not exist before the first
    group of instances is made, and KMS refuses a policy that names a principal which does not exist.
    """
    takes_spot = aws.capacity.first == "spot" or aws.capacity.autoscaler == "karpenter"
    roles = (_AUTOSCALING, _SPOT) if takes_spot else (_AUTOSCALING,)
    callers: dict[str, str | tuple[str, ...]] = {
        "aws:PrincipalArn": tuple(scope.global_arn("iam", f"role/{role}") for role in roles),
        "kms:CallerAccount": scope.account,
    }
    return (
        KeyService(
            "NodeDisks",
            "Nodes are started on the stack's behalf, and their disks are encrypted.",
            {"AWS": "*"},
            USE,
            {"StringEquals": callers},
        ),
        KeyService(
            "NodeDiskGrants",
            "A disk is used by EC2 as long as it is attached, by a grant for that disk.",
            {"AWS": "*"},
            ("kms:CreateGrant",),
            {**GRANT, "StringEquals": callers},
        ),
    )


def _log_service(scope: Scope, aws: Aws) -> KeyService:
    groups = [stack_log_group(scope, "*")]
    if aws.cluster.existing is None:
        groups.append(cluster_log_group(scope))
    if aws.database is not None:
        groups.append(f"/aws/rds/instance/{scope.name}-*")
    return KeyService(
        "LogGroups",
        "CloudWatch Logs encrypts what it is sent, in this stack's log groups only.",
        {"Service": f"logs.{scope.region}.amazonaws.com"},
        USE,
        {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": tuple(
                    scope.arn("logs", f"log-group:{group}") for group in sorted(groups)
                )
            }
        },
    )
