"""The way in from outside the cluster."""

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.networking.v1 import Ingress

from infra.plan.manifests.access import ingress
from infra.plan.values import IngressPlan


class EndpointIngress(pulumi.ComponentResource):
    """Creates one Ingress, of an endpoint or of all: its hosts lead to the gateway's public or all port.

    Assumes the controller of its class, and its TLS Secret or cert-manager.
    """

    def __init__(
        self, name: str, plan: IngressPlan, namespace: str, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:EndpointIngress", name, {}, opts)
        Ingress(f"{name}-ingress", **ingress(plan, namespace), opts=ResourceOptions(parent=self))
        self.register_outputs({"hosts": list(plan.hosts)})
