"""Every input of every recorded AWS resource is one that the SDK's own signatures take.

A component's own call proves that only for arguments by keyword; objects within, and resources that are made
without their class, are told here alone.
"""

from typing import Any

import pytest
from support.aws_cases import CASES, aws_resources
from support.aws_types import checked_values, faults, listed_values

from infra.plan.recording import Recording, Resource

HELD = {
    ("aws:eks/cluster:Cluster", "accessConfig.authenticationMode"),
    ("aws:eks/nodeGroup:NodeGroup", "capacityType"),
    ("aws:elasticache/replicationGroup:ReplicationGroup", "durability"),
    ("aws:elasticache/replicationGroup:ReplicationGroup", "engine"),
    ("aws:elasticache/replicationGroup:ReplicationGroup", "transitEncryptionMode"),
    ("aws:s3/bucketVersioning:BucketVersioning", "versioningConfiguration.status"),
}
"""Arguments whose values the SDK lists in words; that these are held to them shows that its words are read."""
NODES: dict[str, Any] = {
    "clusterName": "c",
    "nodeRoleArn": "arn:aws:iam::1:role/n",
    "subnetIds": ["subnet-1"],
    "scalingConfig": {"desiredSize": 0, "maxSize": 2, "minSize": 0},
}
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
WRONG = [
    ("aws:ec2/vpcs:Vpcs", {}, "", "the SDK has no aws:ec2/vpcs:Vpcs"),
    ("aws:ec2/vpc:Network", {}, "", "the SDK has no aws:ec2/vpc:Network"),
    (NODE_GROUP, {**NODES, "subnetId": []}, "subnetId", "near names: subnetIds"),
    (NODE_GROUP, {**NODES, "subnet_ids": []}, "subnet_ids", "near names: subnetIds"),
    (NODE_GROUP, {k: v for k, v in NODES.items() if k != "subnetIds"}, "subnetIds", "is required"),
    (
        NODE_GROUP,
        {**NODES, "scalingConfig": {"maxSize": 1, "minSize": 0}},
        "scalingConfig.desiredSize",
        "required",
    ),
    (NODE_GROUP, {**NODES, "taints": [{"effect": "NO_EXECUTE"}]}, "taints[0].key", "is required"),
    (NODE_GROUP, {**NODES, "taint": []}, "taint", "near names: taints"),
    (NODE_GROUP, {**NODES, "labels": {"a": 1}}, "labels.a", "1 is not str"),
    (NODE_GROUP, {**NODES, "diskSize": "20"}, "diskSize", "'20' is not int"),
    (NODE_GROUP, {**NODES, "diskSize": True}, "diskSize", "True is not int"),
    (NODE_GROUP, {**NODES, "subnetIds": "subnet-1"}, "subnetIds", "is not"),
    (NODE_GROUP, {**NODES, "subnetIds": {"a": "b"}}, "subnetIds", "an object is not"),
    (NODE_GROUP, {**NODES, "clusterName": ["c"]}, "clusterName", "a list is not str"),
    (NODE_GROUP, {**NODES, "subnetIds": ["subnet-1", None]}, "subnetIds[1]", "None is not str"),
    (NODE_GROUP, {**NODES, "capacityType": "spot"}, "capacityType", "is none of ON_DEMAND, SPOT"),
    (CACHE, {"description": "d", "durability": "synch"}, "durability", "async, default, disabled, sync"),
    (CACHE, {"description": "d", "engine": "redis7"}, "engine", "is none of redis, valkey"),
    ("aws:ec2/eip:Eip", {"vpc": True}, "vpc", "is no argument of EipArgs"),
    ("aws:s3/bucket:Bucket", {"versioning": {"enabled": True}}, "versioning", "is deprecated"),
]


@pytest.mark.timeout(120)  # the first one imports a dozen of the SDK's modules
@pytest.mark.parametrize("case", CASES)
def test_the_sdk_takes_every_input(case: str, recorded: dict[str, Recording]) -> None:
    """Names, types and listed values at every depth, nothing required left out, nothing deprecated."""
    found = [fault for each in aws_resources(recorded[case]) for fault in faults(each)]

    assert found == []


@pytest.mark.timeout(120)
def test_listed_values_are_read_from_the_sdks_words(recorded: dict[str, Recording]) -> None:
    """Else the test above would hold no value to anything."""
    resources = [each for case in CASES for each in aws_resources(recorded[case])]

    checked = {(each.type, path) for each in resources for path, _ in checked_values(each)}

    assert checked >= HELD


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("kind", "inputs", "path", "says"), WRONG)
def test_wrong_inputs_are_found(kind: str, inputs: dict[str, Any], path: str, says: str) -> None:
    """One fault each, with its place."""
    found = list(faults(Resource(kind, "wrong", "", inputs, (), protect=False, aliases=())))

    assert [fault.path for fault in found] == [path]
    assert says in found[0].says


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("The kind. Valid values: `A`, `B`. Defaults to `A`.", {"A", "B"}),
        ("Valid values are `a`, `b` (default), and `c`.", {"a", "b", "c"}),
        ('Valid values are `"a"` or `"b"`', {"a", "b"}),
        ("Valid values are between `1` and `9`.", set()),
        ("Valid values are `a`, `b` and whatever the engine names.", set()),
        ("Valid values: `only`", set()),
        ("See the documentation for valid values.", set()),
    ],
)
def test_only_whole_lists_of_values_are_read(words: str, values: set[str]) -> None:
    """A sentence that goes on may allow more."""
    assert listed_values(words) == values
