"""The components of the stores as a stack has them, and what they register without a cloud.

`python -m support.store_parts` prints it: a process of its own, for Pulumi's runtime keeps its state in the module and
its providers take seconds to read.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi import Output
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
from infra.plan.aws.cache import plan_cache
from infra.plan.aws.database import plan_database
from infra.plan.aws.fitting import image_registry
from infra.plan.aws.image_registry import plan_image_registry
from infra.plan.aws.shared_cache import plan_disk_class, plan_file_system
from infra.plan.recording import Resource

SETTINGS: Mapping[str, Any] = {
    "queue": {"node_type": "cache.m7g.large", "shards": 2},
    "database": {"instance_class": "db.t4g.medium"},
    "cold_start": {"weights_bucket": True},
    "ingress": {"access_log_days": 30},
}
KEY: Mapping[str, Any] = {"key_arn": "arn:aws:kms:data"}
PLACED: Mapping[str, Any] = {"vpc_id": "vpc-1", "clients": "sg-nodes", **KEY}
LOGGED: Mapping[str, Any] = {"subnets": ["subnet-a", "subnet-b"], "logs_key_arn": "arn:aws:kms:logs"}
STATE: Mapping[str, Mapping[str, Any]] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": {"configurationEndpointAddress": "cache.example"},
    "aws:rds/instance:Instance": {
        "endpoint": "db.example:5432",
        "masterUserSecrets": [{"secretArn": "arn:aws:secretsmanager:db"}],
    },
    "random:index/randomPassword:RandomPassword": {"result": "generated"},
}
"""What is known of a resource once it is there."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""How Pulumi marks a secret on the wire. Source: sdk/python/lib/pulumi/runtime/rpc.py, 3.272."""


class _Nobody(mocks.Mocks):
    """Refuses: nothing is read or looked up."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args.token)


class _Cloud(mocks.MockMonitor):
    """Keeps each registration."""

    def __init__(self) -> None:
        super().__init__(_Nobody())
        self.made: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        """Keep a registration and answer it."""
        if request.custom:
            self.made.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    inputs=_plain(MessageToDict(request.object)),
                    dependencies=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
                    protect=request.protect,
                    aliases=(),
                    retained=request.retainOnDelete,
                    ignored=tuple(request.ignoreChanges),
                )
            )
        state = resource_pb2.RegisterResourceResponse()
        state.urn = self.make_urn(request.parent, request.type, request.name)
        state.id = request.name
        state.object.CopyFrom(request.object)
        state.object.update({"arn": f"arn:{request.name}", **STATE.get(request.type, {})})
        return state


def _plain(value: Any) -> Any:
    """Inputs as JSON, with secrets as what they hold."""
    if isinstance(value, dict):
        if SIGNATURE in value:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _make(tell: Callable[[list[Any]], None]) -> None:
    """All of them, with two endpoints and one image of the stack's own."""
    scope, aws = scope_for(**SETTINGS)
    cache, database = plan_cache(scope, aws, ("embed", "ocr")), plan_database(scope, aws)
    shared = plan_file_system(scope, needs_efs=True)
    assert cache is not None
    assert database is not None
    assert shared is not None
    queue = ManagedQueue("queue", cache, **PLACED, **LOGGED)
    role = "arn:aws:iam::123456789012:role/monitoring"
    base = Database("database", database, **PLACED, **LOGGED, monitoring_role_arn=role)
    ObjectStore("objects", plan_buckets(scope, aws), **KEY)
    DiskClass("disks", plan_disk_class(scope), **KEY)
    SharedCache("shared", shared, subnets={"b": "subnet-b", "a": "subnet-a"}, **PLACED)
    images = plan_image_registry(scope, (f"{image_registry(scope)}/moorage-runtime:1",))
    ImageRegistry("images", images, **KEY)
    told = [queue.address, queue.address_hash, Output.unsecret(queue.worker_key)]
    Output.all(*told, sorted(queue.access), base.endpoint, base.secret_arn).apply(tell)


def main() -> None:
    """Print what is registered, what the SDK says of it, and what the components tell."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    cloud, told = _Cloud(), list[Any]()
    mocks.set_mocks(_Nobody(), project="moorage", stack="prod", preview=False, monitor=cloud)
    _sync_await(run_pulumi_func(lambda: _make(told.extend)))
    found = {
        "made": [asdict(each) for each in cloud.made],
        "faults": [
            list(fault) for each in cloud.made if each.type.startswith("aws:") for fault in faults(each)
        ],
        "told": told,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
