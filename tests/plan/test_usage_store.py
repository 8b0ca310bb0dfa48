"""Where the platform API keeps usage: nowhere, on a disk, or in a database; and what its pods are then."""

from pathlib import Path
from typing import Any

import pytest
from support.plans import pods, specs_of

from infra.plan.manifests import gateway, sql
from infra.plan.planner import plan_platform
from infra.plan.values import Plan, Postgres, SqliteDisk
from infra.spec.load_stack import load_stack
from runtime.usage.places import PostgresPlace, SqlitePlace, parse_sql_place

ENDPOINTS = {"account": "acme", "endpoints": [{"name": "embed", "image": "ghcr.io/acme/embed:1"}]}
KUBERNETES = """config:
  moorage:backend: kubernetes
  moorage:domain: models.example.com
  moorage:storage: {disk_class: fast}
"""
AWS = """config:
  moorage:backend: aws
  moorage:domain: models.example.com
  moorage:queue: {disk: 5Gi}
  moorage:aws:
    account: "123456789012"
    region: eu-central-1
"""
DISK = "  moorage:api: {disk: 2Gi}\n"
DATABASE = "    database: {instance_class: db.t4g.medium}\n"
ENDPOINT = "db.example.com:5432"


def planned(stack: str) -> Plan:
    """The plan of one endpoint in a stack."""
    return plan_platform(specs_of(ENDPOINTS), load_stack(stack, "stacks/Pulumi.prod.yaml").settings, "prod")


def deployment(stack: str) -> dict[str, Any]:
    """The spec of the API's Deployment, with its database where the stack has one."""
    plan = planned(stack)
    place = sql.database_place(plan.api.sql, ENDPOINT) if isinstance(plan.api.sql, Postgres) else None
    spec: dict[str, Any] = gateway.api_deployment(plan, place)["spec"]
    return spec


def told(stack: str) -> dict[str, str]:
    """The API's own settings of SQL."""
    (container,) = pods({"spec": deployment(stack)})["containers"]
    return {
        each["name"]: each["value"] for each in container["env"] if each["name"].startswith("MOORAGE_SQL")
    }


def source_at(stack: str, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is mounted at a path of the API's container: the mount, and its volume."""
    pod = pods({"spec": deployment(stack)})
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == path)
    (volume,) = (each for each in pod["volumes"] if each["name"] == mount["name"])
    return mount, volume


def test_api_without_a_store_is_two_pods_that_roll() -> None:
    """Nothing of a store is about them."""
    spec = deployment(KUBERNETES)

    assert planned(KUBERNETES).api.sql is None
    assert (spec["replicas"], spec["strategy"]["type"]) == (2, "RollingUpdate")
    assert told(KUBERNETES) == {}
    assert "fsGroup" not in pods({"spec": spec})["securityContext"]


@pytest.mark.parametrize("stack", [KUBERNETES + DISK, AWS])
def test_api_with_a_disk_is_one_pod_that_goes_before_the_next_comes(stack: str) -> None:
    """SQLite takes one writer, and a disk one node."""
    spec = deployment(stack)

    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert parse_sql_place(told(stack)["MOORAGE_SQL"], None) == SqlitePlace(Path("/sql/platform.sqlite"))


def test_disk_is_the_user_s_whose_program_writes_to_it() -> None:
    """A new file system is root's; kubelet gives it to the pod's group."""
    mount, volume = source_at(KUBERNETES + DISK, "/sql")
    security = pods({"spec": deployment(KUBERNETES + DISK)})["securityContext"]

    assert "readOnly" not in mount
    assert volume["persistentVolumeClaim"] == {"claimName": "api-sql"}
    assert security["fsGroup"] == security["runAsUser"] == security["runAsGroup"] == 65532


@pytest.mark.parametrize(
    ("stack", "gib", "storage_class"),
    [
        (KUBERNETES + DISK, 2, "fast"),
        (KUBERNETES.replace("{disk_class: fast}", "{}") + DISK, 2, None),
        (AWS, 1, "moorage-disk"),
        (AWS.replace("  moorage:aws:", f"{DISK}  moorage:aws:"), 2, "moorage-disk"),
    ],
)
def test_disk_has_the_size_and_class_of_the_stack(stack: str, gib: int, storage_class: str | None) -> None:
    """On AWS the encrypted one, and always a disk; elsewhere the cluster's default where the stack names none."""
    plan = planned(stack)
    disk = SqliteDisk(gib, storage_class)

    assert plan.api.sql == disk
    spec = sql.claim(plan.api, disk)["spec"]
    assert spec["accessModes"] == ["ReadWriteOnce"]
    assert spec["resources"] == {"requests": {"storage": f"{gib}Gi"}}
    assert spec.get("storageClassName") == storage_class


def test_api_with_a_database_is_two_pods_that_roll() -> None:
    """PostgreSQL takes both; they reach it by TLS as the user that RDS makes."""
    spec, settings = deployment(AWS + DATABASE), told(AWS + DATABASE)
    password = Path(settings["MOORAGE_SQL_PASSWORD_FILE"])

    assert planned(AWS + DATABASE).api.sql == Postgres(
        "moorage", "moorage", ("ClusterSecretStore", "moorage-prod")
    )
    assert (spec["replicas"], spec["strategy"]["type"]) == (2, "RollingUpdate")
    assert parse_sql_place(settings["MOORAGE_SQL"], password) == PostgresPlace(
        "moorage", "db.example.com", 5432, "moorage", "require", password
    )


def test_password_is_a_file_that_follows_its_secret() -> None:
    """A folder is mounted: a file mounted by `subPath` would keep the password that RDS has exchanged."""
    mount, volume = source_at(AWS + DATABASE, "/sql-login")

    assert mount == {"mountPath": "/sql-login", "name": volume["name"], "readOnly": True}
    assert told(AWS + DATABASE)["MOORAGE_SQL_PASSWORD_FILE"] == "/sql-login/password"
    assert volume["secret"]["items"] == [{"key": "password", "path": "password"}]
    # 0440: the pod's group reads it, which is the program's.
    assert volume["secret"]["defaultMode"] == 0o440
    assert pods({"spec": deployment(AWS + DATABASE)})["securityContext"]["fsGroup"] == 65532


def test_secret_of_the_password_is_the_one_that_is_mounted() -> None:
    """External Secrets makes it, in the API's own namespace and with the key that is read."""
    plan = planned(AWS + DATABASE)
    assert isinstance(plan.api.sql, Postgres)

    brought = sql.login(plan.api, plan.api.sql, "arn:entry")

    _, volume = source_at(AWS + DATABASE, "/sql-login")
    assert brought["metadata"]["namespace"] == plan.api.namespace
    assert brought["spec"]["target"]["name"] == volume["secret"]["secretName"]
    assert brought["spec"]["data"] == [
        {"secretKey": "password", "remoteRef": {"key": "arn:entry", "property": "password"}}
    ]


@pytest.mark.parametrize(
    ("stack", "gib", "secrets"), [(AWS, 6, 0), (AWS + DATABASE, 5, 1)], ids=["disk", "database"]
)
def test_store_of_usage_is_on_the_bill(stack: str, gib: int, secrets: int) -> None:
    """The disk beside the queue's, or the entry in which RDS keeps the password."""
    plan = planned(stack)
    assert plan.aws is not None

    counted = {part.name: part.count for part in plan.aws.bill.fixed}

    assert counted["GiB of disks of pods"] == gib
    assert counted.get("secret", 0) == secrets
