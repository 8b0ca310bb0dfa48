"""checkov finds nothing in the AWS resources but what docs/aws-checks.md explains."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.aws_cases import CASES, aws_blocks, told
from support.aws_document import Finding, explained
from support.terraform import Block, hcl, terraform

from infra.plan.recording import Recording, Resource


def wrong(kind: str, name: str, needs: tuple[str, ...] = (), **inputs: Any) -> Resource:
    """A resource that should not pass."""
    return Resource(kind, name, "", inputs, needs, protect=False, aliases=())


BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
CLOSED = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
EVERYTHING = json.dumps(
    {"Statement": [{"Action": "*", "Effect": "Allow", "Resource": "*"}], "Version": "2012-10-17"}
)
WRONG = (
    wrong(BUCKET, "open"),
    wrong(BUCKET, "closed"),
    wrong(BLOCK, "closed-block", (f"{BUCKET}::closed",), bucket="closed", **CLOSED),
    wrong("aws:iam/rolePolicy:RolePolicy", "all", role="r", policy=EVERYTHING),
    wrong(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "door",
        cidrIpv4="0.0.0.0/0",
        fromPort=22,
        ipProtocol="tcp",
        securityGroupId="sg-1",
        toPort=22,
    ),
    wrong(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "nodes",
        metadataOptions={"httpEndpoint": "enabled", "httpTokens": "optional"},
    ),
    wrong("aws:eks/cluster:Cluster", "plain", roleArn="r", vpcConfig={"subnetIds": ["s"]}),
    wrong("aws:rds/instance:Instance", "base", instanceClass="db.t4g.medium", publiclyAccessible=True),
    wrong("aws:elasticache/replicationGroup:ReplicationGroup", "queue", description="d"),
    wrong(
        "aws:lb/listener:Listener", "web", loadBalancerArn="l", port=80, protocol="HTTP", defaultActions=[]
    ),
)
MUST_BE_FOUND = {
    ("CKV2_AWS_6", "aws_s3_bucket.open"),
    ("CKV_AWS_286", "aws_iam_role_policy.all"),
    ("CKV_AWS_24", "aws_vpc_security_group_ingress_rule.door"),
    ("CKV_AWS_79", "aws_launch_template.nodes"),
    ("CKV_AWS_58", "aws_eks_cluster.plain"),
    ("CKV_AWS_17", "aws_db_instance.base"),
    ("CKV_AWS_16", "aws_db_instance.base"),
    ("CKV_AWS_30", "aws_elasticache_replication_group.queue"),
    ("CKV_AWS_2", "aws_lb_listener.web"),
}


def found_by_checkov(programs: Path, folder: Path, blocks: Iterable[Block]) -> set[Finding]:
    """The checks that fail; the folder's name is the case's."""
    folder.mkdir()
    (folder / "main.tf").write_text(hcl(blocks))
    flags = ("--framework", "terraform", "--compact", "--quiet", "--skip-download", "-o", "json")
    argv = (programs / "checkov", "-d", folder, *flags)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    failed = report["results"]["failed_checks"]
    return {Finding(each["check_id"], f"{folder.name}/{each['resource']}") for each in failed}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_checkov_finds_only_what_is_explained(
    recorded: dict[str, Recording], programs: Path, tmp_path: Path
) -> None:
    """Both ways: a line that no finding needs any more goes."""
    lines = set(explained())

    found = {
        finding
        for case in CASES
        for finding in found_by_checkov(programs, tmp_path / case, aws_blocks(recorded[case]))
    }

    unexplained = sorted(each for each in found if not any(line.explains(each) for line in lines))
    assert unexplained == [], "mend it, or explain it in docs/aws-checks.md"
    idle = sorted(line for line in lines if not any(line.explains(each) for each in found))
    assert idle == [], "no finding needs these lines of docs/aws-checks.md any more"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_checkov_finds_what_is_wrong(programs: Path, tmp_path: Path) -> None:
    """In resources made so on purpose; references between them are followed."""
    found = found_by_checkov(programs, tmp_path / "wrong", terraform(WRONG, told))

    assert found >= {Finding(check, f"wrong/{of}") for check, of in MUST_BE_FOUND}
    assert Finding("CKV2_AWS_6", "wrong/aws_s3_bucket.closed") not in found


def test_every_line_of_the_document_is_read() -> None:
    """A pair once; a row of another form is refused."""
    lines = explained()

    assert len(lines) == len(set(lines)) > 0
