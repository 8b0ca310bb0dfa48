"""The network's plan: where subnets lie, what is public, and how traffic leaves."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.aws_scope import scope_for

from infra.plan.aws.logs import RETENTIONS, retention_days
from infra.plan.aws.network import (
    LETTERS,
    GivenVpc,
    SubnetKind,
    VpcPlan,
    network_roles,
    plan_vpc,
    subnet_cidr,
)

RANGES = st.builds(
    lambda address, bits: str(IPv4Network((address, bits), strict=False)),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.integers(min_value=16, max_value=20),
)
KINDS: tuple[SubnetKind, ...] = ("intra", "private", "public")


def vpc(**network: object) -> VpcPlan:
    """The plan of a VPC of one's own."""
    plan = plan_vpc(*scope_for(network=network))
    assert isinstance(plan, VpcPlan)
    return plan


@given(cidr=RANGES)
def test_no_two_subnets_share_an_address_and_none_leaves_the_range(cidr: str) -> None:
    """All places of all zones, used or not."""
    subnets = [IPv4Network(subnet_cidr(cidr, kind, letter)) for kind in KINDS for letter in LETTERS]

    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    assert all(subnet.subnet_of(IPv4Network(cidr)) for subnet in subnets)


@given(
    few=st.lists(st.sampled_from(LETTERS), min_size=2, max_size=5, unique=True), more=st.sampled_from(LETTERS)
)
def test_a_zone_added_moves_no_subnet_and_no_nat(few: list[str], more: str) -> None:
    """What was there before is there unchanged, wherever the new letter sorts."""
    before, after = vpc(zones=few), vpc(zones=[*few, *({more} - {*few})])

    assert {*map(repr, before.subnets)} <= {*map(repr, after.subnets)}
    assert before.nats == after.nats


@given(cidr=RANGES)
def test_a_node_subnet_is_never_smaller_than_500_addresses(cidr: str) -> None:
    """Each pod has an address of the VPC."""
    assert IPv4Network(subnet_cidr(cidr, "private", "a")).num_addresses >= 500


@pytest.mark.parametrize("nat", ["one", "zone"])
def test_every_private_subnet_leaves_by_a_nat_and_no_intra_one_does(nat: str) -> None:
    """Nothing but a NAT and a load balancer stands in a public subnet."""
    plan = vpc(zones=["a", "b", "c"], nat=nat)

    tables = {table.name: table for table in plan.route_tables}
    nats = {each.name: each for each in plan.nats}
    assert len(nats) == (1 if nat == "one" else 3)
    for subnet in plan.subnets:
        table = tables[subnet.route_table]
        assert table.is_public == (subnet.kind == "public")
        assert (table.nat in nats) == (subnet.kind == "private")


def test_with_a_nat_a_zone_no_subnet_depends_on_another_zone() -> None:
    """The loss of a zone is that zone's only."""
    plan = vpc(zones=["b", "d"], nat="zone")

    tables = {table.name: table.nat for table in plan.route_tables}
    assert tables["private-b"] == "nat-b"
    assert tables["private-d"] == "nat-d"


def test_only_the_gateway_endpoint_of_s3_is_there_unless_more_is_asked_for() -> None:
    """It alone costs nothing."""
    few, all_of_them = vpc().endpoints, vpc(interface_endpoints=True).endpoints

    assert [(each.name, each.kind) for each in few] == [("s3", "Gateway")]
    assert [each.name for each in all_of_them] == ["ecr-api", "ecr-dkr", "s3", "secretsmanager", "sts"]


def test_a_vpc_that_is_there_gets_nothing_and_no_role() -> None:
    """Its ids are handed on as they are, sorted."""
    given_vpc = {
        "vpc": "vpc-0123456789abcdef0",
        "cidr": "10.0.0.0/16",
        "private_subnets": ["subnet-0123456789abcdef2", "subnet-0123456789abcdef1"],
    }
    scope, aws = scope_for(network={"existing": given_vpc, "flow_log_days": 30})

    plan = plan_vpc(scope, aws)

    assert isinstance(plan, GivenVpc)
    assert plan.private_subnets == ("subnet-0123456789abcdef1", "subnet-0123456789abcdef2")
    assert network_roles(scope, aws) == ()


def test_flow_logs_are_written_by_a_role_that_reaches_their_group_only() -> None:
    """The role is there exactly when the logs are."""
    scope, aws = scope_for(network={"flow_log_days": 40})
    plan = plan_vpc(scope, aws)

    assert isinstance(plan, VpcPlan)
    assert plan.flow_logs is not None
    assert plan.flow_logs.days == 60
    (role,) = network_roles(scope, aws)
    assert all(plan.flow_logs.group_name in arn for each in role.statements for arn in each.resources)
    assert network_roles(*scope_for()) == ()


@given(days=st.integers(min_value=1, max_value=3653))
def test_logs_are_kept_at_least_as_long_as_asked(days: int) -> None:
    """CloudWatch knows some numbers of days only."""
    assert retention_days(days) in RETENTIONS
    assert retention_days(days) >= days
