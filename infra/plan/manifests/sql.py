"""Manifests of where the platform API keeps usage: a disk for SQLite, or the login of a managed PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.plan.manifests.access import PASSWORD_KEY, external_password
from infra.plan.manifests.parts import ROLLING, USER, Manifest, labels_of, metadata
from infra.plan.values import ApiPlan, Postgres, SqliteDisk

API = "api"
CLAIM = "api-sql"
LOGIN = "api-sql-login"
"""The Secret with the database's password."""
DISK_PATH, LOGIN_PATH = "/sql", "/sql-login"
SQLITE_PLACE = f"sqlite:///{DISK_PATH}/platform.sqlite"
PLACE, PASSWORD_FILE = "MOORAGE_SQL", "MOORAGE_SQL_PASSWORD_FILE"
"""Settings of `runtime.api`."""
_LOGIN_FILE: Manifest = {
    "defaultMode": 288,  # 0440
    "items": [{"key": PASSWORD_KEY, "path": PASSWORD_KEY}],
    "secretName": LOGIN,
}
_OWNED: Mapping[str, Any] = {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
"""Volumes belong to the platform's own user."""


@dataclass(frozen=True, slots=True)
class SqlParts:
    """What a Deployment has of where its pods keep usage."""

    variables: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    security: Mapping[str, Any] = field(default_factory=dict)
    """Of the pod."""
    strategy: Mapping[str, Any] = field(default_factory=lambda: ROLLING)


NO_SQL = SqlParts()


def claim(api: ApiPlan, disk: SqliteDisk) -> Manifest:
    """The disk of SQLite's file."""
    chosen = {} if disk.storage_class is None else {"storageClassName": disk.storage_class}
    return {
        # Many classes bind a claim only when a pod uses it, and the pod comes after its disk.
        "metadata": metadata(CLAIM, api.namespace, labels_of(API), {"pulumi.com/skipAwait": "true"}),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{disk.gib}Gi"}},
            **chosen,
        },
    }


def login(api: ApiPlan, database: Postgres, entry: Any) -> Manifest:
    """Has External Secrets bring the database's password.

    Args:
        api: whose password it is.
        database: where usage is kept.
        entry: ARN in Secrets Manager, which is known once the database is made.
    """
    return external_password(LOGIN, api.namespace, database.store, entry)


def database_place(database: Postgres, endpoint: str) -> str:
    """The database as `runtime.api` is told of it; `endpoint` is host and port."""
    return f"postgresql://{database.user}@{endpoint}/{database.database}?sslmode=require"


def sql_parts(sql: SqliteDisk | Postgres | None, place: Any) -> SqlParts:
    """What the API's Deployment has of where usage is kept.

    Args:
        sql: where that is; None is nowhere.
        place: of a database (`database_place`), which is known once that is made; else None.
    """
    if sql is None:
        return NO_SQL
    if isinstance(sql, Postgres):
        return SqlParts(
            variables=(_variable(PLACE, place), _variable(PASSWORD_FILE, f"{LOGIN_PATH}/{PASSWORD_KEY}")),
            # A whole folder is mounted, for a file mounted by itself never changes.
            mounts=({"name": "sql-login", "mountPath": LOGIN_PATH, "readOnly": True},),
            volumes=({"name": "sql-login", "secret": _LOGIN_FILE},),
            security=_OWNED,
        )
    return SqlParts(
        variables=(_variable(PLACE, SQLITE_PLACE),),
        mounts=({"name": "sql", "mountPath": DISK_PATH},),
        volumes=({"name": "sql", "persistentVolumeClaim": {"claimName": CLAIM}},),
        security=_OWNED,
        # The one that goes lets the disk go before the next one comes.
        strategy={"type": "Recreate"},
    )


def _variable(name: str, value: Any) -> Manifest:
    return {"name": name, "value": value}
