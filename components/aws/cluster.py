"""The EKS cluster."""

from collections.abc import Sequence

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.cloudwatch.log_group import LogGroup
from pulumi_aws.ec2._inputs import (
    LaunchTemplateBlockDeviceMappingArgs,
    LaunchTemplateBlockDeviceMappingEbsArgs,
    LaunchTemplateMetadataOptionsArgs,
    LaunchTemplateTagSpecificationArgs,
)
from pulumi_aws.ec2.launch_template import LaunchTemplate
from pulumi_aws.eks._inputs import (
    AccessPolicyAssociationAccessScopeArgs,
    AddonPodIdentityAssociationArgs,
    ClusterAccessConfigArgs,
    ClusterEncryptionConfigArgs,
    ClusterEncryptionConfigProviderArgs,
    ClusterKubernetesNetworkConfigArgs,
    ClusterUpgradePolicyArgs,
    ClusterVpcConfigArgs,
    ClusterZonalShiftConfigArgs,
    NodeGroupLaunchTemplateArgs,
    NodeGroupNodeRepairConfigArgs,
    NodeGroupScalingConfigArgs,
    NodeGroupUpdateConfigArgs,
)
from pulumi_aws.eks.access_entry import AccessEntry
from pulumi_aws.eks.access_policy_association import AccessPolicyAssociation
from pulumi_aws.eks.addon import Addon
from pulumi_aws.eks.cluster import Cluster
from pulumi_aws.eks.node_group import NodeGroup

from components.aws.roles import Roles
from infra.plan.aws.cluster import ADMIN_POLICY, EksPlan, GivenCluster, kubeconfig_text
from infra.plan.aws.cluster_roles import CLUSTER, NODE
from infra.plan.aws.eks_addons import EksAddonPlan

TAGGED = ("instance", "network-interface", "volume")
"""What starts with a node and gets its tags."""


class EksCluster(pulumi.ComponentResource):
    """Creates the cluster with its own nodes and add-ons, or hands on one that is there.

    Args of note:
        subnets: of the nodes.
        control_subnets: where the control plane reaches into the VPC.
        key_arn: of the key `cluster`; disk_key_arn: of `data`; logs_key_arn: of `logs`.
        nodes_after: what must be there as long as nodes are: `Network.ways_out`.

    Attributes of note:
        security_group: of control plane and nodes; who is to be let in from them names it.
        kubeconfig: None for a cluster that is there, which the stack's context reaches.
        ready: what must be there before pods can run.
    """

    cluster_name: Input[str]
    security_group: Input[str]
    kubeconfig: Output[str] | None
    ready: list[Resource]

    def __init__(
        self,
        name: str,
        plan: EksPlan | GivenCluster,
        *,
        subnets: Sequence[Input[str]],
        control_subnets: Sequence[Input[str]],
        key_arn: Input[str] | None,
        disk_key_arn: Input[str],
        logs_key_arn: Input[str],
        roles: Roles,
        nodes_after: Sequence[Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:EksCluster", name, {}, opts)
        self._name, self._roles = name, roles
        if isinstance(plan, GivenCluster):
            self.cluster_name, self.security_group = plan.name, plan.security_group
            self.kubeconfig, self.ready = None, []
        else:
            cluster = self._cluster(plan, control_subnets, key_arn, self._logs(plan, logs_key_arn))
            self.cluster_name = cluster.name
            self.security_group = cluster.vpc_config.cluster_security_group_id
            self.kubeconfig = Output.all(
                name=cluster.name,
                region=plan.region,
                endpoint=cluster.endpoint,
                authority=cluster.certificate_authority.data,
            ).apply(lambda found: kubeconfig_text(**found))
            self.ready = [*self._admit(plan), *self._fill(plan, subnets, disk_key_arn, nodes_after)]
        self.register_outputs({"cluster_name": self.cluster_name, "security_group": self.security_group})

    def _logs(self, plan: EksPlan, key_arn: Input[str]) -> LogGroup:
        return LogGroup(
            f"{self._name}-logs",
            name=plan.logs.group_name,
            retention_in_days=plan.logs.days,
            kms_key_id=key_arn,
            tags=dict(plan.logs.tags),
            opts=ResourceOptions(parent=self),
        )

    def _cluster(
        self, plan: EksPlan, subnets: Sequence[Input[str]], key_arn: Input[str] | None, logs: LogGroup
    ) -> Cluster:
        return Cluster(
            f"{self._name}-cluster",
            name=plan.name,
            version=plan.version,
            role_arn=self._roles.arn(CLUSTER),
            access_config=ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            bootstrap_self_managed_addons=False,
            deletion_protection=plan.is_protected,
            enabled_cluster_log_types=list(plan.log_types),
            encryption_config=ClusterEncryptionConfigArgs(
                provider=ClusterEncryptionConfigProviderArgs(key_arn=key_arn), resources=["secrets"]
            ),
            kubernetes_network_config=ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=plan.service_cidr),
            upgrade_policy=ClusterUpgradePolicyArgs(support_type="STANDARD"),
            vpc_config=ClusterVpcConfigArgs(
                endpoint_private_access=True,
                endpoint_public_access=bool(plan.public_cidrs),
                public_access_cidrs=list(plan.public_cidrs) or None,
                subnet_ids=list(subnets),
            ),
            zonal_shift_config=ClusterZonalShiftConfigArgs(enabled=True),
            tags=dict(plan.tags),
            opts=ResourceOptions(
                parent=self,
                depends_on=[logs, *self._roles.permissions(CLUSTER)],
                # EKS takes no subnet of another zone later (aws/containers-roadmap#2330): a zone that is added to the
                # stack gets nodes, and the control plane stays where it is.
                ignore_changes=["vpcConfig.subnetIds"],
                protect=plan.is_protected,
            ),
        )

    def _admit(self, plan: EksPlan) -> list[Resource]:
        made: list[Resource] = []
        for admin in plan.admins:
            entry = AccessEntry(
                f"{self._name}-{admin.name}",
                cluster_name=self.cluster_name,
                principal_arn=admin.principal,
                type="STANDARD",
                tags=dict(admin.tags),
                opts=ResourceOptions(parent=self),
            )
            policy = AccessPolicyAssociation(
                f"{self._name}-{admin.name}-policy",
                cluster_name=self.cluster_name,
                principal_arn=admin.principal,
                policy_arn=ADMIN_POLICY,
                access_scope=AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=ResourceOptions(parent=self, depends_on=[entry]),
            )
            made += [entry, policy]
        return made

    def _fill(
        self,
        plan: EksPlan,
        subnets: Sequence[Input[str]],
        disk_key_arn: Input[str],
        nodes_after: Sequence[Resource],
    ) -> list[Resource]:
        """Add-ons without which no node becomes ready, then nodes, then the add-ons that need some."""
        first = [self._addon(addon, []) for addon in plan.addons if addon.is_before_nodes]
        nodes = self._nodes(plan, subnets, disk_key_arn, [*first, *nodes_after])
        later = [self._addon(addon, [nodes]) for addon in plan.addons if not addon.is_before_nodes]
        return [*first, nodes, *later]

    def _addon(self, addon: EksAddonPlan, after: Sequence[Resource]) -> Resource:
        identities = (
            [
                AddonPodIdentityAssociationArgs(
                    role_arn=self._roles.arn(addon.role), service_account=addon.service_account
                )
            ]
            if addon.role is not None
            else None
        )
        permitted = [] if addon.role is None else self._roles.permissions(addon.role)
        made: Resource = Addon(
            f"{self._name}-addon-{addon.name}",
            cluster_name=self.cluster_name,
            addon_name=addon.name,
            addon_version=addon.version,
            configuration_values=addon.values,
            pod_identity_associations=identities,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            tags=dict(addon.tags),
            opts=ResourceOptions(parent=self, depends_on=[*permitted, *after]),
        )
        return made

    def _nodes(
        self, plan: EksPlan, subnets: Sequence[Input[str]], disk_key_arn: Input[str], after: list[Resource]
    ) -> Resource:
        nodes = plan.nodes
        template = self._template(plan, disk_key_arn)
        group: Resource = NodeGroup(
            f"{self._name}-{nodes.name}",
            cluster_name=self.cluster_name,
            node_group_name=nodes.group_name,
            node_role_arn=self._roles.arn(NODE),
            subnet_ids=list(subnets),
            version=plan.version,
            ami_type=nodes.ami_type,
            capacity_type="ON_DEMAND",
            instance_types=[nodes.instance_type],
            labels=dict(nodes.labels),
            launch_template=NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(_version_text)
            ),
            node_repair_config=NodeGroupNodeRepairConfigArgs(enabled=True),
            scaling_config=NodeGroupScalingConfigArgs(
                desired_size=nodes.min, min_size=nodes.min, max_size=nodes.max
            ),
            update_config=NodeGroupUpdateConfigArgs(max_unavailable=1),
            tags=dict(nodes.tags),
            opts=ResourceOptions(
                parent=self,
                depends_on=[*self._roles.permissions(NODE), *after],
                ignore_changes=["scalingConfig.desiredSize"],  # the autoscaler's
            ),
        )
        return group

    def _template(self, plan: EksPlan, disk_key_arn: Input[str]) -> LaunchTemplate:
        nodes = plan.nodes
        disk = LaunchTemplateBlockDeviceMappingEbsArgs(
            delete_on_termination="true",
            encrypted="true",
            kms_key_id=disk_key_arn,
            volume_size=nodes.disk_gib,
            volume_type="gp3",
        )
        return LaunchTemplate(
            f"{self._name}-{nodes.name}-template",
            name=nodes.template_name,
            update_default_version=True,
            block_device_mappings=[
                LaunchTemplateBlockDeviceMappingArgs(device_name="/dev/xvda", ebs=disk),
            ],
            # One hop ends at the node: a pod cannot ask for the node's own role.
            metadata_options=LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_put_response_hop_limit=1, http_tokens="required"
            ),
            tag_specifications=[
                LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=dict(nodes.tags))
                for kind in TAGGED
            ],
            tags=dict(nodes.tags),
            opts=ResourceOptions(parent=self),
        )


def _version_text(version: float) -> str:
    """As a node group wants the number of a template's version."""
    return str(int(version))
