"""AWS's own models of its APIs refuse none of the values: names, kinds, lengths and ranges."""

from typing import Any

import pytest
from support.aws_cases import CASES, aws_resources
from support.aws_shapes import REQUESTS, compared, misfits, shape_of

from infra.plan.recording import Recording, Resource

HELD = {
    ("aws:acm/certificate:Certificate", "validationMethod"),
    ("aws:ec2/launchTemplate:LaunchTemplate", "metadataOptions.httpTokens"),
    ("aws:ecr/repository:Repository", "name"),
    ("aws:efs/fileSystem:FileSystem", "throughputMode"),
    ("aws:eks/cluster:Cluster", "name"),
    ("aws:eks/nodeGroup:NodeGroup", "amiType"),
    ("aws:eks/nodeGroup:NodeGroup", "scalingConfig.maxSize"),
    ("aws:elasticache/replicationGroup:ReplicationGroup", "durability"),
    ("aws:elasticache/user:User", "userId"),
    ("aws:iam/role:Role", "name"),
    ("aws:iam/role:Role", "tags.Name"),
    ("aws:kms/key:Key", "deletionWindowInDays"),
    ("aws:secretsmanager/secret:Secret", "name"),
    ("aws:wafv2/webAcl:WebAcl", "visibilityConfig.metricName"),
}
"""Some of what is held to a model; that these are shows that members are found."""
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
ROLE = "aws:iam/role:Role"
WRONG = [
    (NODE_GROUP, {"amiType": "AL2023_X86_64_NVIDIA"}, "amiType", "is none of"),
    (NODE_GROUP, {"scalingConfig": {"maxSize": 0}}, "scalingConfig.maxSize", "0 is below 1"),
    (NODE_GROUP, {"taints": [{"effect": "NoSchedule"}]}, "taints[0].effect", "is none of"),
    (ROLE, {"name": "a" * 65}, "name", "65 is above 64"),
    (ROLE, {"name": "a b"}, "name", "has not the form"),
    (ROLE, {"tags": {"a": "b" * 257}}, "tags.a", "257 is above 256"),
    (ROLE, {"tags": {f"k{at}": "v" for at in range(51)}}, "tags", "51 is above 50"),
    (
        "aws:eks/cluster:Cluster",
        {"enabledClusterLogTypes": ["audits"]},
        "enabledClusterLogTypes[0]",
        "is none of",
    ),
    ("aws:kms/alias:Alias", {"name": "key of mine"}, "name", "has not the form"),
    ("aws:ecr/repository:Repository", {"name": "Upper"}, "name", "has not the form"),
    ("aws:elasticache/user:User", {"userId": "1-first"}, "userId", "has not the form"),
    ("aws:lb/targetGroup:TargetGroup", {"port": 70_000}, "port", "70000 is above 65535"),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "On"}},
        None,
        "is none of",
    ),
]


@pytest.mark.timeout(120)  # the first one waits for the recordings
@pytest.mark.parametrize("case", CASES)
def test_aws_refuses_no_value(case: str, recorded: dict[str, Recording]) -> None:
    """Placeholders of what AWS itself makes are left out."""
    found = [fault for each in aws_resources(recorded[case]) for fault in misfits(each)]

    assert found == []


def test_members_are_found_in_the_models(recorded: dict[str, Recording]) -> None:
    """Else the test above would hold no value to anything."""
    resources = [each for case in CASES for each in aws_resources(recorded[case])]

    assert {(each.type, path) for each in resources for path in compared(each)} >= HELD


def test_every_request_is_one_of_aws_and_of_ours(recorded: dict[str, Recording]) -> None:
    """A row for what no stack makes would look like a check that is none."""
    kinds = {each.type for case in CASES for each in aws_resources(recorded[case])}

    assert {kind for kind, _ in REQUESTS} <= kinds
    assert all(shape_of(request).type_name == "structure" for _, request in REQUESTS)


@pytest.mark.parametrize(("kind", "inputs", "path", "says"), WRONG)
def test_wrong_values_are_found(kind: str, inputs: dict[str, Any], path: str | None, says: str) -> None:
    """One fault each, with its place."""
    found = list(misfits(Resource(kind, "wrong", "", inputs, (), protect=False, aliases=())))

    assert len(found) == 1
    assert path in {None, found[0].path}
    assert says in found[0].says
