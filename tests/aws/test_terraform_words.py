"""Recorded resources in Terraform's words: names, blocks, references and quotes."""

from typing import Any

import pytest
from support.aws_cases import CASES, aws_blocks, aws_resources, told
from support.terraform import fitted, hcl, terraform, terraform_type, without

from infra.plan.recording import Recording, Resource

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"


def made(kind: str, name: str, *needs: str, **inputs: Any) -> Resource:
    """A resource by hand."""
    return Resource(kind, name, "", inputs, needs, protect=False, aliases=())


def written(*resources: Resource) -> str:
    """Resources as HCL."""
    return hcl(terraform(resources, told))


@pytest.mark.timeout(120)  # the first one waits for the recordings
@pytest.mark.parametrize("case", CASES)
def test_nothing_made_up_is_left_where_a_reference_stands(case: str, recorded: dict[str, Recording]) -> None:
    """Every output that the recorder answers with is read as one, so no check sees a value of chance."""
    text = hcl(aws_blocks(recorded[case]))

    assert [line for line in text.splitlines() if "generated" in line] == []
    assert text.count('resource "') == len(aws_resources(recorded[case]))


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("aws:ec2/vpcEndpoint:VpcEndpoint", "aws_vpc_endpoint"),
        ("aws:rds/instance:Instance", "aws_db_instance"),
        ("aws:lb/loadBalancer:LoadBalancer", "aws_lb"),
        ("aws:lb/targetGroup:TargetGroup", "aws_lb_target_group"),
        ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws_vpc_security_group_ingress_rule"),
        ("aws:amp/ruleGroupNamespace:RuleGroupNamespace", "aws_prometheus_rule_group_namespace"),
        ("aws:autoscaling/tag:Tag", "aws_autoscaling_group_tag"),
    ],
)
def test_types_have_terraforms_names(token: str, name: str) -> None:
    """By rule, and by the few exceptions."""
    assert terraform_type(token) == name


def test_ids_of_what_it_depends_on_become_references() -> None:
    """The same text without a dependency is text."""
    text = written(
        made(VPC, "net-vpc", cidrBlock="10.0.0.0/16"),
        made(SUBNET, "net-a", f"{VPC}::net-vpc", vpcId="net-vpc", availabilityZone="net-vpc-a"),
        made(SUBNET, "net-b", vpcId="net-vpc"),
    )

    assert (
        'resource "aws_subnet" "net_a" {\n  availability_zone = "net-vpc-a"\n  vpc_id = aws_vpc.net_vpc.id'
        in text
    )
    assert "depends_on = [aws_vpc.net_vpc]" in text
    assert 'resource "aws_subnet" "net_b" {\n  vpc_id = "net-vpc"\n}' in text


def test_arns_become_references_in_documents_too() -> None:
    """An ARN may have been handed on by somebody between."""
    arn = "arn:aws:generated:keys-data"

    text = written(
        made(KEY, "keys-data"), made(SECRET, "vault", kmsKeyId=arn, policy=f'{{"Resource": "{arn}/*"}}')
    )

    assert "kms_key_id = aws_kms_key.keys_data.arn" in text
    assert 'policy = jsonencode({"Resource" = "${aws_kms_key.keys_data.arn}/*"})' in text


def test_text_is_no_template() -> None:
    """A policy's variables are AWS's, not Terraform's; quotes and lines stay what they are."""
    text = written(made(SECRET, "vault", description='a "b"\n${aws:username} %{if}', tags={"x:y": "${z}"}))

    assert r'description = "a \"b\"\n$${aws:username} %%{if}"' in text
    assert 'tags = {"x:y" = "$${z}"}' in text


def test_lists_of_objects_are_blocks() -> None:
    """Each of its own, under the singular name; an object is one block."""
    text = written(
        made(
            "aws:budgets/budget:Budget",
            "month",
            costFilters=[{"name": "TagKeyValue", "values": ["a"]}, {"name": "Region", "values": []}],
        ),
        made("aws:eks/cluster:Cluster", "c", vpcConfig={"subnetIds": ["s"]}),
        made("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "closed", ingress=[]),
    )

    assert text.count("  cost_filter {\n") == 2
    assert '  vpc_config {\n    subnet_ids = ["s"]\n  }\n' in text
    assert "  ingress = []\n" in text


def test_what_a_provider_does_not_know_is_left_out_and_told() -> None:
    """At any depth."""
    blocks = terraform(
        [made("aws:eks/cluster:Cluster", "c", vpcConfig={"subnetIds": ["s"]}, version="1.35")], told
    )
    schema: dict[str, Any] = {"attributes": {}, "block_types": {"vpc_config": {"block": {"attributes": {}}}}}

    kept, unknown = fitted(blocks, {"aws_eks_cluster": {"block": schema}})

    assert unknown == {"aws_eks_cluster.version", "aws_eks_cluster.vpc_config.subnet_ids"}
    assert hcl(kept) == 'resource "aws_eks_cluster" "c" {\n  vpc_config {\n  }\n}\n'


def test_what_is_left_out_takes_along_what_refers_to_it() -> None:
    """A mere order is forgotten."""
    blocks = terraform(
        [
            made(VPC, "v"),
            made(SUBNET, "s", f"{VPC}::v", vpcId="v"),
            made(KEY, "k", f"{VPC}::v", description="data"),
        ],
        told,
    )

    assert [(each.address, each.depends_on) for each in without(blocks, {"aws_vpc"})] == [
        ("aws_kms_key.k", ())
    ]
