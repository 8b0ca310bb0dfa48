"""A managed node group of EKS, with the tags by which it grows from nothing again and again."""

from base64 import b64encode
from collections.abc import Sequence

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_aws.autoscaling._inputs import TagTagArgs
from pulumi_aws.autoscaling.tag import Tag
from pulumi_aws.ec2._inputs import (
    LaunchTemplateBlockDeviceMappingArgs,
    LaunchTemplateBlockDeviceMappingEbsArgs,
    LaunchTemplateCapacityReservationSpecificationArgs,
    LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs,
    LaunchTemplateMetadataOptionsArgs,
    LaunchTemplateTagSpecificationArgs,
)
from pulumi_aws.ec2.launch_template import LaunchTemplate
from pulumi_aws.eks._inputs import (
    NodeGroupLaunchTemplateArgs,
    NodeGroupNodeRepairConfigArgs,
    NodeGroupScalingConfigArgs,
    NodeGroupTaintArgs,
    NodeGroupUpdateConfigArgs,
    NodeGroupWarmPoolConfigArgs,
)
from pulumi_aws.eks.node_group import NodeGroup
from pulumi_aws.eks.outputs import NodeGroupResource

from infra.plan.aws.cold_start import DiskPlan
from infra.plan.aws.nodes import EKS_EFFECTS, ManagedGroupPlan, WarmPoolPlan

TAGGED = ("instance", "network-interface", "volume")


class EksNodeGroup(pulumi.ComponentResource):
    """Creates a launch template, the group and its node-template tags; `group` is the EKS node group.

    Args of note:
        disk_key_arn: of the key that disks are encrypted with; Auto Scaling must be allowed to use it.
    """

    def __init__(
        self,
        name: str,
        plan: ManagedGroupPlan,
        *,
        cluster_name: Input[str],
        node_role_arn: Input[str],
        subnets: Sequence[Input[str]],
        disk_key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:EksNodeGroup", name, {}, opts)
        inside = ResourceOptions(parent=self)
        template = _launch_template(f"{name}-template", plan, disk_key_arn, inside)
        self.group = NodeGroup(
            f"{name}-nodes",
            node_group_name=plan.group_name,
            cluster_name=cluster_name,
            node_role_arn=node_role_arn,
            subnet_ids=list(subnets),
            version=plan.version,
            ami_type=plan.ami_type,
            capacity_type=plan.capacity,
            instance_types=[plan.instance_type],
            labels=dict(plan.labels),
            taints=[
                NodeGroupTaintArgs(key=each.key, value=each.value, effect=EKS_EFFECTS[each.effect])
                for each in plan.taints
            ],
            launch_template=NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=NodeGroupScalingConfigArgs(min_size=0, desired_size=0, max_size=plan.max),
            # An update fails rather than end a replica that has not left; and buys no second GPU beforehand.
            force_update_version=False,
            update_config=NodeGroupUpdateConfigArgs(max_unavailable=1, update_strategy="MINIMAL"),
            node_repair_config=NodeGroupNodeRepairConfigArgs(
                enabled=True, max_parallel_nodes_repaired_count=1
            ),
            warm_pool_config=_warm_pool(plan.warm_pool),
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, ignore_changes=["scalingConfig.desiredSize"]),
        )
        scaling_group = self.group.resources.apply(scaling_group_name)
        for tag in plan.template_tags:
            Tag(
                f"{name}-tag-{tag.name}",
                autoscaling_group_name=scaling_group,
                tag=TagTagArgs(key=tag.key, value=tag.value, propagate_at_launch=False),
                opts=inside,
            )
        self.register_outputs({"node_group_name": plan.group_name})


def scaling_group_name(resources: Sequence[NodeGroupResource]) -> str:
    """Name of the Auto Scaling group behind a node group, of which EKS makes exactly one."""
    return str(resources[0].autoscaling_groups[0].name)


def _launch_template(
    name: str, plan: ManagedGroupPlan, key_arn: Input[str], opts: ResourceOptions
) -> LaunchTemplate:
    """IMDSv2 only, and not for pods: their packets are one hop further away."""
    return LaunchTemplate(
        name,
        name=plan.template_name,
        block_device_mappings=[_device(disk, key_arn) for disk in plan.disks],
        capacity_reservation_specification=_reservation(plan.reservation),
        metadata_options=LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_put_response_hop_limit=1, http_tokens="required"
        ),
        tag_specifications=[
            LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=dict(plan.tags)) for kind in TAGGED
        ],
        user_data=None if plan.user_data is None else b64encode(plan.user_data.encode()).decode(),
        update_default_version=True,
        tags=dict(plan.tags),
        opts=opts,
    )


def _device(disk: DiskPlan, key_arn: Input[str]) -> LaunchTemplateBlockDeviceMappingArgs:
    origin = (
        {"encrypted": "true", "kms_key_id": key_arn}
        if disk.snapshot is None
        else {"snapshot_id": disk.snapshot}
    )
    ebs = LaunchTemplateBlockDeviceMappingEbsArgs(
        delete_on_termination="true",
        iops=disk.iops,
        throughput=disk.throughput,
        volume_size=disk.gib,
        volume_type="gp3",
        **origin,
    )
    return LaunchTemplateBlockDeviceMappingArgs(device_name=disk.device, ebs=ebs)


def _reservation(found: str | None) -> LaunchTemplateCapacityReservationSpecificationArgs | None:
    if found is None:
        return None
    target = LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
        capacity_reservation_id=found
    )
    return LaunchTemplateCapacityReservationSpecificationArgs(capacity_reservation_target=target)


def _warm_pool(plan: WarmPoolPlan | None) -> NodeGroupWarmPoolConfigArgs | None:
    """Without the second figure it would prepare as many as the group may ever have."""
    if plan is None:
        return None
    return NodeGroupWarmPoolConfigArgs(
        min_size=plan.size,
        max_group_prepared_capacity=plan.size,
        pool_state=plan.state,
        reuse_on_scale_in=False,
    )
