"""Laws of Karpenter's pools, class, queue and role: the same promises as those of managed groups."""

import json
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.aws_nodes import USED, account, karpenter_for, registered, used

from infra.plan.aws.cluster_roles import NODE
from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.aws.karpenter import EVENTS, node_class_spec, plan_karpenter, queue_name
from infra.plan.aws.karpenter_roles import karpenter_roles
from infra.plan.aws.nodes import SHUNNED, TaintPlan, tolerates
from infra.plan.aws.roles import policy_document
from infra.spec.hardware import CATALOGUE

INLINE_POLICY_CHARACTERS = 10_240
"""Of all inline policies of a role, without white space. Source: IAM quotas, read 2026-11-25."""


def requirements_of(spec: dict[str, Any]) -> dict[str, list[str]]:
    """What a pool may buy, by label."""
    return {each["key"]: each["values"] for each in spec["template"]["spec"]["requirements"]}


@given(USED, st.sampled_from(["on-demand", "spot"]))
def test_each_hardware_gets_one_pool_of_its_instances(replicas: dict[str, int], first: str) -> None:
    """Nothing is bought but what endpoints name, as spot only where the stack says so."""
    plan = karpenter_for(replicas, first=first)

    bought = {"on-demand", "spot"} if first == "spot" else {"on-demand"}
    assert len(plan.node_pools) == len(replicas)
    for name, pool in zip(sorted(replicas), plan.node_pools, strict=True):
        wanted = requirements_of(pool.manifest["spec"])
        assert wanted["node.kubernetes.io/instance-type"] == [CATALOGUE[name].instance_type]
        assert set(wanted["karpenter.sh/capacity-type"]) == bought


@given(USED, st.integers(1, 90_000), st.integers(1, 1440))
def test_pools_are_bound_and_wait_for_replicas(replicas: dict[str, int], grace: int, idle: int) -> None:
    """Most nodes, the time that an empty one stays, and that no busy one is cut."""
    for group, pool in zip(
        used(replicas), karpenter_for(replicas, grace, idle_minutes=idle).node_pools, strict=True
    ):
        spec = pool.manifest["spec"]
        share = CATALOGUE[group.hardware].replicas_per_instance
        assert spec["limits"] == {"nodes": str(ceil(group.replicas / share))}
        assert spec["disruption"]["consolidationPolicy"] == "WhenEmpty"
        assert spec["disruption"]["consolidateAfter"] == f"{idle}m"
        assert int(spec["template"]["spec"]["terminationGracePeriod"].removesuffix("s")) >= grace
        assert spec["template"]["spec"]["expireAfter"] == "Never"


@given(USED)
def test_replicas_fit_the_nodes_of_their_pool(replicas: dict[str, int]) -> None:
    """The pool's labels are those that they select, and they tolerate its taints."""
    for group, pool in zip(used(replicas), karpenter_for(replicas).node_pools, strict=True):
        template = pool.manifest["spec"]["template"]
        labels = template["metadata"]["labels"]
        taints = [TaintPlan(**each) for each in template["spec"]["taints"]]
        assert labels[HARDWARE_LABEL] == group.hardware
        assert all(labels.get(key) in values for key, values in group.selector)
        hard = [taint for taint in taints if taint.effect != SHUNNED]
        assert all(any(tolerates(each, taint) for each in group.tolerations) for taint in hard)
        assert bool(hard) == (group.gpus > 0)


@pytest.mark.parametrize("image", ["al2023", "bottlerocket"])
def test_every_disk_is_encrypted_and_pods_reach_no_credentials_of_the_node(image: str) -> None:
    """The stack's key for each, IMDSv2 and one hop; the nodes' role is the stack's own."""
    plan = karpenter_for({"a10g.1": 1}, image=image)

    spec = node_class_spec(plan, "role", "key")

    assert {disk["ebs"]["kmsKeyID"] for disk in spec["blockDeviceMappings"]} == {"key"}
    assert spec["metadataOptions"]["httpTokens"] == "required"
    assert spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert spec["role"] == "role"
    assert spec["instanceStorePolicy"] == "RAID0"
    assert not spec["amiSelectorTerms"][0]["alias"].endswith("@latest")


def test_a_snapshot_is_neither_hidden_nor_encrypted_anew() -> None:
    """The images on it must be seen, and EC2 takes no word on the encryption of such a volume."""
    plan = karpenter_for(
        {"a10g.1": 1}, image="bottlerocket", cold_start={"snapshot": "snap-0123456789abcdef0"}
    )

    spec = node_class_spec(plan, "role", "key")

    data = spec["blockDeviceMappings"][-1]["ebs"]
    assert data["snapshotID"] == "snap-0123456789abcdef0"
    assert "encrypted" not in data
    assert "kmsKeyID" not in data
    assert "instanceStorePolicy" not in spec


def test_only_its_own_rules_write_to_the_queue_that_it_reads() -> None:
    """Each kind of interruption has a rule; the chart, the role and the policy mean one queue."""
    scope, aws = account(autoscaler="karpenter")
    plan = karpenter_for({"a10g.1": 1})
    (role,) = karpenter_roles(scope, aws)

    allow, deny = json.loads(plan.queue_policy)["Statement"]

    queue = f"arn:aws:sqs:eu-central-1:123456789012:{queue_name(scope)}"
    read = next(each for each in role.statements if each.sid == "HearInterruptions")
    assert plan.chart.values["settings"]["interruptionQueue"] == plan.queue_name
    assert read.resources == (queue,)
    assert allow["Resource"] == deny["Resource"] == queue
    assert len(allow["Condition"]["ArnEquals"]["aws:SourceArn"]) == len(plan.rules) == len(EVENTS)


def test_reserved_capacity_is_taken_first_and_spot_is_not_bought_beside_it() -> None:
    """Of hardware that is used; another's reservation is not this stack's."""
    reserved = {"h100.8": "cr-0123456789abcdef0", "h100.1": "cr-0123456789abcdef1"}

    plan = karpenter_for({"h100.8": 1}, first="spot", reservations=reserved)

    (pool,) = plan.node_pools
    capacity = requirements_of(pool.manifest["spec"])["karpenter.sh/capacity-type"]
    assert plan.node_class["spec"]["capacityReservationSelectorTerms"] == [{"id": "cr-0123456789abcdef0"}]
    assert capacity == ["on-demand", "reserved"]


def test_what_it_writes_is_bound_to_the_cluster() -> None:
    """Every action that changes something has a condition, or names what it may change; it fits into a role."""
    scope, aws = account(autoscaler="karpenter")
    (role,) = karpenter_roles(scope, aws)
    document = policy_document(role)

    free = [each["Sid"] for each in document["Statement"] if "Condition" not in each]

    assert sorted(free) == [
        "HearInterruptions",
        "LaunchFrom",
        "ListProfiles",
        "ReadCluster",
        "ReadImages",
        "ReadPrices",
        "ReadProfiles",
    ]
    passed = next(each for each in document["Statement"] if each["Sid"] == "PassNodeRole")
    assert passed["Resource"] == [f"arn:aws:iam::123456789012:role/{scope.named(NODE)}"]
    assert len(json.dumps(document, separators=(",", ":"))) < INLINE_POLICY_CHARACTERS


def test_cluster_autoscaler_leaves_nothing_of_it() -> None:
    """Neither plan nor role."""
    scope, aws = account()

    assert plan_karpenter(scope, aws, used({"a10g.1": 1}), 600) is None
    assert karpenter_roles(scope, aws) == ()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_pools_come_after_the_chart_and_the_chart_after_its_kinds() -> None:
    """So that they go in the other order: only a living Karpenter ends a pool's instances."""
    plan = 'karpenter_for({"a10g.1": 1, "cpu": 1})'
    made = registered(
        f'Karpenter("karpenter", {plan}, cluster_name="c", key_arn="k", node_role_name="r", node_role_arn="a")'
    )
    seen = {each["name"]: each for each in made}

    assert {"karpenter-crds", "karpenter-queue"} <= set(seen["karpenter-chart"]["after"])
    assert "karpenter-chart" in seen["karpenter-class"]["after"]
    for pool in ("karpenter-a10g-1", "karpenter-cpu"):
        assert "karpenter-class" in seen[pool]["after"]
    assert all(
        seen[f"karpenter-target-{name}"]["inputs"]["arn"] == "arn-of-karpenter-queue" for name in EVENTS
    )
