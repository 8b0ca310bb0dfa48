"""What the platform itself costs and needs of the account: laws of the bill, and how a report shows it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.aws import prices
from infra.plan.aws.costs import Bill, Counts, FixedCost, bill_of, fixed_costs
from infra.plan.aws.quotas import family_of, quota_needs, vcpus
from infra.plan.facts import Facts, FixedCostFacts, QuotaFacts
from infra.plan.recording import Recording
from infra.plan.report.costs import platform_costs
from infra.plan.report.markdown import to_markdown
from infra.plan.report.report import report_of
from infra.spec.hardware import CATALOGUE
from infra.spec.stack_aws import Aws

EXISTING_NETWORK = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.0.0.0/16",
    "private_subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "public_subnets": ["subnet-0123456789abcdef2"],
}
EXISTING_CLUSTER = {"name": "shared", "security_group": "sg-0123456789abcdef0"}
EVERYTHING: dict[str, Any] = {
    "network": {"nat": "zone", "interface_endpoints": True, "flow_log_days": 30},
    "capacity": {"first": "spot", "warm_pools": {"a10g.1": {"size": 1, "state": "Running"}}},
    "queue": {},
    "database": {},
    "ingress": {"waf": True, "access_log_days": 30},
    "monitoring": {"prometheus": "managed"},
    "ceiling_dollars_per_hour": 50.0,
}
ALL_COUNTS = Counts(
    public_balancers=1,
    internal_balancers=1,
    most_nodes=5,
    throughput_mib=500,
    disks_gib=30,
    has_shared_files=True,
    secrets=3,
    firewall_rules=2,
)


def settings(**keys: Any) -> Aws:
    """Settings of an account, as a stack file would have them."""
    return Aws.model_validate_json(json.dumps({"account": "123456789012", "region": "eu-central-1", **keys}))


def parts(aws: Aws, counts: Counts = ALL_COUNTS) -> dict[str, FixedCost]:
    """The parts of the bill by the first word that tells them apart."""
    return {each.name: each for each in fixed_costs(aws, counts)}


def recorded(bill: Bill) -> Recording:
    """A recording whose facts have this bill and no endpoint."""
    facts = Facts(
        stack="prod",
        domain="models.example.com",
        price_date=prices.READ,
        price_source="made up",
        endpoints=(),
        remarks=(),
        fixed=tuple(FixedCostFacts.model_validate(each, from_attributes=True) for each in bill.fixed),
        quotas=tuple(QuotaFacts.model_validate(each, from_attributes=True) for each in bill.quotas),
        ceiling_dollars_per_hour=bill.ceiling_dollars_per_hour,
        is_spot_first=bill.is_spot_first,
    )
    return Recording.from_json(Recording("prod", (), facts).to_json())


def shown(bill: Bill) -> str:
    """Its report."""
    return to_markdown(report_of(None, recorded(bill), None))


def test_every_price_names_the_year_in_which_it_was_read() -> None:
    """A figure without a day is a guess."""
    found = fixed_costs(settings(**EVERYTHING), ALL_COUNTS)

    assert len(found) > 20
    assert [each.name for each in found if not re.search(r"\b20[0-9]{2}\b", each.source)] == []


def test_smallest_stack_pays_for_cluster_nodes_and_one_way_out() -> None:
    """Nothing that was not asked for."""
    found = parts(settings(), Counts())

    assert set(found) == {
        "EKS control plane",
        "system node (m7i.large)",
        "disk of a system node (50 GiB)",
        "NAT gateway",
        "public address of a NAT gateway",
        "hosted zone",
        "buckets",
        "KMS key",
    }


def test_network_that_is_there_is_not_charged() -> None:
    """Its gateways are on somebody else's bill; the load balancer's addresses are in its subnets."""
    found = parts(settings(network={"existing": EXISTING_NETWORK, "interface_endpoints": True}))

    assert not [name for name in found if "NAT" in name or "interface" in name]
    assert found["public address of a load balancer"].count == 1


def test_cluster_that_is_there_is_not_charged() -> None:
    """Neither are its system nodes."""
    found = parts(settings(cluster={"existing": EXISTING_CLUSTER}), Counts(most_nodes=3))

    assert not [name for name in found if name.startswith(("EKS", "system"))]
    assert (found["disk of a node (200 GiB)"].count, found["disk of a node (200 GiB)"].most) == (0, 3)


@pytest.mark.parametrize(("nat", "count"), [("one", 1), ("zone", 3)])
def test_each_nat_gateway_has_a_public_address(nat: str, count: int) -> None:
    """Both are charged by the hour."""
    found = parts(settings(network={"zones": ["a", "b", "c"], "nat": nat}))

    assert found["NAT gateway"].count == count
    assert found["public address of a NAT gateway"].count == count


def test_interface_endpoints_are_charged_in_each_zone() -> None:
    """Four services in three zones are twelve."""
    found = parts(settings(network={"zones": ["a", "b", "c"], "interface_endpoints": True}))

    assert found["interface endpoint, a zone"].count == 12


def test_internal_load_balancer_has_no_public_address() -> None:
    """So it costs its hours only."""
    found = parts(settings(ingress={"waf": True}), Counts(internal_balancers=1))

    assert found["load balancer"].count == 1
    assert not {"public address of a load balancer", "web ACL"} & set(found)


def test_durable_queue_costs_each_node_and_its_log() -> None:
    """Of two shards with two replicas each six nodes, each 18 % above its price."""
    found = parts(settings(queue={"shards": 2, "replicas": 2}))

    node, log = found["ElastiCache node (cache.m7g.large)"], found["durable log of an ElastiCache node"]
    assert (node.count, log.count) == (6, 6)
    assert log.dollars_per_hour == pytest.approx(0.0228, abs=0.0001)  # as the price list says


def test_database_is_paid_twice() -> None:
    """The standby costs as much, its disk too."""
    found = parts(settings(database={"instance_class": "db.m7g.large", "disk": "50Gi"}))

    assert found["RDS instance (db.m7g.large)"].count == 2
    assert found["disk of an RDS instance (50 GiB)"].count == 2


def test_disk_is_dearer_where_it_is_quicker() -> None:
    """Past the throughput that gp3 includes."""
    usual, quick = (
        parts(settings(), Counts(throughput_mib=mib, most_nodes=1))["disk of a node (200 GiB)"]
        for mib in (125, 625)
    )

    assert usual.dollars_per_hour == pytest.approx(200 * 0.08 / prices.HOURS)
    assert quick.dollars_per_hour == pytest.approx((200 * 0.08 + 500 * 0.04) / prices.HOURS)


@pytest.mark.parametrize(
    ("state", "is_charged"),
    [("Running", True), ("Stopped", False)],
)
def test_stopped_instance_of_a_warm_pool_costs_its_disk_only(state: str, is_charged: bool) -> None:
    """A running one costs what a replica's does."""
    pools = {"a10g.1": {"size": 2, "state": state}}
    found = parts(settings(capacity={"warm_pools": pools}), Counts())

    assert ("running instance of a warm pool (a10g.1)" in found) is is_charged
    assert found["disk of a node (200 GiB)"].count == 2


def test_unknown_price_is_said_and_not_counted() -> None:
    """Nothing is guessed."""
    bill = bill_of(settings(cluster={"system": {"instance_type": "z9z.large"}}), Counts(), {})

    text = shown(bill)

    assert "| system node (z9z.large) | 2 to 4 | unknown | unknown |" in text
    assert "Parts of unknown price are not counted." in text


def test_what_is_charged_by_use_shows_its_price_and_no_sum() -> None:
    """It may be nothing, or the most of all."""
    text = shown(bill_of(settings(), Counts(has_shared_files=True), {}))

    assert "| EFS | — | by use | by use | $0.30 a GB-month |" in text


def test_report_gives_the_whole_with_the_platform() -> None:
    """By the hour and by the month, and what it is bound by."""
    bill = bill_of(settings(**EVERYTHING), ALL_COUNTS, {"a10g.1": 4})

    text = shown(bill)

    own = platform_costs(recorded(bill).facts.fixed)
    assert (
        f"| **endpoints and platform** | ${own.at_min:.2f} | ${own.at_min:.2f} | ${own.at_max:.2f} |" in text
    )
    assert "an upper bound" in text
    assert "The ceiling is $50.00 an hour." in text


def test_report_of_any_other_cluster_says_nothing_of_it() -> None:
    """The platform there costs what its owner pays."""
    text = shown(Bill())

    assert "platform itself" not in text
    assert "quota of the account" not in text


def test_recording_of_an_older_commit_is_still_read() -> None:
    """It has no bill, and data counts as protected."""
    value = json.loads(recorded(Bill()).to_json())
    new = ("fixed", "quotas", "ceiling_dollars_per_hour", "is_spot_first", "is_protected")
    value["facts"] = {key: item for key, item in value["facts"].items() if key not in new}

    facts = Recording.from_json(json.dumps(value)).facts

    assert (facts.fixed, facts.quotas, facts.is_protected) == ((), (), True)


def test_spot_counts_against_both_quotas() -> None:
    """Where there is none, the same nodes are bought on demand."""
    needs = quota_needs(settings(capacity={"first": "spot"}), {"a10g.1": 3})

    found = {need.code: need.vcpu for need in needs}
    assert found["L-3819A6DF"] == found["L-DB2E81BA"] == 12


def test_reserved_capacity_is_never_spot() -> None:
    """A reservation is of on-demand instances."""
    aws = settings(capacity={"first": "spot", "reservations": {"h100.8": "cr-0123456789abcdef0"}})

    codes = {need.code for need in quota_needs(aws, {"h100.8": 1})}

    assert codes == {"L-417A185B", "L-1216C47A"}


def test_replicas_that_share_an_instance_share_its_vcpus() -> None:
    """Nine replicas of eight to an instance are two instances; the system's nodes count at their most."""
    needs = {need.code: need for need in quota_needs(settings(), {"a100.1": 9})}

    assert needs["L-417A185B"].vcpu == 2 * 96
    assert needs["L-1216C47A"].vcpu == 4 * 2
    assert needs["L-1216C47A"].parts == ("4 × m7i.large (system)",)


@pytest.mark.parametrize("hardware", sorted(CATALOGUE))
def test_all_hardware_counts_against_a_known_quota(hardware: str) -> None:
    """Else its need would be missing."""
    assert family_of(CATALOGUE[hardware].instance_type) is not None


@pytest.mark.parametrize(
    ("instance_type", "family", "vcpu"),
    [
        ("m7i.large", "Standard", 2),
        ("m7i-flex.xlarge", "Standard", 4),
        ("r7i.48xlarge", "Standard", 192),
        ("t3.medium", "Standard", 2),
        ("m7g.medium", "Standard", 1),
        ("im4gn.2xlarge", "Standard", 8),
        ("m7i.metal-24xl", "Standard", None),
        ("g5.4xlarge", "G and VT", 16),
        ("inf2.xlarge", None, 4),
        ("u-6tb1.56xlarge", None, 224),
    ],
)
def test_quota_and_vcpus_of_an_instance_type(
    instance_type: str, family: str | None, vcpu: int | None
) -> None:
    """Told by its letters and its size."""
    assert (family_of(instance_type), vcpus(instance_type)) == (family, vcpu)


@given(
    zones=st.integers(2, 6),
    least=st.integers(0, 20),
    more=st.integers(0, 20),
    balancers=st.integers(0, 1),
    nat=st.sampled_from(["one", "zone"]),
)
def test_most_is_never_below_the_least(zones: int, least: int, more: int, balancers: int, nat: str) -> None:
    """Of any part and of all together."""
    aws = settings(network={"zones": list("abcdef"[:zones]), "nat": nat}, queue={}, database={})
    counts = Counts(public_balancers=balancers, least_nodes=least, most_nodes=least + more)

    fixed = recorded(bill_of(aws, counts, {})).facts.fixed

    assert all(0 <= part.count <= part.most for part in fixed)
    own = platform_costs(fixed)
    assert own.at_min is not None
    assert own.at_max is not None
    assert 0 < own.at_min <= own.at_max
