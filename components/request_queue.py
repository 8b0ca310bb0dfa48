"""The queue: a Valkey server with its journal on a disk."""

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes.apps.v1 import StatefulSet
from pulumi_kubernetes.core.v1 import ConfigMap, Secret, Service, ServiceAccount
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget
from pulumi_random import RandomPassword

from components.inputs import arguments, with_secrets_hash
from infra.plan.digests import PASSWORD_CHARACTERS, queue_secret, secrets_hash
from infra.plan.manifests import queue as manifests
from infra.plan.values import QueuePlan


class RequestQueue(pulumi.ComponentResource):
    """Creates the StatefulSet, its Service, users and passwords; what holds data is protected and retained.

    `worker_key` is what every worker's password is made from; `address_hash` changes with the passwords of
    the platform's own programs.
    """

    def __init__(
        self,
        name: str,
        plan: QueuePlan,
        *,
        is_protected: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:RequestQueue", name, {}, opts)
        inside = ResourceOptions(parent=self)
        users = [user for user, _ in manifests.USERS]
        passwords = {user: _password(f"{name}-{user}", inside) for user in users}
        self.worker_key = _password(f"{name}-worker-key", inside)
        content = Output.all(worker_key=self.worker_key, **passwords).apply(
            lambda found: queue_secret(found, found["worker_key"], plan.address)
        )
        ServiceAccount(f"{name}-account", **arguments(manifests.service_account(plan)), opts=inside)
        secret = Secret(f"{name}-secret", **manifests.secret(plan), string_data=content, opts=inside)
        config = ConfigMap(f"{name}-config", **manifests.config_map(plan), opts=inside)
        keyed = Output.all(self.worker_key, *passwords.values())
        self.address_hash = Output.unsecret(keyed.apply(lambda found: secrets_hash(found[0], found)))
        StatefulSet(
            f"{name}-server",
            **with_secrets_hash(manifests.stateful_set(plan), self.address_hash),
            opts=ResourceOptions(
                parent=self,
                depends_on=[secret, config],
                protect=is_protected,
                retain_on_delete=is_protected,
            ),
        )
        Service(f"{name}-service", **manifests.service(plan), opts=inside)
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(plan), opts=inside)
        self.register_outputs({"address": plan.address})


def _password(name: str, opts: ResourceOptions) -> Output[str]:
    return RandomPassword(name, length=PASSWORD_CHARACTERS, special=False, opts=opts).result
