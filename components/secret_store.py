"""The secrets of endpoints, brought to where their replicas can read them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Secret
from pulumi_random import RandomPassword

from infra.plan.digests import PASSWORD_CHARACTERS, secrets_hash
from infra.plan.manifests import access as manifests
from infra.plan.manifests.parts import SECRETS_HASH
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
        self._brought: dict[tuple[str, str], CustomResource] = {}
        for secret in plan.secrets:
            if plan.secret_store is not None:
                brought = manifests.external_secret(secret, plan.secret_store)
                self._brought[secret.object_name, secret.namespace] = CustomResource(
                    f"{name}-{secret.name}",
                    manifests.EXTERNAL_SECRETS,
                    "ExternalSecret",
                    **self._noted(brought, secret.secret),
                    opts=inside,
                )
            elif plan.holds_secrets:
                value = {manifests.VALUE_KEY: values[secret.secret]}
                Secret(f"{name}-{secret.name}", **manifests.secret(secret), string_data=value, opts=inside)
        self.register_outputs({})

    def hash_of(self, endpoint: EndpointPlan) -> Output[str] | None:
        """What changes with the secrets that an endpoint reads; None where the stack does not hold them.

        It is known once they have been asked for anew: pods that roll with it are to read the new ones.
        """
        read = [self._values[env.secret] for env in endpoint.secret_env if env.secret in self._values]
        if not read:
            return None
        places = [(env.object_name, endpoint.namespace) for env in endpoint.secret_env]
        asked = [self._brought[place].id for place in places if place in self._brought]
        both = Output.all(self._hashed(read), *asked)
        return both.apply(lambda found: str(found[0]))

    def _noted(self, brought: dict[str, Any], secret: str) -> dict[str, Any]:
        """With what changes with its value, where the stack holds it: any change makes External Secrets look."""
        if secret not in self._values:
            return brought
        noted = {SECRETS_HASH: self._hashed([self._values[secret]])}
        return {**brought, "metadata": {**brought["metadata"], "annotations": noted}}

    def _hashed(self, values: Sequence[Output[str]]) -> Output[str]:
        keyed = Output.all(self._key, *values)
        return Output.unsecret(keyed.apply(lambda found: secrets_hash(found[0], found[1:])))
