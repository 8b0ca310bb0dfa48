"""Buckets: large bodies and results, weights, and the load balancers' access logs.

The object store names an object by its request's id (`<endpoint>.<hex>.body`, `<endpoint>.<hex>.<attempt>.answer`), and
a lifecycle tells objects apart by how names begin, not by how they end: so bodies and answers go after the same time,
that of bodies. An answer cannot be fetched any more after 24 hours all the same, for the queue has forgotten it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.plan.aws.roles import POLICY_VERSION
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

OBJECTS, WEIGHTS, LOGS = "objects", "weights", "logs"
OBJECT_DAYS = 9
"""A day in the queue, the seven days of a dead letter, and a day for one that is let run again on the last of them."""
MULTIPART_DAYS = 1
"""An upload that was not completed by then never will be."""
LOG_SENDER = "logdelivery.elasticloadbalancing.amazonaws.com"
"""Source: Elastic Load Balancing User Guide, "Enable access logs for your Application Load Balancer", 2026-11."""


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """One bucket: private, versioned, encrypted, reached by TLS only."""

    role: str
    """`objects`, `weights` or `logs`; of the resource."""
    bucket: str
    """Its name in S3."""
    encryption: Literal["AES256", "aws:kms"]
    """`aws:kms` with the key `data`. Load balancers write to `AES256` only: ELB User Guide, "Enable access logs for
    your Application Load Balancer" ("the only server-side encryption option that's supported"), 2026-11."""
    days: int | None
    """When objects go; None where somebody removes them."""
    noncurrent_days: int
    """How long what was overwritten or removed can be brought back."""
    policy: Mapping[str, Any]
    """Who may do what, besides IAM."""
    tags: Mapping[str, str]
    is_protected: bool


def plan_buckets(scope: Scope, aws: Aws) -> tuple[BucketPlan, ...]:
    """The buckets of a stack, sorted by role."""
    buckets = [_bucket(scope, OBJECTS, OBJECT_DAYS, noncurrent_days=1)]
    if aws.cold_start.weights_bucket:
        buckets.append(_bucket(scope, WEIGHTS, None, noncurrent_days=30))
    if aws.ingress.access_log_days is not None:
        buckets.append(_bucket(scope, LOGS, aws.ingress.access_log_days, noncurrent_days=1))
    return tuple(sorted(buckets, key=lambda bucket: bucket.role))


def bucket_arn(scope: Scope, role: str) -> str:
    """The ARN of a bucket; there is one of that name in the whole world."""
    return f"arn:aws:s3:::{scope.bucket(role)}"


def _bucket(scope: Scope, role: str, days: int | None, *, noncurrent_days: int) -> BucketPlan:
    is_log = role == LOGS
    statements = [_tls_only(scope, role), *([_log_delivery(scope)] if is_log else [])]
    return BucketPlan(
        role=role,
        bucket=scope.bucket(role),
        encryption="AES256" if is_log else "aws:kms",
        days=days,
        noncurrent_days=noncurrent_days,
        policy={"Version": POLICY_VERSION, "Statement": statements},
        tags={**scope.tags, "Name": scope.bucket(role)},
        is_protected=scope.is_protected,
    )


def _tls_only(scope: Scope, role: str) -> dict[str, Any]:
    arn = bucket_arn(scope, role)
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _log_delivery(scope: Scope) -> dict[str, Any]:
    """Load balancers write their logs; those of another account write below another number than this one's."""
    arn = bucket_arn(scope, LOGS)
    return {
        "Sid": "LoadBalancerLogs",
        "Effect": "Allow",
        "Principal": {"Service": LOG_SENDER},
        "Action": "s3:PutObject",
        "Resource": [f"{arn}/*/AWSLogs/{scope.account}/*", f"{arn}/AWSLogs/{scope.account}/*"],
    }
