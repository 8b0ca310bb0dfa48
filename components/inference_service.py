"""One endpoint: the model, its worker, and what the platform is told of it."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceHook, ResourceHookBinding, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, PersistentVolumeClaim, Secret
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.inputs import with_secrets_hash
from components.queue_access import QueueAccess
from infra.plan.manifests import replicas as manifests
from infra.plan.values import EndpointPlan

KEDA = "keda.sh/v1alpha1"


@dataclass(frozen=True, slots=True)
class InferenceServiceArgs:
    """What one endpoint is made from."""

    plan: EndpointPlan
    queue: QueueAccess
    secrets_hash: Output[str] | None
    """Changes with the secrets that its model reads."""
    drained: ResourceHook | None
    """Called before its Deployment is deleted; returns when nothing of it runs any more."""


class InferenceService(pulumi.ComponentResource):
    """Creates an endpoint's Deployment, its record, its worker's access to the queue, disks and budget.

    The record depends on the Deployment, so on removal it goes first and no request is let in any more; the
    scaler then works off what waits before the Deployment goes. Replicas are the scaler's from the first day on.
    """

    def __init__(self, name: str, args: InferenceServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("moorage:components:InferenceService", name, {}, opts)
        plan = args.plan
        inside = ResourceOptions(parent=self)
        for volume in plan.volumes:
            PersistentVolumeClaim(
                volume.name,
                **manifests.claim(plan, volume),
                opts=ResourceOptions(parent=self, retain_on_delete=True),
            )
        secret = Secret(
            f"{name}-queue",
            **manifests.worker_secret(plan),
            string_data=args.queue.of_workers(plan.name),
            opts=ResourceOptions(parent=self, depends_on=args.queue.users.get(plan.name)),
        )
        self.deployment = Deployment(
            f"{name}-deployment",
            **with_secrets_hash(manifests.deployment(plan), args.secrets_hash),
            opts=ResourceOptions(
                parent=self,
                depends_on=[secret],
                ignore_changes=["spec.replicas"],
                hooks=ResourceHookBinding(before_delete=[args.drained]) if args.drained else None,
            ),
        )
        after = ResourceOptions(parent=self, depends_on=[self.deployment])
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(plan), opts=inside)
        ConfigMap(f"{name}-record", **manifests.record(plan), opts=after)
        if plan.is_scaled_by_keda:
            CustomResource(
                f"{name}-scaled", KEDA, "ScaledObject", **manifests.scaled_object(plan), opts=after
            )
        self.register_outputs({"url": plan.url})
