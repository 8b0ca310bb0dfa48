"""Roles of the cluster itself: its control plane, its nodes, and the drivers that EKS installs in it."""

from infra.plan.aws.keys import GRANT, USE, key_statement
from infra.plan.aws.network import network_roles
from infra.plan.aws.roles import RolePlan, Statement
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

MANAGED = "arn:aws:iam::aws:policy"
"""Begins the ARN of a policy that AWS keeps."""
CLUSTER, NODE = "cluster", "node"
CNI, EBS, EFS = "vpc-cni", "ebs-csi", "efs-csi"
_CNI_POLICY = f"{MANAGED}/AmazonEKS_CNI_Policy"


def cluster_roles(
    scope: Scope, aws: Aws, *, needs_efs: bool, node_statements: tuple[Statement, ...] = ()
) -> tuple[RolePlan, ...]:
    """The roles that the cluster and its network need, sorted by name.

    The drivers' roles name no service account: EKS binds them together with its add-ons (`AddonPlan`).

    Args:
        scope: the stack.
        aws: its account.
        needs_efs: whether a volume is shared.
        node_statements: what nodes may do besides.
    """
    own_cluster = aws.cluster.existing is None
    roles = [
        *network_roles(scope, aws),
        node_role(scope, has_own_cluster=own_cluster, statements=node_statements),
    ]
    if own_cluster:
        roles += [_cluster(scope), _cni(scope), _ebs(scope)]
        roles += [_efs(scope)] if needs_efs else []
    return tuple(sorted(roles, key=lambda role: role.name))


def node_role(scope: Scope, *, has_own_cluster: bool, statements: tuple[Statement, ...] = ()) -> RolePlan:
    """The role of every node: as little as a node starts with, for a pod that breaks out has it too.

    In a cluster that is there, the network plugin may well take its rights from the node.
    Sources, 2026-11: AmazonEKSWorkerNodeMinimalPolicy v1 holds `eks-auth:AssumeRoleForPodIdentity` only; what a
    node asks EC2 is in awslabs/amazon-eks-ami, nodeadm/internal/api/status.go and internal/util/ec2.go.
    """
    managed = {
        f"{MANAGED}/AmazonEC2ContainerRegistryPullOnly",
        f"{MANAGED}/AmazonEKSWorkerNodeMinimalPolicy",
        *(() if has_own_cluster else (_CNI_POLICY,)),
    }
    start = Statement(
        sid="FindItself",
        reason="Before kubelet starts, a node asks for its own private DNS name and for how many addresses its"
        " type has; these actions know no resource.",
        actions=("ec2:DescribeInstanceTypes", "ec2:DescribeInstances"),
        resources=("*",),
    )
    return RolePlan(
        name=NODE,
        role_name=scope.named(NODE),
        reason="Nodes join the cluster, pull images and hand Pod Identity's credentials to pods; AWS keeps"
        " policies for exactly that.",
        trust="ec2",
        statements=(start, *statements),
        managed=tuple(sorted(managed)),
    )


def _cluster(scope: Scope) -> RolePlan:
    return RolePlan(
        name=CLUSTER,
        role_name=scope.named(CLUSTER),
        reason="The control plane manages its network interfaces and security group; AWS keeps a policy for"
        " exactly that.",
        trust="eks",
        statements=(
            key_statement(
                scope,
                "cluster",
                sid="EncryptSecrets",
                reason="The control plane encrypts Secrets once more before they are kept.",
                actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"),
            ),
        ),
        managed=(f"{MANAGED}/AmazonEKSClusterPolicy",),
    )


def _cni(scope: Scope) -> RolePlan:
    return RolePlan(
        name=CNI,
        role_name=scope.named(CNI),
        reason="The network plugin (kube-system/aws-node) gives pods addresses of the VPC; with a role of its"
        " own, nodes need not have the right. AWS keeps a policy for exactly that.",
        trust="pods",
        statements=(),
        managed=(_CNI_POLICY,),
    )


def _ebs(scope: Scope) -> RolePlan:
    return RolePlan(
        name=EBS,
        role_name=scope.named(EBS),
        reason="The disk driver (kube-system/ebs-csi-controller-sa) makes, attaches and deletes the disks that"
        " it has tagged; AWS keeps a policy for exactly that.",
        trust="pods",
        statements=(
            key_statement(
                scope, "data", sid="EncryptDisks", reason="Disks are encrypted by this key.", actions=USE
            ),
            key_statement(
                scope,
                "data",
                sid="GrantDisks",
                reason="A disk is used by EC2 as long as it is attached, by a grant for that disk.",
                actions=("kms:CreateGrant",),
                conditions=GRANT,
            ),
        ),
        managed=(f"{MANAGED}/AmazonEBSCSIDriverPolicyV2",),
    )


def _efs(scope: Scope) -> RolePlan:
    return RolePlan(
        name=EFS,
        role_name=scope.named(EFS),
        reason="The driver of shared volumes (kube-system/efs-csi-controller-sa) makes and deletes the access"
        " points that it has tagged; AWS keeps a policy for exactly that.",
        trust="pods",
        statements=(),
        managed=(f"{MANAGED}/service-role/AmazonEFSCSIDriverPolicy",),
    )
