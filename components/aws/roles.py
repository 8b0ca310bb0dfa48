"""IAM roles."""

import json
from collections.abc import Mapping

import pulumi
from pulumi import Output, Resource, ResourceOptions
from pulumi_aws.iam.role import Role
from pulumi_aws.iam.role_policy import RolePolicy
from pulumi_aws.iam.role_policy_attachment import RolePolicyAttachment

from infra.plan.aws.roles import RolePlan, policy_document, trust_document
from infra.plan.aws.scope import Scope


class Roles(pulumi.ComponentResource):
    """Creates each role with what it may do; all are found by the names of their plans."""

    def __init__(
        self, name: str, plans: tuple[RolePlan, ...], scope: Scope, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:Roles", name, {}, opts)
        self._arns: dict[str, Output[str]] = {}
        self._names: dict[str, Output[str]] = {}
        self._permissions: dict[str, list[Resource]] = {}
        self._tags = {plan.name: dict(scope.tagged(plan.name)) for plan in plans}
        for plan in plans:
            role = Role(
                f"{name}-{plan.name}",
                name=plan.role_name,
                description=plan.reason,
                assume_role_policy=json.dumps(trust_document(plan, scope.account), sort_keys=True),
                tags=self._tags[plan.name],
                opts=ResourceOptions(parent=self),
            )
            self._arns[plan.name], self._names[plan.name] = role.arn, role.name
            self._permissions[plan.name] = _permit(f"{name}-{plan.name}", plan, role, self)
        self.register_outputs({"arns": self._arns})

    def arn(self, name: str) -> Output[str]:
        """ARN of the role of that plan."""
        return self._arns[name]

    def name_of(self, name: str) -> Output[str]:
        """In IAM."""
        return self._names[name]

    def permissions(self, name: str) -> list[Resource]:
        """What a role must have before something takes it: to be waited for, with `depends_on`."""
        return self._permissions[name]

    def tags(self, name: str) -> Mapping[str, str]:
        """Tags of the role, and of what binds it."""
        return self._tags[name]


def _permit(name: str, plan: RolePlan, role: Role, parent: Resource) -> list[Resource]:
    inside = ResourceOptions(parent=parent)
    attached: list[Resource] = [
        RolePolicyAttachment(f"{name}-{arn.rpartition('/')[2]}", role=role.name, policy_arn=arn, opts=inside)
        for arn in plan.managed
    ]
    if not plan.statements:
        return attached
    document = json.dumps(policy_document(plan), sort_keys=True)
    own = RolePolicy(f"{name}-policy", name=plan.name, role=role.name, policy=document, opts=inside)
    return [*attached, own]
