"""The security group of a store: reached from the cluster's nodes, reaches nobody."""

from collections.abc import Mapping
from typing import Protocol

from pulumi import Input, ResourceOptions
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule


class StorePlan(Protocol):
    """As far as a group needs to know it."""

    @property
    def name(self) -> str:
        """In AWS."""
        ...

    @property
    def port(self) -> int:
        """On which it listens."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Of all that belongs to it."""
        ...


def make_store_group(
    name: str,
    what: str,
    plan: StorePlan,
    *,
    vpc_id: Input[str],
    clients: Input[str],
    opts: ResourceOptions,
) -> SecurityGroup:
    """The group with its one rule.

    Args:
        name: of the component; begins the resources' names.
        what: it is, for who reads the group in AWS.
        plan: of the store.
        vpc_id: where it is.
        clients: the security group that may reach it: of the cluster's nodes.
        opts: of the component's children.
    """
    group = SecurityGroup(
        f"{name}-security-group",
        name=plan.name,
        description=f"{what}: reached from the cluster's nodes, reaches nobody",
        vpc_id=vpc_id,
        tags=dict(plan.tags),
        opts=opts,
    )
    SecurityGroupIngressRule(
        f"{name}-from-nodes",
        security_group_id=group.id,
        referenced_security_group_id=clients,
        description="The cluster's nodes",
        ip_protocol="tcp",
        from_port=plan.port,
        to_port=plan.port,
        tags=dict(plan.tags),
        opts=opts,
    )
    return group
