"""The secrets of endpoints, brought to where their replicas can read them."""

from collections.abc import Mapping

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Secret
from pulumi_random import RandomPassword

from infra.plan.digests import PASSWORD_CHARACTERS, secrets_hash
from infra.plan.manifests import access as manifests
from infra.plan.values import EndpointPlan, Plan


class SecretStore(pulumi.ComponentResource):
    """Creates a Secret for each secret in each namespace that reads it, or the ExternalSecret that brings it.

    With `secrets: present` nothing is created. Assumes External Secrets and its store for `external`.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        values: Mapping[str, Output[str]],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:SecretStore", name, {}, opts)
        inside = ResourceOptions(parent=self)
        self._values = values if plan.holds_secrets else {}
        key = RandomPassword(f"{name}-hash-key", length=PASSWORD_CHARACTERS, special=False, opts=inside)
        self._key: Output[str] = key.result
        for secret in plan.secrets:
            if plan.secret_store is not None:
                brought = manifests.external_secret(secret, plan.secret_store)
                CustomResource(
                    f"{name}-{secret.name}",
                    manifests.EXTERNAL_SECRETS,
                    "ExternalSecret",
                    **brought,
                    opts=inside,
                )
            elif plan.holds_secrets:
                value = {manifests.VALUE_KEY: values[secret.secret]}
                Secret(f"{name}-{secret.name}", **manifests.secret(secret), string_data=value, opts=inside)
        self.register_outputs({})

    def hash_of(self, endpoint: EndpointPlan) -> Output[str] | None:
        """What changes with the secrets that an endpoint reads; None where the stack does not hold them."""
        read = [self._values[env.secret] for env in endpoint.secret_env if env.secret in self._values]
        if not read:
            return None
        keyed = Output.all(self._key, *read)
        return Output.unsecret(keyed.apply(lambda found: secrets_hash(found[0], found[1:])))
