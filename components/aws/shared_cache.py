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
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule
from pulumi_kubernetes.storage.v1 import StorageClass

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
        targets = self._targets(file_system, subnets, self._security_group(vpc_id, clients))
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

    def _security_group(self, vpc_id: Input[str], clients: Input[str]) -> SecurityGroup:
        group = SecurityGroup(
            f"{self._name}-security-group",
            name=self._plan.name,
            description="Shared volumes: mounted by the cluster's nodes, reach nobody",
            vpc_id=vpc_id,
            tags=dict(self._plan.tags),
            opts=self._inside,
        )
        SecurityGroupIngressRule(
            f"{self._name}-from-nodes",
            security_group_id=group.id,
            referenced_security_group_id=clients,
            description="The cluster's nodes",
            ip_protocol="tcp",
            from_port=self._plan.port,
            to_port=self._plan.port,
            tags=dict(self._plan.tags),
            opts=self._inside,
        )
        return group


def _policy_text(policy: Mapping[str, Any], arn: str) -> str:
    """The policy with the file system's own ARN in each statement."""
    statements = [{**statement, "Resource": arn} for statement in policy["Statement"]]
    return json.dumps({**policy, "Statement": statements}, sort_keys=True)
