"""The StorageClass of disks of one pod."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.storage.v1 import StorageClass

from infra.plan.aws.shared_cache import EBS_DRIVER, DiskClassPlan


class DiskClass(pulumi.ComponentResource):
    """Creates the class; needs the EBS CSI driver in the cluster, which may use the key `data` (`key_arn`)."""

    def __init__(
        self,
        name: str,
        plan: DiskClassPlan,
        *,
        key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:DiskClass", name, {}, opts)
        StorageClass(
            f"{name}-class",
            metadata={"name": plan.storage_class},
            provisioner=EBS_DRIVER,
            parameters={**plan.parameters, "kmsKeyId": key_arn},
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            volume_binding_mode="WaitForFirstConsumer",
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})
