"""Karpenter, what tells it of interruptions, and the nodes that it may make."""

import pulumi
from pulumi import CustomTimeouts, Input, ResourceOptions
from pulumi_aws.cloudwatch.event_rule import EventRule
from pulumi_aws.cloudwatch.event_target import EventTarget
from pulumi_aws.eks.access_entry import AccessEntry
from pulumi_aws.sqs.queue import Queue
from pulumi_aws.sqs.queue_policy import QueuePolicy
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.helm.v3 import Release

from infra.plan.aws.karpenter import KarpenterPlan, node_class_spec
from infra.plan.values import AddonPlan


class Karpenter(pulumi.ComponentResource):
    """Creates the queue and its rules, both charts, one node class and a pool for each hardware.

    Its role must be bound to its service account before: give `depends_on`. Pools are deleted while Karpenter still
    runs, for only it ends their instances.
    """

    def __init__(
        self,
        name: str,
        plan: KarpenterPlan,
        *,
        cluster_name: Input[str],
        key_arn: Input[str],
        node_role_name: Input[str],
        node_role_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Karpenter", name, {}, opts)
        heard = self._queue(name, plan)
        if plan.admits_nodes:
            entry = AccessEntry(
                f"{name}-nodes",
                cluster_name=cluster_name,
                principal_arn=node_role_arn,
                type="EC2_LINUX",
                tags=dict(plan.tags),
                opts=ResourceOptions(parent=self),
            )
            heard.append(entry)
        crds = _release(f"{name}-crds", plan.crds, ResourceOptions(parent=self))
        chart = _release(f"{name}-chart", plan.chart, ResourceOptions(parent=self, depends_on=[crds, *heard]))
        leaving = CustomTimeouts(delete=f"{plan.leave_seconds}s")
        node_class = CustomResource(
            f"{name}-class",
            "karpenter.k8s.aws/v1",
            "EC2NodeClass",
            metadata=dict(plan.node_class["metadata"]),
            spec=node_class_spec(plan, node_role_name, key_arn),
            opts=ResourceOptions(parent=self, depends_on=[chart], custom_timeouts=leaving),
        )
        for pool in plan.node_pools:
            CustomResource(
                f"{name}-{pool.name}",
                "karpenter.sh/v1",
                "NodePool",
                **pool.manifest,
                opts=ResourceOptions(parent=self, depends_on=[node_class], custom_timeouts=leaving),
            )
        self.register_outputs({"queue_name": plan.queue_name})

    def _queue(self, name: str, plan: KarpenterPlan) -> list[pulumi.Resource]:
        """The queue, encrypted by SQS: EventBridge could not use the stack's key without a right to it."""
        inside = ResourceOptions(parent=self)
        queue = Queue(
            f"{name}-queue",
            name=plan.queue_name,
            message_retention_seconds=plan.retention_seconds,
            sqs_managed_sse_enabled=True,
            tags=dict(plan.tags),
            opts=inside,
        )
        policy = QueuePolicy(
            f"{name}-queue-policy", queue_url=queue.id, policy=plan.queue_policy, opts=inside
        )
        for rule in plan.rules:
            made = EventRule(
                f"{name}-rule-{rule.name}",
                name=rule.rule_name,
                event_pattern=rule.pattern,
                tags=dict(plan.tags),
                opts=inside,
            )
            EventTarget(f"{name}-target-{rule.name}", rule=made.name, arn=queue.arn, opts=inside)
        return [queue, policy]


def _release(name: str, plan: AddonPlan, opts: ResourceOptions) -> Release:
    return Release(
        name,
        name=plan.name,
        chart=plan.chart,
        version=plan.version,
        namespace=plan.namespace,
        skip_crds=True,  # they come by their own chart
        values=dict(plan.values),
        opts=opts,
    )
