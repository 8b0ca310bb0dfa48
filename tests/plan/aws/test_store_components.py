"""The components of the stores, as the engine would get them: the SDK takes every input, and data is kept."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from pulumi import Output, ResourceOptions
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await
from support.aws_scope import scope_for
from support.aws_types import faults

from components.aws.database import Database
from components.aws.disk_class import DiskClass
from components.aws.image_registry import ImageRegistry
from components.aws.managed_queue import ManagedQueue
from components.aws.object_store import ObjectStore
from components.aws.shared_cache import SharedCache
from infra.plan.aws.buckets import plan_buckets
from infra.plan.aws.cache import plan_cache, worker_login
from infra.plan.aws.database import plan_database
from infra.plan.aws.fitting import image_registry
from infra.plan.aws.image_registry import plan_image_registry
from infra.plan.aws.shared_cache import plan_disk_class, plan_file_system
from infra.plan.recording import Resource

SETTINGS: dict[str, object] = {
    "queue": {"node_type": "cache.m7g.large", "shards": 2},
    "database": {"instance_class": "db.t4g.medium"},
    "cold_start": {"weights_bucket": True},
    "ingress": {"access_log_days": 30},
}
PLACED: dict[str, Any] = {"vpc_id": "vpc-1", "clients": "sg-nodes", "key_arn": "arn:aws:kms:data"}
LOGGED: dict[str, Any] = {"logs_key_arn": "arn:aws:kms:logs"}
HOST = "cache.example"
STATE: Mapping[str, Mapping[str, Any]] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": {"configurationEndpointAddress": HOST},
    "aws:rds/instance:Instance": {
        "endpoint": "db.example:5432",
        "masterUserSecrets": [{"secretArn": "arn:aws:secretsmanager:db"}],
    },
    "random:index/randomPassword:RandomPassword": {"result": "generated"},
}
"""What is known of a resource once it is there."""


class _Cloud(mocks.MockMonitor):
    """Keeps each registration."""

    def __init__(self) -> None:
        super().__init__(_Nobody())
        self.made: dict[str, Resource] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        """Keep a registration and answer it."""
        inputs = _plain(MessageToDict(request.object))
        if request.custom:
            self.made[request.name] = Resource(
                type=request.type,
                name=request.name,
                parent=request.parent,
                inputs=inputs,
                dependencies=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
                protect=request.protect,
                aliases=(),
                retained=request.retainOnDelete,
                ignored=tuple(request.ignoreChanges),
                provider=request.provider,
            )
        state = resource_pb2.RegisterResourceResponse()
        state.urn = self.make_urn(request.parent, request.type, request.name)
        state.id = request.name
        state.object.CopyFrom(request.object)
        state.object.update({"arn": f"arn:{request.name}", **STATE.get(request.type, {})})
        return state


class _Nobody(mocks.Mocks):
    """Refuses: nothing is read or looked up."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Refuse to read."""
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Refuse to look something up."""
        raise NotImplementedError(args.token)


def _plain(value: Any) -> Any:
    """Inputs as JSON, with secrets as what they hold."""
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def built(build: Callable[[ResourceOptions | None], object]) -> dict[str, Resource]:
    """What a component registers, by name."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    cloud = _Cloud()
    mocks.set_mocks(_Nobody(), project="moorage", stack="prod", preview=False, monitor=cloud)
    _sync_await(run_pulumi_func(lambda: build(None)))
    return cloud.made


def make_queue(opts: ResourceOptions | None) -> ManagedQueue:
    """With two endpoints."""
    plan = plan_cache(*scope_for(**SETTINGS), ("embed", "ocr"))
    assert plan is not None
    return ManagedQueue("queue", plan, subnets=["subnet-a", "subnet-b"], **PLACED, **LOGGED, opts=opts)


def make_database(opts: ResourceOptions | None) -> Database:
    """As the platform API uses it."""
    plan = plan_database(*scope_for(**SETTINGS))
    assert plan is not None
    subnets = ["subnet-a", "subnet-b"]
    role = "arn:aws:iam::123456789012:role/monitoring"
    return Database(
        "database", plan, subnets=subnets, **PLACED, **LOGGED, monitoring_role_arn=role, opts=opts
    )


def make_buckets(opts: ResourceOptions | None) -> ObjectStore:
    """All three."""
    return ObjectStore("objects", plan_buckets(*scope_for(**SETTINGS)), key_arn=PLACED["key_arn"], opts=opts)


def make_disks(opts: ResourceOptions | None) -> DiskClass:
    """Of one pod each."""
    return DiskClass("disks", plan_disk_class(scope_for()[0]), key_arn=PLACED["key_arn"], opts=opts)


def make_shared(opts: ResourceOptions | None) -> SharedCache:
    """In two zones."""
    plan = plan_file_system(scope_for()[0], needs_efs=True)
    assert plan is not None
    return SharedCache("shared", plan, subnets={"a": "subnet-a", "b": "subnet-b"}, **PLACED, opts=opts)


def make_images(opts: ResourceOptions | None) -> ImageRegistry:
    """One repository and the caches."""
    scope, _ = scope_for()
    plan = plan_image_registry(scope, (f"{image_registry(scope)}/moorage-runtime:1",))
    return ImageRegistry("images", plan, key_arn=PLACED["key_arn"], opts=opts)


EVERY = (make_queue, make_database, make_buckets, make_disks, make_shared, make_images)
UNTAGGED = frozenset(
    {
        *("aws:efs/fileSystemPolicy:FileSystemPolicy", "aws:efs/mountTarget:MountTarget"),
        *("aws:ecr/lifecyclePolicy:LifecyclePolicy", "aws:ecr/pullThroughCacheRule:PullThroughCacheRule"),
        "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",
        "aws:elasticache/userGroupAssociation:UserGroupAssociation",
    }
)
"""Types that take no tags, besides what belongs to a bucket."""


@pytest.fixture(scope="module")
def made() -> dict[str, Resource]:
    """All that all of them register."""
    return {name: each for make in EVERY for name, each in built(make).items()}


def test_sdk_takes_every_input(made: dict[str, Resource]) -> None:
    """Names, types and values, at every depth."""
    found = [fault for each in made.values() if each.type.startswith("aws:") for fault in faults(each)]

    assert found == []


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
    assert inputs["kmsKeyId"] == PLACED["key_arn"]


def test_queue_secret_is_the_one_that_programs_read(made: dict[str, Resource]) -> None:
    """Under the same name and keys as of a queue in a pod, and without Valkey's ACL file."""
    secret = made["queue-secret"].inputs

    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("queue", "moorage")
    assert secret["stringData"]["gateway-url"] == f"valkeys+cluster://gateway:generated@{HOST}:6379"
    assert sorted(secret["stringData"]) == ["api-url", "gateway-url", "scaler-url", "worker-key"]


def test_endpoint_comes_to_the_queue_by_resources_of_its_own(made: dict[str, Resource]) -> None:
    """The group itself names the platform's users only and leaves the others alone."""
    group = made["queue-users"]
    worker = made["queue-user-worker-embed"].inputs

    assert len(group.inputs["userIds"]) == 4
    assert group.ignored == ("userIds",)
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

    assert {each.inputs["kmsKeyId"] for each in groups.values()} == {LOGGED["logs_key_arn"]}
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


def test_queue_tells_where_it_is() -> None:
    """And what the programs' pods roll by."""
    seen: list[Any] = []

    def build(opts: ResourceOptions | None) -> None:
        queue = make_queue(opts)
        told = Output.all(queue.address, queue.address_hash, Output.unsecret(queue.worker_key))
        told.apply(seen.extend)
        assert sorted(queue.access) == ["embed", "ocr"]

    built(build)

    assert (seen[0], seen[2]) == (f"{HOST}:6379", "generated")
    assert len(seen[1]) == 16
