"""The scaler: turns demand into replicas."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Service, ServiceAccount
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

from components.inputs import arguments, with_secrets_hash
from infra.plan.manifests import scaler as manifests
from infra.plan.manifests.gateway import budget, role_binding, service_account
from infra.plan.values import Plan


class QueueScaler(pulumi.ComponentResource):
    """Creates the scaler's Deployment of two, and its rights: records, its Lease, pods and scales.

    It makes its Lease itself. With `scaler: keda` it also gets the Service that KEDA's operator asks.
    """

    def __init__(
        self, name: str, plan: Plan, address_hash: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:QueueScaler", name, {}, opts)
        inside = ResourceOptions(parent=self)
        scaler = plan.scaler
        own = scaler.namespace
        ServiceAccount(
            f"{name}-identity",
            **arguments(service_account(manifests.SCALER, own, is_token_needed=True)),
            opts=inside,
        )
        roles = {own: manifests.platform_role(scaler)}
        roles |= {namespace: manifests.endpoints_role(namespace) for namespace in scaler.endpoint_namespaces}
        for namespace, role in roles.items():
            Role(f"{name}-role-{namespace}", **role, opts=inside)
            binding = role_binding(manifests.SCALER, namespace, own)
            RoleBinding(f"{name}-binding-{namespace}", **arguments(binding), opts=inside)
        Deployment(
            f"{name}-deployment",
            **with_secrets_hash(manifests.deployment(plan), address_hash),
            opts=inside,
        )
        PodDisruptionBudget(f"{name}-budget", **budget(manifests.SCALER, own), opts=inside)
        if scaler.mode == "keda":
            Service(f"{name}-service", **manifests.service(plan), opts=inside)
        self.register_outputs({})
