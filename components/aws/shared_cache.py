"""A file system that many replicas mount at once, and its StorageClass."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.efs._inputs import FileSystemLifecyclePolicyArgs
from pulumi_aws.efs.file_system import FileSystem
from pulumi_aws.efs.file_system_policy import FileSystemPolicy
from pulumi_aws.efs.mount_target import MountTarget
from pulumi_kubernetes.storage.v1 import StorageClass

from components.aws.store_group import make_store_group
from infra.plan.aws.shared_cache import EFS_DRIVER, FileSystemPlan


class SharedCache(pulumi.ComponentResource):
    """Creates the file system, a mount target in each zone, and the class of which claims ask.

    Needs the EFS CSI driver in the cluster, which makes an access point for each claim.

    Args of note:
        subnets: of the nodes, one a zone, by a name of each.
        clients: the security group that may mount it: of the cluster's nodes.
        key_arn: of the key `data`.
    """

    def __init__(
        self,
        name: str,
        plan: FileSystemPlan,
        *,
        vpc_id: Input[str],
        subnets: Mapping[str, Input[str]],
        clients: Input[str],
        key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:SharedCache", name, {}, opts)
        self._name, self._plan = name, plan
        self._inside = ResourceOptions(parent=self)
        file_system = FileSystem(
            f"{name}-file-system",
            creation_token=plan.name,
            encrypted=True,
            kms_key_id=key_arn,
            performance_mode="generalPurpose",
            throughput_mode="elastic",
            lifecycle_policies=[
                FileSystemLifecyclePolicyArgs(transition_to_ia=plan.infrequent),
                FileSystemLifecyclePolicyArgs(transition_to_primary_storage_class="AFTER_1_ACCESS"),
            ],
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected),
        )
        policy = FileSystemPolicy(
            f"{name}-policy",
            file_system_id=file_system.id,
            policy=file_system.arn.apply(lambda arn: _policy_text(plan.policy, arn)),
            opts=self._inside,
        )
        targets = self._targets(
            file_system,
            subnets,
            make_store_group(name, "Shared volumes", plan, vpc_id=vpc_id, clients=clients, opts=self._inside),
        )
        StorageClass(
            f"{name}-class",
            metadata={"name": plan.storage_class},
            provisioner=EFS_DRIVER,
            mount_options=["tls"],
            parameters={**plan.parameters, "fileSystemId": file_system.id},
            reclaim_policy="Delete",
            volume_binding_mode="Immediate",
            opts=ResourceOptions(parent=self, depends_on=[policy, *targets]),
        )
        self.file_system_id: Output[str] = file_system.id
        self.register_outputs({"file_system_id": self.file_system_id})

    def _targets(
        self, file_system: FileSystem, subnets: Mapping[str, Input[str]], group: SecurityGroup
    ) -> Sequence[MountTarget]:
        return [
            MountTarget(
                f"{self._name}-target-{zone}",
                file_system_id=file_system.id,
                subnet_id=subnet,
                security_groups=[group.id],
                opts=self._inside,
            )
            for zone, subnet in sorted(subnets.items(), key=lambda each: each[0])
        ]


def _policy_text(policy: Mapping[str, Any], arn: str) -> str:
    """The policy with the file system's own ARN in each statement."""
    statements = [{**statement, "Resource": arn} for statement in policy["Statement"]]
    return json.dumps({**policy, "Statement": statements}, sort_keys=True)
