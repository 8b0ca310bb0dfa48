"""Which service account takes which role."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_aws.eks.pod_identity_association import PodIdentityAssociation

from components.aws.roles import Roles
from infra.plan.aws.roles import RolePlan


class PodIdentities(pulumi.ComponentResource):
    """Binds each service account of each role that pods take; the rest of the roles is passed over."""

    def __init__(
        self,
        name: str,
        plans: tuple[RolePlan, ...],
        roles: Roles,
        cluster_name: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:PodIdentities", name, {}, opts)
        bound = [(plan, account) for plan in plans for account in plan.service_accounts]
        for plan, account in bound:
            PodIdentityAssociation(
                f"{name}-{plan.name}-{account.namespace}-{account.name}",
                cluster_name=cluster_name,
                namespace=account.namespace,
                service_account=account.name,
                role_arn=roles.arn(plan.name),
                tags=dict(roles.tags(plan.name)),
                # A pod that starts with a role that may do nothing yet fails, and may not be started again.
                opts=ResourceOptions(parent=self, depends_on=roles.permissions(plan.name)),
            )
        self.register_outputs({})
