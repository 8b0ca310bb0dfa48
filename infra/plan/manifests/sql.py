"""Manifests of where the platform API keeps usage: a disk for SQLite, or the login of a managed PostgreSQL."""

from typing import Any

from infra.plan.manifests.access import PASSWORD_KEY, external_password
from infra.plan.manifests.parts import USER, Manifest, labels_of, metadata
from infra.plan.values import ApiPlan, Postgres, SqliteDisk

API = "api"
CLAIM = "api-sql"
LOGIN = "api-sql-login"
"""The Secret with the database's password."""
DISK_PATH, LOGIN_PATH = "/sql", "/sql-login"
SQLITE_PLACE = f"sqlite:///{DISK_PATH}/platform.sqlite"
PLACE, PASSWORD_FILE = "MOORAGE_SQL", "MOORAGE_SQL_PASSWORD_FILE"
"""Settings of `runtime.api`."""


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


def with_sql(spec: Manifest, sql: SqliteDisk | Postgres | None, place: Any) -> Manifest:
    """The spec of the API's Deployment, with what it keeps usage in.

    Args:
        spec: of a Deployment with one container.
        sql: where usage is kept; None changes nothing.
        place: of a database (`database_place`), which is known once that is made; else None.
    """
    if sql is None:
        return spec
    if isinstance(sql, Postgres):
        told = [(PLACE, place), (PASSWORD_FILE, f"{LOGIN_PATH}/{PASSWORD_KEY}")]
        items = [{"key": PASSWORD_KEY, "path": PASSWORD_KEY}]
        # 0440. A whole folder is mounted, for a file mounted by itself never changes.
        source = {"secret": {"defaultMode": 288, "items": items, "secretName": LOGIN}}
        return _mounted(spec, "sql-login", source, {"mountPath": LOGIN_PATH, "readOnly": True}, told)
    source = {"persistentVolumeClaim": {"claimName": CLAIM}}
    kept = _mounted(spec, "sql", source, {"mountPath": DISK_PATH}, [(PLACE, SQLITE_PLACE)])
    # The one that goes lets the disk go before the next one comes.
    return {**kept, "strategy": {"type": "Recreate"}}


def _mounted(
    spec: Manifest, name: str, source: Manifest, mount: Manifest, told: list[tuple[str, Any]]
) -> Manifest:
    """The spec with one volume more, which belongs to the platform's own user, and with its settings."""
    template = spec["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    mounting = {
        **container,
        "env": [*container["env"], *({"name": key, "value": value} for key, value in told)],
        "volumeMounts": [*container["volumeMounts"], {"name": name, **mount}],
    }
    whole = {
        **pod,
        "containers": [mounting],
        "securityContext": {
            **pod["securityContext"],
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
        },
        "volumes": [*pod["volumes"], {"name": name, **source}],
    }
    return {**spec, "template": {**template, "spec": whole}}
