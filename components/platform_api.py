"""The platform API: `/v1`, to which gateways forward."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Service
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.inputs import with_secrets_hash
from components.record_reader import make_record_reader
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
        make_record_reader(name, manifests.API, namespace, inside)
        Deployment(
            f"{name}-deployment",
            **with_secrets_hash(manifests.api_deployment(plan), address_hash),
            opts=inside,
        )
        Service(f"{name}-service", **manifests.api_service(plan), opts=inside)
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(manifests.API, namespace), opts=inside)
        self.register_outputs({})
