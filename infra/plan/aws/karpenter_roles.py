"""What Karpenter may do: the policy that its project publishes, bound to one cluster, with the reason of each part.

Source, read 2026-11-25: aws/karpenter-provider-aws at 1d92708, CloudFormation of the getting-started for v1.14.
Narrower than that: this account's subnets, groups, templates and reservations only.
Wider: the key of the disks, which the published policy leaves to the account.
"""

from infra.plan.aws.cluster_roles import NODE
from infra.plan.aws.karpenter import ACCOUNT, NAMESPACE, queue_name
from infra.plan.aws.keys import GRANT, Conditions, key_statement
from infra.plan.aws.roles import RolePlan, ServiceAccount, Statement
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

POOL_TAG = "karpenter.sh/nodepool"
CLASS_TAG = "karpenter.k8s.aws/ec2nodeclass"
REGION_TAG = "topology.kubernetes.io/region"
CLUSTER_TAG = "eks:eks-cluster-name"
_MADE = ("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume")


def karpenter_roles(scope: Scope, aws: Aws) -> tuple[RolePlan, ...]:
    """Its role; none where Cluster Autoscaler adds nodes."""
    if aws.capacity.autoscaler != "karpenter":
        return ()
    return (
        RolePlan(
            name="karpenter",
            role_name=scope.named("karpenter"),
            reason="Starts and ends instances for pods that wait.",
            trust="pods",
            statements=(
                *_instances(scope),
                *_profiles(scope),
                *_readings(scope),
                *_disks(scope),
            ),
            service_accounts=(ServiceAccount(NAMESPACE, ACCOUNT),),
        ),
    )


def _owned(scope: Scope, place: str) -> dict[str, str | tuple[str, ...]]:
    return {f"aws:{place}/kubernetes.io/cluster/{scope.cluster}": "owned"}


def _instances(scope: Scope) -> tuple[Statement, ...]:
    anything = tuple(scope.arn("ec2", f"{kind}/*") for kind in _MADE)
    any_pool: dict[str, str | tuple[str, ...]] = {f"aws:RequestTag/{POOL_TAG}": "*"}
    of_pool: Conditions = {
        "StringEquals": _owned(scope, "ResourceTag"),
        "StringLike": {f"aws:ResourceTag/{POOL_TAG}": "*"},
    }
    asked = {**_owned(scope, "RequestTag"), f"aws:RequestTag/{CLUSTER_TAG}": scope.cluster}
    return (
        Statement(
            sid="LaunchFrom",
            reason="Launches from images and snapshots of anybody, in networks of this account; none is changed.",
            actions=("ec2:CreateFleet", "ec2:RunInstances"),
            resources=(
                *(
                    scope.arn("ec2", f"{kind}/*")
                    for kind in ("capacity-reservation", "placement-group", "security-group", "subnet")
                ),
                f"arn:aws:ec2:{scope.region}::image/*",
                f"arn:aws:ec2:{scope.region}::snapshot/*",
            ),
        ),
        Statement(
            sid="LaunchBy",
            reason="Launches by the templates that it made for this cluster.",
            actions=("ec2:CreateFleet", "ec2:RunInstances"),
            resources=(scope.arn("ec2", "launch-template/*"),),
            conditions=of_pool,
        ),
        Statement(
            sid="Launch",
            reason="Makes instances and what belongs to them, tagged as this cluster's from the first moment.",
            actions=("ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"),
            resources=anything,
            conditions={"StringEquals": asked, "StringLike": any_pool},
        ),
        Statement(
            sid="TagNew",
            reason="Tags what it makes, while it makes it.",
            actions=("ec2:CreateTags",),
            resources=anything,
            conditions={
                "StringEquals": {
                    **asked,
                    "ec2:CreateAction": ("CreateFleet", "CreateLaunchTemplate", "RunInstances"),
                },
                "StringLike": any_pool,
            },
        ),
        Statement(
            sid="TagInstances",
            reason="Writes the node's name on its own instances, and no other tag.",
            actions=("ec2:CreateTags",),
            resources=(scope.arn("ec2", "instance/*"),),
            conditions={
                **of_pool,
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ("Name", CLUSTER_TAG, "karpenter.sh/nodeclaim"),
                },
                "StringEqualsIfExists": {f"aws:RequestTag/{CLUSTER_TAG}": scope.cluster},
            },
        ),
        Statement(
            sid="End",
            reason="Ends its own instances and deletes its own templates.",
            actions=("ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"),
            resources=(scope.arn("ec2", "instance/*"), scope.arn("ec2", "launch-template/*")),
            conditions=of_pool,
        ),
    )


def _profiles(scope: Scope) -> tuple[Statement, ...]:
    profiles = (scope.global_arn("iam", "instance-profile/*"),)
    asked = {
        **_owned(scope, "RequestTag"),
        f"aws:RequestTag/{CLUSTER_TAG}": scope.cluster,
        f"aws:RequestTag/{REGION_TAG}": scope.region,
    }
    has = {**_owned(scope, "ResourceTag"), f"aws:ResourceTag/{REGION_TAG}": scope.region}
    asked_class = {f"aws:RequestTag/{CLASS_TAG}": "*"}
    has_class = {f"aws:ResourceTag/{CLASS_TAG}": "*"}
    return (
        Statement(
            sid="PassNodeRole",
            reason="Gives instances the nodes' role, and no other role to nobody else.",
            actions=("iam:PassRole",),
            resources=(scope.global_arn("iam", f"role/{scope.named(NODE)}"),),
            conditions={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement(
            sid="CreateProfiles",
            reason="Makes an instance profile of that role, tagged as this cluster's.",
            actions=("iam:CreateInstanceProfile",),
            resources=profiles,
            conditions={"StringEquals": asked, "StringLike": asked_class},
        ),
        Statement(
            sid="TagProfiles",
            reason="Tags its own profiles as this cluster's, and stays unable to tag others'.",
            actions=("iam:TagInstanceProfile",),
            resources=profiles,
            conditions={"StringEquals": {**asked, **has}, "StringLike": {**asked_class, **has_class}},
        ),
        Statement(
            sid="ChangeProfiles",
            reason="Puts the role into its own profiles, and deletes them.",
            actions=(
                "iam:AddRoleToInstanceProfile",
                "iam:DeleteInstanceProfile",
                "iam:RemoveRoleFromInstanceProfile",
            ),
            resources=profiles,
            conditions={"StringEquals": has, "StringLike": has_class},
        ),
        Statement(
            sid="ReadProfiles",
            reason="Looks whether a profile is there.",
            actions=("iam:GetInstanceProfile",),
            resources=profiles,
        ),
        Statement(
            sid="ListProfiles",
            reason="Finds profiles of node classes that are gone; the action knows no resource.",
            actions=("iam:ListInstanceProfiles",),
            resources=("*",),
        ),
    )


def _readings(scope: Scope) -> tuple[Statement, ...]:
    return (
        Statement(
            sid="ReadCluster",
            reason="Learns the address and certificate that nodes are told.",
            actions=("eks:DescribeCluster",),
            resources=(scope.arn("eks", f"cluster/{scope.cluster}"),),
        ),
        Statement(
            sid="ReadZonalShift",
            reason="Leaves out a zone that is being left; the action knows no resource, the condition names it.",
            actions=("arc-zonal-shift:GetManagedResource",),
            resources=("*",),
            conditions={
                "StringEquals": {
                    "arc-zonal-shift:ResourceIdentifier": scope.arn("eks", f"cluster/{scope.cluster}")
                }
            },
        ),
        Statement(
            sid="HearInterruptions",
            reason="Reads what AWS says of instances that it will take.",
            actions=("sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"),
            resources=(scope.arn("sqs", queue_name(scope)),),
        ),
        Statement(
            sid="ReadRegion",
            reason="Learns types, offers, images and networks of this region; none of these knows a resource.",
            actions=(
                "ec2:DescribeCapacityReservations",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceStatus",
                "ec2:DescribeInstanceTypeOfferings",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeInstances",
                "ec2:DescribeLaunchTemplates",
                "ec2:DescribePlacementGroups",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSpotPriceHistory",
                "ec2:DescribeSubnets",
            ),
            resources=("*",),
            conditions={"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        Statement(
            sid="ReadImages",
            reason="Finds the pinned image among those that AWS publishes.",
            actions=("ssm:GetParameter",),
            resources=(f"arn:aws:ssm:{scope.region}::parameter/aws/service/*",),
        ),
        Statement(
            sid="ReadPrices",
            reason="Takes the cheapest offer; the price list knows no resource.",
            actions=("pricing:GetProducts",),
            resources=("*",),
        ),
    )


def _disks(scope: Scope) -> tuple[Statement, ...]:
    through: Conditions = {"StringEquals": {"kms:ViaService": f"ec2.{scope.region}.amazonaws.com"}}
    return (
        key_statement(
            scope,
            "data",
            sid="UseDiskKey",
            reason="EC2 encrypts the disks of its instances on its behalf.",
            actions=(
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ),
            conditions=through,
        ),
        key_statement(
            scope,
            "data",
            sid="GrantDiskKey",
            reason="EC2 keeps a grant for as long as a disk is attached; nobody else gets one.",
            actions=("kms:CreateGrant",),
            conditions={**GRANT, **through},
        ),
    )
