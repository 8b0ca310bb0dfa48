"""Software of others that the stack says to install."""

from collections.abc import Mapping

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.helm.v3 import Release

from infra.plan.values import AddonPlan


class Addons(pulumi.ComponentResource):
    """Creates one pinned Helm release each, in a namespace of its own.

    Args of note:
        learned: values that are known only once something else is made, by chart.
    """

    def __init__(
        self,
        name: str,
        plans: tuple[AddonPlan, ...],
        learned: Mapping[str, Mapping[str, Input[str]]],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Addons", name, {}, opts)
        for plan in plans:
            repository = {} if plan.repository is None else {"repository_opts": {"repo": plan.repository}}
            Release(
                f"{name}-{plan.name}",
                name=plan.name,
                chart=plan.chart,
                version=plan.version,
                namespace=plan.namespace,
                create_namespace=True,
                values={**plan.values, **learned.get(plan.name, {})},
                **repository,
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})
