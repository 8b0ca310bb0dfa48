"""Keys of KMS."""

import json

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_aws.kms.alias import Alias
from pulumi_aws.kms.key import Key

from infra.plan.aws.keys import KeyPlan, key_policy


class Keys(pulumi.ComponentResource):
    """Creates keys and their aliases; with a key goes all that it has encrypted, so they are protected."""

    def __init__(self, name: str, plans: tuple[KeyPlan, ...], opts: ResourceOptions | None = None) -> None:
        super().__init__("moorage:components:Keys", name, {}, opts)
        self._arns: dict[str, Output[str]] = {}
        for plan in plans:
            key = Key(
                f"{name}-{plan.name}",
                description=plan.reason,
                deletion_window_in_days=plan.deletion_days,
                enable_key_rotation=True,
                rotation_period_in_days=plan.rotation_days,
                policy=json.dumps(key_policy(plan), sort_keys=True),
                tags=dict(plan.tags),
                opts=ResourceOptions(
                    parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected
                ),
            )
            Alias(
                f"{name}-{plan.name}-alias",
                name=plan.alias,
                target_key_id=key.id,
                opts=ResourceOptions(parent=self),
            )
            self._arns[plan.name] = key.arn
        self.register_outputs({"arns": self._arns})

    def arn(self, name: str) -> Output[str]:
        """ARN of the key of that plan."""
        return self._arns[name]
