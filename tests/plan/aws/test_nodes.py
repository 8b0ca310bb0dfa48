"""Laws of the AWS backend's managed node groups and of what scales them."""

import json
from math import ceil
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.aws_nodes import USED, account, groups_for, registered, used

from infra.plan.aws.autoscaler import IMAGES, autoscaler_chart, autoscaler_roles
from infra.plan.aws.cold_start import INSTANCE_STORE_GB
from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.aws.nodes import SHUNNED, ManagedGroupPlan, plan_node_groups, tolerates
from infra.plan.aws.roles import policy_document
from infra.plan.gpu_nodes import GPU_RESOURCE
from infra.spec.hardware import CATALOGUE
from infra.spec.stack import Nodes
from infra.spec.stack_aws import AwsCluster

TEMPLATE = "k8s.io/cluster-autoscaler/node-template"


def template_of(group: ManagedGroupPlan, part: str) -> dict[str, str]:
    """What the tags of a group say of nodes that are not there."""
    prefix = f"{TEMPLATE}/{part}/"
    return {
        tag.key.removeprefix(prefix): tag.value for tag in group.template_tags if tag.key.startswith(prefix)
    }


@given(USED, st.sampled_from(["on-demand", "spot"]))
def test_each_hardware_gets_a_group_for_each_way_to_buy_it_and_no_other(
    replicas: dict[str, int], first: str
) -> None:
    """Spot has an on-demand group to fall back on; nothing is made for hardware that nobody names."""
    groups = groups_for(replicas, first=first)

    bought = ["ON_DEMAND", "SPOT"] if first == "spot" else ["ON_DEMAND"]
    assert [(each.hardware, each.capacity) for each in groups] == [
        (name, kind) for name in sorted(replicas) for kind in bought
    ]
    assert len({each.group_name for each in groups}) == len(groups)


@given(USED)
def test_the_most_nodes_hold_all_replicas_and_not_one_node_more(replicas: dict[str, int]) -> None:
    """The bound is what endpoints may have at once, in whole instances."""
    for group in groups_for(replicas, first="spot"):
        share = CATALOGUE[group.hardware].replicas_per_instance

        assert group.max == ceil(replicas[group.hardware] / share)


@given(USED, st.sampled_from(["al2023", "bottlerocket"]))
def test_all_that_nodes_have_is_known_while_there_is_none(replicas: dict[str, int], image: str) -> None:
    """Labels, taints, GPUs and disk stand in the tags too: 0 → 1 → 0 → 1 works and not 0 → 1 only."""
    for group in groups_for(replicas, first="spot", image=image):
        resources = template_of(group, "resources")
        hardware = CATALOGUE[group.hardware]

        assert template_of(group, "label") == dict(group.labels)
        assert template_of(group, "taint") == {
            each.key: f"{each.value}:{each.effect}" for each in group.taints
        }
        assert int(resources.get(GPU_RESOURCE, "0")) == hardware.gpus * hardware.replicas_per_instance
        assert "ephemeral-storage" in resources
        assert all(len(tag.key) <= 128 and len(tag.value) <= 256 for tag in group.template_tags)
        assert len(group.template_tags) <= 50


@pytest.mark.parametrize(
    "nodes",
    [
        {},
        {"a10g.1": Nodes(selector={"pool": "gpu"})},
        {"a10g.1": Nodes(selector={"pool": "gpu"}, tolerations=())},
        {name: Nodes(selector={HARDWARE_LABEL: name}) for name in CATALOGUE},
    ],
    ids=["product", "own-label", "no-toleration", "hardware"],
)
def test_replicas_fit_the_nodes_of_their_hardware(nodes: dict[str, Nodes]) -> None:
    """Whatever labels a stack asks for its nodes have, and no taint that its replicas do not tolerate."""
    scope, aws = account()
    means = used({"a10g.1": 2, "a100.1": 9, "cpu": 1}, nodes)

    groups = plan_node_groups(scope, aws, means, 600)

    for wanted, group in zip(means, groups, strict=True):
        labels = dict(group.labels)
        assert all(labels.get(key) in values for key, values in wanted.selector)
        hard = [taint for taint in group.taints if taint.effect != SHUNNED]
        assert all(any(tolerates(each, taint) for each in wanted.tolerations) for taint in hard)


def test_who_has_a_choice_leaves_all_nodes_to_replicas() -> None:
    """There are no more of them than replicas, which fill them: a gateway there would keep one waiting."""
    for group in groups_for(dict.fromkeys(CATALOGUE, 1)):
        assert [taint.effect for taint in group.taints] == [
            "NoSchedule" if CATALOGUE[group.hardware].gpus else SHUNNED
        ]


def test_sizes_of_one_gpu_are_told_apart() -> None:
    """A replica of the small instance must not call for the large one, whose GPU has the same name."""
    small, large = groups_for({"a10g.1": 1, "a10g.1-large": 1})

    assert dict(small.labels)[HARDWARE_LABEL] != dict(large.labels)[HARDWARE_LABEL]


@given(st.integers(1, 90_000), st.integers(1, 1440))
def test_autoscaler_waits_at_least_as_long_as_a_replica_is_promised(grace: int, idle: int) -> None:
    """Its cap would otherwise end a request in the middle; idle nodes go after the time that the stack says."""
    scope, aws = account(idle_minutes=idle)

    arguments = autoscaler_chart(scope, aws, (), grace).values["extraArgs"]

    assert int(arguments["max-graceful-termination-sec"]) >= grace
    assert arguments["scale-down-unneeded-time"] == f"{idle}m"


def test_spot_is_asked_before_on_demand_and_neither_balanced() -> None:
    """The priorities name the spot groups one by one; all others come after."""
    scope, aws = account(first="spot")
    groups = plan_node_groups(scope, aws, used({"a10g.1": 1}), 600)

    values = autoscaler_chart(scope, aws, groups, 600).values

    spot = next(each.group_name for each in groups if each.capacity == "SPOT")
    assert values["expanderPriorities"]["20"] == [f"^eks-{spot}-[0-9a-f]{{8}}-.*$"]
    assert values["expanderPriorities"]["10"] == [".*"]
    assert values["extraArgs"]["expander"].startswith("priority")
    assert values["extraArgs"]["balance-similar-node-groups"] == "false"


def test_every_kubernetes_version_has_its_own_autoscaler() -> None:
    """It simulates the scheduler of one minor version."""
    for version, tag in IMAGES.items():
        assert tag.startswith(f"v{version}.")
    assert set(IMAGES) == set(get_args(AwsCluster.model_fields["version"].annotation))


def test_autoscaler_resizes_groups_of_its_cluster_only() -> None:
    """What writes is bound by the cluster's tag; with Karpenter there is no such role."""
    scope, aws = account()
    (role,) = autoscaler_roles(scope, aws)

    (write,) = [each for each in policy_document(role)["Statement"] if each["Sid"] == "Resize"]

    assert write["Condition"]["StringEquals"] == {
        "aws:ResourceTag/k8s.io/cluster-autoscaler/enabled": "true",
        "aws:ResourceTag/k8s.io/cluster-autoscaler/moorage-prod": "owned",
    }
    assert autoscaler_roles(scope, account(autoscaler="karpenter")[1]) == ()


def test_a_snapshot_is_not_hidden_below_the_instance_store() -> None:
    """Its images are on the data volume; bound elsewhere, containerd would not see them."""
    snapshot = "snap-0123456789abcdef0"

    (plain,) = groups_for({"a10g.1": 1}, image="bottlerocket")
    (kept,) = groups_for({"a10g.1": 1}, image="bottlerocket", cold_start={"snapshot": snapshot})

    assert plain.user_data is not None
    assert "ephemeral-storage" in plain.user_data
    assert kept.user_data is None
    assert [disk.snapshot for disk in kept.disks] == [None, snapshot]


@pytest.mark.parametrize("hardware", sorted(CATALOGUE))
def test_user_data_of_al2023_says_what_the_instance_has(hardware: str) -> None:
    """RAID0 where there are disks, parallel pull where the stack wants it, and a volume that can follow."""
    (group,) = groups_for({hardware: 1}, cold_start={"parallel_pull": True})

    assert group.user_data is not None
    _, _, config = group.user_data.partition("application/node.eks.aws\n\n")
    spec = json.loads(config.rpartition("\n--//--")[0])["spec"]
    has_store = group.instance_type in INSTANCE_STORE_GB
    assert spec["featureGates"] == {"FastImagePull": True}
    assert ("instance" in spec) == has_store
    assert has_store or group.disks[0].throughput >= 600


@given(USED, st.booleans())
def test_gp3_can_give_what_is_asked_of_it(replicas: dict[str, int], pull: bool) -> None:
    """Above the default, at most 1000 MiB/s and a quarter of the IOPS, else EC2 refuses the template."""
    for group in groups_for(replicas, cold_start={"parallel_pull": pull}):
        for disk in group.disks:
            assert 125 < disk.throughput <= min(1000, disk.iops / 4)
            assert 3000 < disk.iops <= 16_000


def test_warm_pools_and_reservations_are_bought_on_demand() -> None:
    """Spot instances can be neither, and what is reserved is paid for: none is bought beside it."""
    pool = {"a10g.1": {"size": 2, "state": "Running"}}
    reserved = {"h100.8": "cr-0123456789abcdef0"}

    groups = groups_for({"a10g.1": 1, "h100.8": 1}, first="spot", warm_pools=pool, reservations=reserved)

    found = {each.name: (each.warm_pool is not None, each.reservation) for each in groups}
    assert found == {
        "a10g-1-on-demand": (True, None),
        "a10g-1-spot": (False, None),
        "h100-8-on-demand": (False, "cr-0123456789abcdef0"),
    }


def test_karpenter_leaves_no_group() -> None:
    """It makes nodes itself: groups beside it would be bought twice."""
    assert groups_for({"a10g.1": 1}, autoscaler="karpenter") == ()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_component_registers_what_the_plan_says() -> None:
    """No update sets a size, every tag lands on the group behind it, and no key is refused by the SDK."""
    chosen = 'warm_pools={"a10g.1": {"size": 2}}, reservations={"cpu": "cr-0123456789abcdef0"}'
    seen = registered(
        f'for plan in groups_for({{"a10g.1": 1, "cpu": 1}}, {chosen}):'
        ' EksNodeGroup(plan.name, plan, cluster_name="c", node_role_arn="r", subnets=["s"], disk_key_arn="k")'
    )

    groups = [each for each in seen if each["type"] == "aws:eks/nodeGroup:NodeGroup"]
    templates = [each["inputs"] for each in seen if each["type"] == "aws:ec2/launchTemplate:LaunchTemplate"]
    tags = [each["inputs"] for each in seen if each["type"] == "aws:autoscaling/tag:Tag"]
    assert [each["ignored"] for each in groups] == [["scalingConfig.desiredSize"]] * 2
    assert all(each["inputs"]["scalingConfig"]["desiredSize"] == 0 for each in groups)
    assert all(each["inputs"]["launchTemplate"]["version"] == "3" for each in groups)
    assert all(each["inputs"]["forceUpdateVersion"] is False for each in groups)
    assert all(each["metadataOptions"]["httpTokens"] == "required" for each in templates)
    assert all(each["metadataOptions"]["httpPutResponseHopLimit"] == 1 for each in templates)
    assert all(disk["ebs"]["kmsKeyId"] == "k" for each in templates for disk in each["blockDeviceMappings"])
    planned = [tag.key for plan in groups_for({"a10g.1": 1, "cpu": 1}) for tag in plan.template_tags]
    assert sorted(each["tag"]["key"] for each in tags) == sorted(planned)
    assert {each["autoscalingGroupName"] for each in tags} == {"eks-asg"}
