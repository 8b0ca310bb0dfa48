"""Grafana's dashboards."""

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap

from infra.plan.monitoring.dashboards import DashboardPlan, dashboard_manifest


class Dashboards(pulumi.ComponentResource):
    """Creates a ConfigMap a dashboard in the platform's namespace, where Grafana's sidecar finds it by its label."""

    def __init__(
        self,
        name: str,
        plans: tuple[DashboardPlan, ...],
        namespace: str,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Dashboards", name, {}, opts)
        for plan in plans:
            ConfigMap(
                f"{name}-{plan.name}",
                **dashboard_manifest(plan, namespace),
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})
