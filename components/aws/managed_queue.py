"""The queue as a managed service: ElastiCache for Valkey, its users, and the Secret with their addresses."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.cloudwatch.log_group import LogGroup
from pulumi_aws.elasticache._inputs import (
    ParameterGroupParameterArgs,
    ReplicationGroupLogDeliveryConfigurationArgs,
    UserAuthenticationModeArgs,
)
from pulumi_aws.elasticache.parameter_group import ParameterGroup
from pulumi_aws.elasticache.replication_group import ReplicationGroup
from pulumi_aws.elasticache.subnet_group import SubnetGroup
from pulumi_aws.elasticache.user import User
from pulumi_aws.elasticache.user_group import UserGroup
from pulumi_aws.elasticache.user_group_association import UserGroupAssociation
from pulumi_kubernetes.core.v1 import Secret
from pulumi_random import RandomPassword

from components.aws.store_group import make_store_group
from infra.plan.aws.cache import CachePlan, CacheUserPlan, queue_secret_metadata, worker_login
from infra.plan.aws.logs import LogGroupPlan
from infra.plan.digests import MANAGED_QUEUE, PASSWORD_CHARACTERS, queue_secret, secrets_hash

ENGINE = "valkey"


class ManagedQueue(pulumi.ComponentResource):
    """Creates the cluster with all that it needs, and the Secret `queue` as `RequestQueue` does.

    Args of note:
        subnets: without a way out.
        clients: the security group that may reach it: of the cluster's nodes.
        key_arn: of the key `data`; logs_key_arn: of `logs`.

    Attributes of note:
        address: host and port of the whole cluster.
        worker_key: what every worker's password is made from.
        address_hash: changes with the passwords of the platform's own programs.
        access: by endpoint, what its workers' Secret must depend on: on removal they need it to the end.
    """

    address: Output[str]
    worker_key: Output[str]
    address_hash: Output[str]
    access: Mapping[str, Resource]

    def __init__(
        self,
        name: str,
        plan: CachePlan,
        *,
        vpc_id: Input[str],
        subnets: Sequence[Input[str]],
        clients: Input[str],
        key_arn: Input[str],
        logs_key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:ManagedQueue", name, {}, opts)
        self._name, self._plan = name, plan
        self._inside = ResourceOptions(parent=self)
        self.worker_key = self._password("worker-key")
        own = [user for user in plan.users if user.endpoint is None]
        passwords = {user.name: self._password(user.name) for user in own}
        group = self._user_group(own, passwords)
        self.access = self._worker_access(group)
        cluster = ReplicationGroup(
            f"{name}-cluster",
            **_own_inputs(plan, key_arn),
            parameter_group_name=self._parameters().name,
            subnet_group_name=self._subnets(subnets).name,
            security_group_ids=[
                make_store_group(
                    name, "The queue", plan, vpc_id=vpc_id, clients=clients, opts=self._inside
                ).id
            ],
            user_group_ids=[group.user_group_id],
            log_delivery_configurations=[
                self._delivery(log, kind, logs_key_arn)
                for kind, log in (("engine-log", plan.engine_log), ("slow-log", plan.slow_log))
            ],
            opts=ResourceOptions(
                parent=self,
                # ElastiCache refuses a cluster for a group that is just being changed, and a group's change
                # while its cluster goes.
                depends_on=list(self.access.values()),
                protect=plan.is_protected,
                retain_on_delete=plan.is_protected,
            ),
        )
        self.address = Output.concat(cluster.configuration_endpoint_address, f":{plan.port}")
        self._secret(passwords)
        keyed = Output.all(self.worker_key, *passwords.values())
        self.address_hash = Output.unsecret(keyed.apply(lambda found: secrets_hash(found[0], found)))
        self.register_outputs({"address": self.address})

    def _password(self, role: str) -> Output[str]:
        name = f"{self._name}-{role}"
        made = RandomPassword(name, length=PASSWORD_CHARACTERS, special=False, opts=self._inside)
        return Output.secret(made.result)

    def _user_group(self, own: Sequence[CacheUserPlan], passwords: Mapping[str, Output[str]]) -> UserGroup:
        """The platform's own users; workers join one by one, so that an endpoint's coming is its own affair."""
        users = [self._user(user, passwords[user.name]) for user in own]
        return UserGroup(
            f"{self._name}-users",
            engine=ENGINE,
            user_group_id=self._plan.name,
            user_ids=[user.user_id for user in users],
            tags=dict(self._plan.tags),
            opts=ResourceOptions(parent=self, ignore_changes=["userIds"]),
        )

    def _worker_access(self, group: UserGroup) -> Mapping[str, Resource]:
        return {
            user.endpoint: UserGroupAssociation(
                f"{self._name}-joined-{user.name}",
                user_group_id=group.user_group_id,
                user_id=self._user(user, self._worker_password(user.endpoint)).user_id,
                opts=self._inside,
            )
            for user in self._plan.users
            if user.endpoint is not None
        }

    def _worker_password(self, endpoint: str) -> Output[str]:
        return self.worker_key.apply(lambda key: worker_login(key, endpoint))

    def _user(self, user: CacheUserPlan, password: Output[str]) -> User:
        return User(
            f"{self._name}-user-{user.name}",
            engine=ENGINE,
            user_id=user.user_id,
            user_name=user.name,
            access_string=user.access,
            authentication_mode=UserAuthenticationModeArgs(type="password", passwords=[password]),
            tags=dict(self._plan.tags),
            opts=self._inside,
        )

    def _parameters(self) -> ParameterGroup:
        return ParameterGroup(
            f"{self._name}-parameters",
            # With the next family there are two for a while: one that is in use cannot be deleted.
            name=f"{self._plan.name}-{self._plan.family}",
            family=self._plan.family,
            description="A queue evicts nothing",
            parameters=[
                ParameterGroupParameterArgs(name=key, value=value) for key, value in self._plan.parameters
            ],
            tags=dict(self._plan.tags),
            opts=self._inside,
        )

    def _subnets(self, subnets: Sequence[Input[str]]) -> SubnetGroup:
        return SubnetGroup(
            f"{self._name}-subnets",
            name=self._plan.name,
            description="Where the queue's nodes are",
            subnet_ids=list(subnets),
            tags=dict(self._plan.tags),
            opts=self._inside,
        )

    def _delivery(
        self, log: LogGroupPlan, kind: str, key_arn: Input[str]
    ) -> ReplicationGroupLogDeliveryConfigurationArgs:
        group = LogGroup(
            f"{self._name}-{kind}",
            name=log.group_name,
            retention_in_days=log.days,
            kms_key_id=key_arn,
            tags=dict(log.tags),
            opts=self._inside,
        )
        return ReplicationGroupLogDeliveryConfigurationArgs(
            destination=group.name, destination_type="cloudwatch-logs", log_format="json", log_type=kind
        )

    def _secret(self, passwords: Mapping[str, Output[str]]) -> None:
        content = Output.all(
            passwords=Output.all(**passwords), worker_key=self.worker_key, address=self.address
        ).apply(lambda found: queue_secret(**found, scheme=MANAGED_QUEUE))
        Secret(
            f"{self._name}-secret",
            **queue_secret_metadata(self._plan),
            string_data=content,
            opts=self._inside,
        )


def _own_inputs(plan: CachePlan, key_arn: Input[str]) -> dict[str, Any]:
    """Inputs of the cluster that name no other resource but the key."""
    return {
        "description": "Requests that wait and run",
        "replication_group_id": plan.name,
        "engine": ENGINE,
        "engine_version": plan.engine_version,
        "node_type": plan.node_type,
        "cluster_mode": "enabled",
        "num_node_groups": plan.shards,
        "replicas_per_node_group": plan.replicas,
        "automatic_failover_enabled": True,
        "multi_az_enabled": True,
        "durability": "sync",
        "transit_encryption_enabled": True,
        "transit_encryption_mode": "required",
        "at_rest_encryption_enabled": True,
        "kms_key_id": key_arn,
        "port": plan.port,
        "apply_immediately": True,
        # With 9.1 made of it meanwhile, 9.0 would be a step back, for which the queue is made anew.
        "auto_minor_version_upgrade": False,
        "maintenance_window": plan.maintenance,
        "snapshot_window": plan.snapshots,
        "snapshot_retention_limit": plan.snapshot_days,
        "final_snapshot_identifier": plan.final_snapshot,
        "tags": dict(plan.tags),
    }
