"""The components of the stores, as the engine would get them: the SDK takes every input, and data is kept."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from support.recordings import ROOT

from infra.plan.aws.cache import worker_login

SECONDS = 90
"""Longest that all of them may take; about 10 s on an idle core."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]
UNTAGGED = frozenset(
    {
        *("aws:efs/fileSystemPolicy:FileSystemPolicy", "aws:efs/mountTarget:MountTarget"),
        *("aws:ecr/lifecyclePolicy:LifecyclePolicy", "aws:ecr/pullThroughCacheRule:PullThroughCacheRule"),
        "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",
        "aws:elasticache/userGroupAssociation:UserGroupAssociation",
    }
)
"""Types that take no tags, besides what belongs to a bucket."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One registration, with secrets in clear: they are made up."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    dependencies: list[str]
    protect: bool
    retained: bool
    ignored: list[str]
    aliases: list[str]
    provider: str


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What `support.store_parts` tells, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "support.store_parts"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def made(printed: dict[str, Any]) -> dict[str, Resource]:
    """All resources by name."""
    return {each["name"]: Resource(**each) for each in printed["made"]}


def test_sdk_takes_every_input(printed: dict[str, Any]) -> None:
    """Names, types and values, at every depth."""
    assert printed["faults"] == []


def test_everything_has_tags_and_a_parent(made: dict[str, Resource]) -> None:
    """By which costs and roles find it."""
    for each in made.values():
        assert each.parent
        is_part = each.type.startswith("aws:s3/") and each.type != "aws:s3/bucket:Bucket"
        if each.type.startswith("aws:") and each.type not in UNTAGGED and not is_part:
            assert each.inputs["tags"]["moorage:stack"] == "prod", each.name
            assert each.inputs["tags"]["Name"]


def test_what_holds_data_is_protected_and_stays(made: dict[str, Resource]) -> None:
    """And nothing else is: it can be made again."""
    kept = {name for name, each in made.items() if each.protect and each.retained}

    assert kept == {
        *("database-instance", "images-moorage-runtime", "queue-cluster", "shared-file-system"),
        *("objects-logs", "objects-objects", "objects-weights"),
    }


def test_queue_keeps_every_acknowledged_write(made: dict[str, Resource]) -> None:
    """All that `sync` asks for, else ElastiCache refuses the whole cluster."""
    inputs = made["queue-cluster"].inputs

    assert inputs["durability"] == "sync"
    assert inputs["clusterMode"] == "enabled"
    assert inputs["multiAzEnabled"] is inputs["automaticFailoverEnabled"] is True
    assert (inputs["transitEncryptionEnabled"], inputs["transitEncryptionMode"]) == (True, "required")
    assert inputs["replicasPerNodeGroup"] >= 1
    assert inputs["kmsKeyId"] == "arn:aws:kms:data"


def test_queue_secret_is_the_one_that_programs_read(made: dict[str, Resource]) -> None:
    """Under the same name and keys as of a queue in a pod, and without Valkey's ACL file."""
    secret = made["queue-secret"].inputs

    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("queue", "moorage")
    assert secret["stringData"]["gateway-url"] == "valkeys+cluster://gateway:generated@cache.example:6379"
    assert sorted(secret["stringData"]) == ["api-url", "gateway-url", "scaler-url", "worker-key"]


def test_endpoint_comes_to_the_queue_by_resources_of_its_own(made: dict[str, Resource]) -> None:
    """The group itself names the platform's users only and leaves the others alone."""
    group = made["queue-users"]
    worker = made["queue-user-worker-embed"].inputs

    assert len(group.inputs["userIds"]) == 4
    assert group.ignored == ["userIds"]
    assert worker["authenticationMode"]["passwords"] == [worker_login("generated", "embed")]
    assert made["queue-joined-worker-embed"].inputs["userId"] == worker["userId"]


@pytest.mark.parametrize("rule", ["queue-from-nodes", "database-from-nodes", "shared-from-nodes"])
def test_stores_let_the_nodes_in_and_nobody_else(made: dict[str, Resource], rule: str) -> None:
    """By their security group, on one port."""
    inputs = made[rule].inputs

    assert inputs["referencedSecurityGroupId"] == "sg-nodes"
    assert inputs["fromPort"] == inputs["toPort"]
    assert "cidrIpv4" not in inputs
    assert not [each for each in made.values() if "Egress" in each.type or "egress" in each.inputs]


def test_database_keeps_its_password_to_itself(made: dict[str, Resource]) -> None:
    """RDS makes it, and no address of the database is public."""
    inputs = made["database-instance"].inputs

    assert inputs["manageMasterUserPassword"] is True
    assert "password" not in inputs
    assert inputs["publiclyAccessible"] is False
    assert inputs["multiAz"] is inputs["storageEncrypted"] is inputs["deletionProtection"] is True


def test_logs_are_encrypted_before_a_service_writes_them(made: dict[str, Resource]) -> None:
    """RDS would make the groups itself, without a key and for ever."""
    groups = {name: each for name, each in made.items() if each.type.endswith(":LogGroup")}

    assert {each.inputs["kmsKeyId"] for each in groups.values()} == {"arn:aws:kms:logs"}
    assert {name for name in groups if name.startswith("database")} <= set(
        made["database-instance"].dependencies
    )


def test_buckets_are_closed_versioned_and_encrypted(made: dict[str, Resource]) -> None:
    """Each of them."""
    for role in ("logs", "objects", "weights"):
        block = made[f"objects-{role}-public-access"].inputs
        encryption = made[f"objects-{role}-encryption"].inputs["rules"][0]
        assert [value for key, value in block.items() if key != "bucket"] == [True] * 4
        assert made[f"objects-{role}-ownership"].inputs["rule"]["objectOwnership"] == "BucketOwnerEnforced"
        assert made[f"objects-{role}-versioning"].inputs["versioningConfiguration"]["status"] == "Enabled"
        assert encryption["bucketKeyEnabled"] is (role != "logs")


def test_images_cannot_be_overwritten(made: dict[str, Resource]) -> None:
    """And are scanned as they come."""
    inputs = made["images-moorage-runtime"].inputs

    assert inputs["imageTagMutability"] == "IMMUTABLE"
    assert inputs["imageScanningConfiguration"] == {"scanOnPush": True}


def test_classes_are_those_that_the_plan_names(made: dict[str, Resource]) -> None:
    """Claims ask for them by name."""
    disk, shared = made["disks-class"].inputs, made["shared-class"].inputs

    assert disk["metadata"]["name"] == "moorage-disk"
    assert (disk["parameters"]["encrypted"], disk["volumeBindingMode"]) == ("true", "WaitForFirstConsumer")
    assert shared["metadata"]["name"] == "moorage-shared"
    assert shared["parameters"]["fileSystemId"] == "shared-file-system"


def test_others_are_told_where_queue_and_database_are(printed: dict[str, Any]) -> None:
    """And what the programs' pods roll by."""
    address, address_hash, worker_key, access, endpoint, secret_arn = printed["told"]

    assert (address, worker_key, access) == ("cache.example:6379", "generated", ["embed", "ocr"])
    assert len(address_hash) == 16
    assert (endpoint, secret_arn) == ("db.example:5432", "arn:aws:secretsmanager:db")
