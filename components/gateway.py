"""The gateway: where clients come in."""

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler
from pulumi_kubernetes.core.v1 import ConfigMap, Secret, Service
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget
from pulumi_random import RandomPassword

from components.inputs import with_secrets_hash
from components.record_reader import make_record_reader
from infra.plan.digests import PASSWORD_CHARACTERS, token_of, tokens_text
from infra.plan.manifests import gateway as manifests
from infra.plan.values import Plan

ROLLOUT = "60m"
"""Longest that all of them may take to be exchanged."""


class Gateway(pulumi.ComponentResource):
    """Creates the gateway's Deployment, Service, autoscaler, and the tokens that it knows by their hashes.

    Assumes a metrics server for the autoscaler. `tokens` gives each token's value by its name, as secrets.
    """

    def __init__(
        self, name: str, plan: Plan, address_hash: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:Gateway", name, {}, opts)
        inside = ResourceOptions(parent=self)
        namespace = plan.gateway.namespace
        passwords = [
            RandomPassword(
                f"{name}-token-{token.name}", length=PASSWORD_CHARACTERS, special=False, opts=inside
            ).result
            for token in plan.tokens
        ]
        self.tokens = {
            token.name: password.apply(token_of)
            for token, password in zip(plan.tokens, passwords, strict=True)
        }
        hashes = Output.all(*passwords).apply(lambda found: tokens_text(plan.tokens, found))
        tokens = Secret(
            f"{name}-tokens",
            **manifests.tokens_secret(plan),
            string_data={"tokens.json": hashes},
            opts=inside,
        )
        ConfigMap(f"{name}-account", **manifests.account_record(plan), opts=inside)
        make_record_reader(name, manifests.GATEWAY, namespace, inside)
        Deployment(
            f"{name}-deployment",
            **with_secrets_hash(manifests.gateway_deployment(plan), address_hash),
            opts=ResourceOptions(
                parent=self,
                depends_on=[tokens],
                # The autoscaler writes their number.
                ignore_changes=["spec.replicas"],
                # One comes after the other, each once a load balancer has found it healthy.
                custom_timeouts=CustomTimeouts(create=ROLLOUT, update=ROLLOUT),
            ),
        )
        Service(f"{name}-service", **manifests.gateway_service(plan), opts=inside)
        HorizontalPodAutoscaler(f"{name}-autoscaler", **manifests.gateway_autoscaler(plan), opts=inside)
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(manifests.GATEWAY, namespace), opts=inside)
        self.register_outputs({})
