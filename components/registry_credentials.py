"""Logins to private registries, as kubelet reads them."""

from collections.abc import Mapping

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Secret

from infra.plan.digests import docker_config
from infra.plan.manifests import access as manifests
from infra.plan.values import Plan, RegistryPlan


class RegistryCredentials(pulumi.ComponentResource):
    """Creates a dockerconfigjson Secret for each registry in each namespace that pulls from it.

    A new password is an update in place: nothing is replaced and no pod rolls, for only a pull reads it.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        values: Mapping[str, Output[str]],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:RegistryCredentials", name, {}, opts)
        inside = ResourceOptions(parent=self)
        for login in plan.registries:
            if plan.secret_store is not None:
                brought = manifests.external_login(login, plan.secret_store)
                CustomResource(
                    f"{name}-{login.name}",
                    manifests.EXTERNAL_SECRETS,
                    "ExternalSecret",
                    **brought,
                    opts=inside,
                )
            elif plan.holds_secrets:
                content = _docker_config(login, values[login.password_secret])
                Secret(
                    f"{name}-{login.name}",
                    **manifests.login(login),
                    string_data={manifests.DOCKER_CONFIG: content},
                    opts=inside,
                )
        self.register_outputs({})


def _docker_config(login: RegistryPlan, password: Output[str]) -> Output[str]:
    return password.apply(lambda found: docker_config(login.server, login.username, found))
