"""The platform API's database as a managed service: RDS for PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi_aws.cloudwatch.log_group import LogGroup
from pulumi_aws.rds._inputs import ParameterGroupParameterArgs
from pulumi_aws.rds.instance import Instance
from pulumi_aws.rds.parameter_group import ParameterGroup
from pulumi_aws.rds.subnet_group import SubnetGroup

from components.aws.store_group import make_store_group
from infra.plan.aws.database import DatabasePlan


class Database(pulumi.ComponentResource):
    """Creates the database with all that it needs; RDS makes the password and changes it by itself.

    Args of note:
        subnets: without a way out.
        clients: the security group that may reach it: of the cluster's nodes.
        key_arn: of the key `data`; logs_key_arn: of `logs`.
        monitoring_role_arn: of the role `database-monitoring`.

    Attributes of note:
        endpoint: host and port.
        secret_arn: of the entry of Secrets Manager with `username` and `password`.
    """

    endpoint: Output[str]
    secret_arn: Output[str]

    def __init__(
        self,
        name: str,
        plan: DatabasePlan,
        *,
        vpc_id: Input[str],
        subnets: Sequence[Input[str]],
        clients: Input[str],
        key_arn: Input[str],
        logs_key_arn: Input[str],
        monitoring_role_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Database", name, {}, opts)
        self._name, self._plan = name, plan
        self._inside = ResourceOptions(parent=self)
        instance = Instance(
            f"{name}-instance",
            **_own_inputs(plan, key_arn),
            db_subnet_group_name=self._subnets(subnets).name,
            vpc_security_group_ids=[
                make_store_group(
                    name, "The database", plan, vpc_id=vpc_id, clients=clients, opts=self._inside
                ).id
            ],
            parameter_group_name=self._parameters().name,
            monitoring_role_arn=monitoring_role_arn,
            opts=ResourceOptions(
                parent=self,
                depends_on=self._logs(logs_key_arn),
                protect=plan.is_protected,
                retain_on_delete=plan.is_protected,
            ),
        )
        self.endpoint = instance.endpoint
        self.secret_arn = instance.master_user_secrets[0].secret_arn
        self.register_outputs({"endpoint": self.endpoint, "secret_arn": self.secret_arn})

    def _logs(self, key_arn: Input[str]) -> list[LogGroup]:
        return [
            LogGroup(
                f"{self._name}-{log.name}-logs",
                name=log.group_name,
                retention_in_days=log.days,
                kms_key_id=key_arn,
                tags=dict(log.tags),
                opts=self._inside,
            )
            for log in self._plan.logs
        ]

    def _parameters(self) -> ParameterGroup:
        return ParameterGroup(
            f"{self._name}-parameters",
            # With the next family there are two for a while: one that is in use cannot be deleted.
            name=f"{self._plan.name}-{self._plan.family}",
            family=self._plan.family,
            description="Connections by TLS only",
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
            description="Where the database is",
            subnet_ids=list(subnets),
            tags=dict(self._plan.tags),
            opts=self._inside,
        )


def _own_inputs(plan: DatabasePlan, key_arn: Input[str]) -> dict[str, Any]:
    """Inputs of the instance that name no other resource but the key."""
    return {
        "identifier": plan.name,
        "engine": "postgres",
        "engine_version": plan.engine_version,
        "auto_minor_version_upgrade": True,
        "allow_major_version_upgrade": False,
        "instance_class": plan.instance_class,
        "allocated_storage": plan.gib,
        "max_allocated_storage": plan.most_gib,
        "storage_type": "gp3",
        "storage_encrypted": True,
        "kms_key_id": key_arn,
        "multi_az": True,
        "publicly_accessible": False,
        "db_name": plan.database,
        "username": plan.user,
        "manage_master_user_password": True,
        "master_user_secret_kms_key_id": key_arn,
        "iam_database_authentication_enabled": True,
        "port": plan.port,
        "backup_retention_period": plan.backup_days,
        "backup_window": plan.backups,
        "maintenance_window": plan.maintenance,
        "copy_tags_to_snapshot": True,
        "delete_automated_backups": not plan.is_protected,
        "deletion_protection": plan.is_protected,
        "skip_final_snapshot": plan.final_snapshot is None,
        "final_snapshot_identifier": plan.final_snapshot,
        "performance_insights_enabled": True,
        "performance_insights_kms_key_id": key_arn,
        "performance_insights_retention_period": plan.insights_days,
        "monitoring_interval": plan.monitoring_seconds,
        "enabled_cloudwatch_logs_exports": list(plan.exports),
        "tags": dict(plan.tags),
    }
