"""The managed database of the platform API: RDS for PostgreSQL.

Sources, read 2026-11-25: RDS API Reference, CreateDBInstance; RDS for PostgreSQL Release Notes, "Extension versions"
(18.1 stands there, so major 18 may be made); RDS User Guide, "Using SSL with a PostgreSQL DB instance" (rds.force_ssl);
read 2026-11-28: RDS User Guide, "Password management with Amazon RDS and AWS Secrets Manager".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.aws.keys import READ, key_statement
from infra.plan.aws.logs import LogGroupPlan, log_group
from infra.plan.aws.roles import RolePlan, Statement
from infra.plan.aws.scope import Scope
from infra.spec.stack_aws import Aws

MAJOR = "18"
"""Minor versions come by themselves, in the maintenance window."""
FAMILY = f"postgres{MAJOR}"
PORT = 5432
USER = "moorage"
GROWTH = 5
"""How many times its first size the disk may grow to."""
CONNECTION_STAGES = "all"
"""Which stages of a connection are logged. PostgreSQL 18 itself still takes `1`; RDS refuses it: "allowed values are:
receipt, authentication, authorization, setup_durations, all", as others met it, 2026-05."""
LOGIN_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
"""Of the entry with the password: the ARN of its instance."""
EXPORTS = ("postgresql", "upgrade")
LOG_DAYS = 90
DATABASE = "database"
MONITORING = "database-monitoring"
MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
"""What AWS itself keeps for it. Source: RDS User Guide, "Setting up and enabling Enhanced Monitoring", 2026-11."""


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """The database, with another instance standing by in another zone."""

    name: str
    """In RDS."""
    instance_class: str
    gib: int
    most_gib: int
    engine_version: str
    family: str
    parameters: tuple[tuple[str, str], ...]
    database: str
    user: str
    port: int
    backup_days: int
    backups: str
    """Window of the daily backup, UTC; apart from the maintenance's."""
    maintenance: str
    exports: tuple[str, ...]
    logs: tuple[LogGroupPlan, ...]
    """Of the exports, in their order: RDS would make them without a key, and keep them for ever."""
    monitoring_seconds: int
    insights_days: int
    final_snapshot: str | None
    """Its name; None where a stack that is not protected ends without one."""
    tags: Mapping[str, str]
    is_protected: bool


def plan_database(scope: Scope, aws: Aws) -> DatabasePlan | None:
    """The managed database; None where the platform API keeps its own on a disk."""
    if aws.database is None:
        return None
    name = scope.named(DATABASE)
    return DatabasePlan(
        name=name,
        instance_class=aws.database.instance_class,
        gib=aws.database.disk,
        most_gib=aws.database.disk * GROWTH,
        engine_version=MAJOR,
        family=FAMILY,
        parameters=(
            ("log_connections", CONNECTION_STAGES),
            ("log_disconnections", "1"),
            ("rds.force_ssl", "1"),
        ),
        database=USER,
        user=USER,
        port=PORT,
        backup_days=aws.database.backup_days,
        backups="01:00-02:00",
        maintenance="sun:03:00-sun:04:00",
        exports=EXPORTS,
        logs=tuple(
            log_group(scope, f"database-{export}", LOG_DAYS, group_name=f"/aws/rds/instance/{name}/{export}")
            for export in EXPORTS
        ),
        monitoring_seconds=60,
        insights_days=7,  # more of them cost extra
        final_snapshot=scope.named("database-final") if scope.is_protected else None,
        tags=scope.tagged("database"),
        is_protected=scope.is_protected,
    )


def login_statements(scope: Scope, aws: Aws) -> tuple[Statement, ...]:
    """What External Secrets may do to bring the database's password; nothing where there is no database.

    RDS names the entry itself, so it is told by the tag that RDS puts on it. Sources, read 2026-11-28: that tag, AWS's
    managed policy AmazonRDSPreviewServiceRolePolicy; that `aws:ResourceTag` counts for entries, Service
    Authorization Reference, AWS Secrets Manager.
    """
    if aws.database is None:
        return ()
    entries = scope.arn("secretsmanager", "secret:rds!db-*")
    return (
        key_statement(
            scope,
            "data",
            sid="DecryptDatabaseLogin",
            reason="RDS encrypts the password with the stack's key; it is decrypted through Secrets Manager only.",
            actions=READ,
            conditions={
                "StringEquals": {"kms:ViaService": f"secretsmanager.{scope.region}.amazonaws.com"},
                "StringLike": {"kms:EncryptionContext:SecretARN": entries},
            },
        ),
        Statement(
            "ReadDatabaseLogin",
            "The platform API's password, which RDS makes and exchanges: of this stack's database and of no other.",
            ("secretsmanager:GetSecretValue",),
            (entries,),
            {"StringEquals": {LOGIN_TAG: scope.arn("rds", f"db:{scope.named(DATABASE)}")}},
        ),
    )


def monitoring_role(scope: Scope) -> RolePlan:
    """The role by which RDS hands on what it sees of the database's operating system."""
    return RolePlan(
        name=MONITORING,
        role_name=scope.named(MONITORING),
        reason="RDS writes figures of the database's operating system to CloudWatch.",
        trust="rds-monitoring",
        statements=(),
        managed=(MONITORING_POLICY,),
    )
