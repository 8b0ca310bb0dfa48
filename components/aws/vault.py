"""The stack's secrets in AWS Secrets Manager."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.secretsmanager.secret import Secret
from pulumi_aws.secretsmanager.secret_version import SecretVersion
from pulumi_kubernetes.apiextensions import CustomResource

from infra.plan.aws.vault import VaultPlan, cluster_secret_store
from infra.plan.manifests.access import EXTERNAL_SECRETS


class Vault(pulumi.ComponentResource):
    """Creates an entry and its value for each secret of the stack, and the store by which they are read.

    `values` has the value of each entry by the secret's name; `key_arn` is of the key that encrypts them; the
    store is made after `store_after`: External Secrets with its role. `store` is None where nothing is read.
    """

    def __init__(
        self,
        name: str,
        plan: VaultPlan,
        values: Mapping[str, Output[str]],
        *,
        key_arn: Input[str],
        store_after: Sequence[Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Vault", name, {}, opts)
        inside = ResourceOptions(parent=self)
        versions: list[Resource] = []
        for entry in plan.entries:
            secret = Secret(
                f"{name}-{entry.secret}",
                name=entry.entry,
                kms_key_id=key_arn,
                recovery_window_in_days=plan.recovery_days,
                tags=dict(entry.tags),
                opts=inside,
            )
            version = SecretVersion(
                f"{name}-{entry.secret}-value",
                secret_id=secret.id,
                secret_string=values[entry.secret],
                opts=inside,
            )
            versions.append(version)
        self.store: CustomResource | None = None
        if plan.is_read:
            self.store = CustomResource(
                f"{name}-store",
                EXTERNAL_SECRETS,
                "ClusterSecretStore",
                **cluster_secret_store(plan),
                # What reads by it then finds its values there.
                opts=ResourceOptions(parent=self, depends_on=[*store_after, *versions]),
            )
        self.register_outputs({})
