"""Where a stack lives in AWS, and how all that it makes there is called."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.spec.source import Finding
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws
from infra.spec.wording import shown

PREFIX = "moorage"
OWNER_TAG = "moorage:stack"
"""The tag by which a stack's resources are told from all others: roles and budgets are bound by it."""
LONGEST_STACK = 26
"""Characters of a stack's name: a queue's, `moorage-<stack>-queue`, has 40 at most, and all others more. Source:
ElastiCache API, CreateReplicationGroup, 2026-11."""
_STACK = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
LONGEST_NAME = 32
"""Characters of a load balancer's name, the shortest bound of any. Source: ELB API, CreateLoadBalancer, 2026-11."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The place of one stack: every name and ARN of it is known before anything is made."""

    stack: str
    account: str
    region: str
    zones: tuple[str, ...]
    """Names of the availability zones, as eu-central-1a."""
    cluster: str
    """Name of the EKS cluster."""
    domain: str
    namespace: str
    """Of the platform."""
    endpoint_namespaces: tuple[str, str]
    tags: Mapping[str, str]
    """Of every resource, sorted by key."""
    is_protected: bool

    @property
    def name(self) -> str:
        """Begins the name of every resource."""
        return f"{PREFIX}-{self.stack}"

    def named(self, role: str) -> str:
        """The name of one resource."""
        return f"{self.name}-{role}"

    def tagged(self, role: str) -> dict[str, str]:
        """The tags of one resource, its name among them."""
        return {**self.tags, "Name": self.named(role)}

    def bucket(self, role: str) -> str:
        """The name of a bucket: names are the whole world's, so the account is part of it."""
        return f"{self.name}-{role}-{self.account}"

    def arn(self, service: str, resource: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """An ARN of this account that has no region, as IAM's."""
        return f"arn:aws:{service}::{self.account}:{resource}"


def stack_name_findings(name: str) -> Iterator[Finding]:
    """A fault where buckets, queue and databases cannot bear the stack's name: AWS would say so one by one, midway."""
    if len(name) <= LONGEST_STACK and _STACK.fullmatch(name):
        return
    what = f"{shown(name)} cannot be part of the names of buckets and databases."
    mend = f"Call the stack by up to {LONGEST_STACK} small letters, digits and single -, beginning with a letter."
    yield Finding(("aws",), what, mend, "name-form")


def scope_of(stack: Stack, aws: Aws, name: str) -> Scope:
    """The scope of a stack of that name."""
    existing = aws.cluster.existing
    own = {"moorage:managed-by": "pulumi", OWNER_TAG: name}
    return Scope(
        stack=name,
        account=aws.account,
        region=aws.region,
        zones=tuple(f"{aws.region}{letter}" for letter in sorted(set(aws.network.zones))),
        cluster=f"{PREFIX}-{name}" if existing is None else existing.name,
        domain=stack.domain,
        namespace=stack.namespace,
        endpoint_namespaces=stack.endpoint_namespaces,
        tags=dict(sorted({**aws.tags, **own}.items())),
        is_protected=stack.protect,
    )
