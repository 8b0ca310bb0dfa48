"""The namespaces of a stack, closed but for the flows that the plan names."""

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import Namespace, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components.inputs import arguments
from infra.plan.manifests import namespaces as manifests
from infra.plan.values import NamespacePlan, NetworkPlan


class Namespaces(pulumi.ComponentResource):
    """Creates namespaces under their Pod Security levels, network policies, and the replicas' identity.

    Assumes a network plugin that enforces NetworkPolicy; where there is none the policies are without effect.
    """

    def __init__(
        self,
        name: str,
        plans: tuple[NamespacePlan, ...],
        network: NetworkPlan,
        *,
        is_protected: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Namespaces", name, {}, opts)
        # Disks go with their namespace, so it is kept as they are.
        inside = ResourceOptions(parent=self, protect=is_protected, retain_on_delete=is_protected)
        self.created = [self._one(plan, network, inside) for plan in plans]
        self.register_outputs({"names": [each.metadata.name for each in self.created]})

    def _one(self, plan: NamespacePlan, network: NetworkPlan, inside: ResourceOptions) -> Namespace:
        created = Namespace(plan.name, **manifests.namespace(plan), opts=inside)
        within = ResourceOptions(parent=self, depends_on=[created])
        for policy, manifest in manifests.policies(plan, network).items():
            NetworkPolicy(f"{plan.name}-{policy}", **manifest, opts=within)
        if not plan.is_platform:
            ServiceAccount(f"{plan.name}-replica", **arguments(manifests.replica_account(plan)), opts=within)
        return created
