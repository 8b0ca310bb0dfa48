"""The platform API: `/v1`, to which gateways forward."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Service, ServiceAccount
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

from components.inputs import arguments, with_secrets_hash
from infra.plan.manifests import gateway as manifests
from infra.plan.values import Plan


class PlatformApi(pulumi.ComponentResource):
    """Creates the API's Deployment and Service, and its right to read records.

    Assumes the queue's and the tokens' Secrets in its namespace.
    """

    def __init__(
        self, name: str, plan: Plan, address_hash: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:PlatformApi", name, {}, opts)
        inside = ResourceOptions(parent=self)
        namespace = plan.api.namespace
        ServiceAccount(
            f"{name}-identity",
            **arguments(manifests.service_account(manifests.API, namespace, is_token_needed=True)),
            opts=inside,
        )
        Role(f"{name}-role", **manifests.reader_role(manifests.API, namespace), opts=inside)
        RoleBinding(
            f"{name}-binding",
            **arguments(manifests.role_binding(manifests.API, namespace, namespace)),
            opts=inside,
        )
        body = manifests.api_deployment(plan)
        Deployment(
            f"{name}-deployment",
            metadata=body["metadata"],
            spec=with_secrets_hash(body["spec"], address_hash),
            opts=inside,
        )
        Service(f"{name}-service", **manifests.api_service(plan), opts=inside)
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(manifests.API, namespace), opts=inside)
        self.register_outputs({})
