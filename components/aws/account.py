"""All of a stack in an AWS account but what is made inside the cluster."""

from collections.abc import Mapping, Sequence

from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.provider import Provider

from components.aws.budget import StackBudget
from components.aws.cluster import EksCluster
from components.aws.database import Database
from components.aws.image_registry import ImageRegistry
from components.aws.keys import Keys
from components.aws.network import Network
from components.aws.node_group import EksNodeGroup
from components.aws.object_store import ObjectStore
from components.aws.pod_identities import PodIdentities
from components.aws.roles import Roles
from infra.plan.aws.cluster import EksPlan
from infra.plan.aws.cluster_roles import NODE
from infra.plan.aws.database import MONITORING
from infra.plan.aws.operators import LOAD_BALANCER_CONTROLLER, VPC_VALUE
from infra.plan.aws.planner import AwsPlan
from infra.plan.aws.scope import Scope


class Account:
    """Network, cluster, nodes, roles, keys and stores, each a component of its own.

    Attributes of note:
        keys, roles, network, cluster, objects, database: those components; None where one is not made.
        kubeconfig: None where the cluster is there already, which the stack's context reaches.
        ready: what must be there before the cluster can run pods that take roles.
        repositories: what must be there before an image is pushed.
    """

    def __init__(self, plan: AwsPlan, provider: Provider) -> None:
        self.plan = plan
        self._provider = provider
        self._inside = ResourceOptions(providers=[provider])
        self.keys = Keys("keys", plan.keys, self._inside)
        self.roles = Roles("roles", plan.roles, plan.scope, self._inside)
        logs_key = self.keys.arn("logs")
        self.network = Network(
            "network", plan.network, logs_key_arn=logs_key, roles=self.roles, opts=self._inside
        )
        self.cluster = self._cluster()
        identities = PodIdentities(
            "identities", plan.roles, self.roles, self.cluster.cluster_name, self._inside
        )
        nodes = [self._node_group(at) for at in range(len(plan.node_groups))]
        self.objects = ObjectStore("objects", plan.buckets, key_arn=self.keys.arn("data"), opts=self._inside)
        registry = ImageRegistry("registry", plan.images, key_arn=self.keys.arn("data"), opts=self._inside)
        self.database = self._database()
        if plan.budget is not None:
            StackBudget("budget", plan.budget, self._inside)
        self.kubeconfig: Output[str] | None = self.cluster.kubeconfig
        self.ready: Sequence[Resource] = [*self.cluster.ready, identities, *nodes]
        self.repositories: Sequence[Resource] = registry.repositories

    def _cluster(self) -> EksCluster:
        plan = self.plan.cluster
        return EksCluster(
            "eks",
            plan,
            subnets=self.network.private_subnets,
            control_subnets=self.network.intra_subnets,
            key_arn=self.keys.arn("cluster") if isinstance(plan, EksPlan) else None,
            disk_key_arn=self.keys.arn("data"),
            logs_key_arn=self.keys.arn("logs"),
            roles=self.roles,
            nodes_after=self.network.ways_out,
            opts=self._inside,
        )

    def _node_group(self, at: int) -> EksNodeGroup:
        plan = self.plan.node_groups[at]
        return EksNodeGroup(
            plan.name,
            plan,
            cluster_name=self.cluster.cluster_name,
            node_role_arn=self.roles.arn(NODE),
            subnets=self.network.private_subnets,
            disk_key_arn=self.keys.arn("data"),
            opts=ResourceOptions(
                providers=[self._provider],
                depends_on=[
                    *self.network.ways_out,
                    *self.roles.permissions(NODE),
                    *self.cluster.ready,
                ],
            ),
        )

    def _database(self) -> Database | None:
        plan = self.plan.database
        if plan is None:
            return None
        return Database(
            "database",
            plan,
            vpc_id=self.network.vpc_id,
            subnets=self.network.intra_subnets,
            clients=self.cluster.security_group,
            key_arn=self.keys.arn("data"),
            logs_key_arn=self.keys.arn("logs"),
            monitoring_role_arn=self.roles.arn(MONITORING),
            opts=ResourceOptions(providers=[self._provider], depends_on=self.roles.permissions(MONITORING)),
        )

    def values_of_addons(self) -> Mapping[str, Mapping[str, Input[str]]]:
        """What charts need to know of the account that only its making tells, by chart."""
        return {LOAD_BALANCER_CONTROLLER: {VPC_VALUE: self.network.vpc_id}}


def account_provider(scope: Scope) -> Provider:
    """The provider of one account and region; it refuses to work in any other account."""
    return Provider("aws", region=scope.region, allowed_account_ids=[scope.account])
