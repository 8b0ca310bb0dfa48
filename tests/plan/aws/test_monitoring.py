"""Monitoring of a stack in AWS: what is installed, what may be written where, and who is told of the cost."""

import json
import re
from typing import Any

import pytest
from support.aws_scope import scope_for
from support.made_in_aws import Made, made_by
from support.plans import planned

from infra.plan.aws.budget import NOTICES, BudgetPlan, plan_budget
from infra.plan.aws.gpu_charts import device_plugin_chart_on_aws, gpu_charts, gpu_operator_chart
from infra.plan.aws.monitoring import (
    DISK_GIB,
    KEPT_GIB,
    SENT,
    MonitoringPlan,
    monitoring_roles,
    plan_monitoring,
    writing_to,
)
from infra.plan.aws.roles import policy_document
from infra.plan.monitoring.rules import rule_manifest
from infra.plan.quantities import millicores
from infra.plan.values import EndpointPlan
from infra.spec.hardware import CATALOGUE
from infra.spec.stack import Stack

BUDGET = {"dollars_per_month": 2000, "mails": ["ops@example.com", "boss@example.com"]}
MODES = ("managed", "present", "stack")
EKS_MILLICORES = 180
"""What EKS's own ask for on every node: network plugin and its policies 25m each, kube-proxy 100m, three containers of
the disk driver 10m each; its other agents ask for nothing. Sources: aws/eks-charts at 5239609 and
kubernetes-sigs/aws-ebs-csi-driver, values.yaml; kube-proxy's add-on; 2026-11-25."""
METRIC = re.compile(r"\b(?:moorage[_:][\w:]+|DCGM_\w+|up(?=\{))")


def endpoints(hardware: str = "a10g.1") -> tuple[EndpointPlan, ...]:
    """One endpoint on such hardware."""
    stack = Stack.model_validate({"backend": "kubernetes", "domain": "models.example.com"})
    one = {"name": "embed", "image": "a/b:1", "hardware": hardware}
    return planned({"account": "acme", "endpoints": [one]}, stack).endpoints


def monitoring(mode: str, hardware: str = "a10g.1", *, dcgm: bool = True, **settings: Any) -> MonitoringPlan:
    """The plan of a stack with such a Prometheus."""
    scope, aws = scope_for(monitoring={"prometheus": mode, "dcgm": dcgm}, **settings)
    return plan_monitoring(scope, aws, endpoints(hardware), home="monitoring", disk_class="disk")


@pytest.mark.parametrize("mode", MODES)
def test_dashboards_and_alerts_are_handed_over_in_every_mode(mode: str) -> None:
    """Whoever reads them."""
    plan = monitoring(mode)

    assert [board.name for board in plan.dashboards] == [
        "dashboard-endpoint",
        "dashboard-endpoints",
        "dashboard-gpus",
    ]
    assert [rule.endpoint for rule in plan.rules] == [None, "embed"]


def test_where_prometheus_is_there_already_nothing_needs_its_kinds() -> None:
    """Nobody can look whether they are installed."""
    plan = monitoring("present")

    assert (plan.stack, plan.dcgm, plan.workspace, plan.pod_monitors) == (None, None, None, {})
    assert "DCGM" not in json.dumps(plan.rules[0].groups)


@pytest.mark.parametrize(
    ("mode", "hardware", "settings", "is_there"),
    [
        ("stack", "a10g.1", {}, True),
        ("managed", "a10g.1", {}, True),
        ("stack", "cpu", {}, False),
        ("stack", "a10g.1", {"gpu_operator": True}, False),
        ("stack", "a10g.1", {"dcgm": False}, False),
    ],
)
def test_exporter_is_there_where_gpus_are(
    mode: str, hardware: str, settings: dict[str, Any], is_there: bool
) -> None:
    """Unless it is switched off, or the GPU operator brings its own."""
    assert (monitoring(mode, hardware, **settings).dcgm is not None) == is_there


def test_gpu_operator_exports_what_the_stack_asks_for() -> None:
    """And never needs a kind that is not there."""
    figures = {
        mode: gpu_operator_chart(scope_for(monitoring={"prometheus": mode})[1]).values["dcgmExporter"]
        for mode in MODES
    }

    assert {mode for mode, given in figures.items() if given["enabled"]} == {"managed", "stack"}
    assert {mode for mode, given in figures.items() if given["serviceMonitor"]["enabled"]} == {
        "managed",
        "stack",
    }


@pytest.mark.parametrize(("image", "has_plugin"), [("al2023", True), ("bottlerocket", False)])
def test_what_the_nodes_image_brings_is_not_installed_again(image: str, has_plugin: bool) -> None:
    """Driver and toolkit never, the plugin not beside Bottlerocket's own."""
    _, aws = scope_for(capacity={"image": image})

    operator = gpu_operator_chart(aws).values
    assert operator["driver"] == operator["toolkit"] == {"enabled": False}
    assert operator["devicePlugin"]["enabled"] == has_plugin
    assert (device_plugin_chart_on_aws(aws) is not None) == has_plugin


def test_device_plugin_runs_where_groups_of_gpu_nodes_are() -> None:
    """By the label that a node is born with, without waiting for feature discovery."""
    (chart,) = gpu_charts(scope_for()[1], has_gpus=True)

    text = json.dumps(chart.values["affinity"])
    assert "moorage.dev/hardware" in text
    assert "feature.node.kubernetes.io" not in text
    assert (chart.values["gfd"], chart.values["nfd"]) == ({"enabled": False}, {"enabled": False})


@pytest.mark.parametrize("hardware", sorted(name for name, row in CATALOGUE.items() if row.gpus))
def test_a_replica_has_room_beside_all_that_runs_on_every_node(hardware: str) -> None:
    """Of a small node it takes nearly all: one program that asks for much, and it finds room on no node at all."""
    plan, (endpoint,) = monitoring("stack", hardware), endpoints(hardware)
    (plugin,) = gpu_charts(scope_for()[1], has_gpus=True)
    assert plan.stack is not None
    assert plan.dcgm is not None

    exporter = plan.stack.values["prometheus-node-exporter"]
    everywhere = sum(
        millicores(each["resources"]["requests"]["cpu"])
        for each in (plan.dcgm.values, plugin.values, exporter)
    )
    replicas = CATALOGUE[hardware].replicas_per_instance * (endpoint.size.cpu + endpoint.worker_size.cpu)
    assert replicas + everywhere + EKS_MILLICORES <= left_to_pods(CATALOGUE[hardware].vcpu)


def left_to_pods(vcpu: int) -> float:
    """Thousandths of a core that kubelet does not keep for itself, of four cores or more.

    Source: awslabs/amazon-eks-ami at 81fec2e, nodeadm/internal/kubelet/config.go.
    """
    return 1000 * vcpu - (60 + 10 + 2 * 5 + (vcpu - 4) * 2.5)


def test_without_gpus_no_chart_of_theirs_is_installed() -> None:
    """With or without the operator."""
    for operator in (False, True):
        assert gpu_charts(scope_for(gpu_operator=operator)[1], has_gpus=False) == ()


def test_prometheus_reads_what_any_namespace_holds_for_it() -> None:
    """The chart's own selectors would leave out whatever another chart or we have made."""
    stack = monitoring("stack").stack
    assert stack is not None
    spec = stack.values["prometheus"]["prometheusSpec"]

    assert {spec[key] for key in spec if key.endswith("NilUsesHelmValues")} == {False}
    assert sum(key.endswith("NilUsesHelmValues") for key in spec) == 5


def test_disk_is_the_stacks_class_and_never_full() -> None:
    """Prometheus drops its oldest before."""
    stack = monitoring("stack").stack
    assert stack is not None
    spec = stack.values["prometheus"]["prometheusSpec"]
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]

    assert claim["storageClassName"] == "disk"
    assert claim["resources"]["requests"]["storage"] == f"{DISK_GIB}Gi"
    assert spec["retentionSize"] == f"{KEPT_GIB}GiB"
    assert KEPT_GIB < DISK_GIB


def test_managed_workspace_gets_every_series_that_is_asked_for() -> None:
    """And no other: it is paid by the sample."""
    plan = monitoring("managed", budget=BUDGET)
    sent = re.compile("|".join(SENT))
    texts = [json.dumps(rule_manifest(rule, plan.namespace)) for rule in plan.rules]
    asked = {name for text in (*texts, *(it.text for it in plan.dashboards)) for name in METRIC.findall(text)}

    assert len(asked) > 25
    assert {name for name in asked if not sent.fullmatch(name)} == set()
    assert sent.fullmatch("container_cpu_usage_seconds_total") is None


def test_writing_to_a_workspace_changes_nothing_else_of_the_chart() -> None:
    """The plan's own values stay as they are."""
    plan = monitoring("managed")
    assert plan.stack is not None
    assert plan.workspace is not None
    before = json.dumps(plan.stack.values, sort_keys=True)

    values = writing_to(plan.stack, plan.workspace, "https://example.com")

    (target,) = values["prometheus"]["prometheusSpec"].pop("remoteWrite")
    assert (target["url"], target["sigv4"]) == ("https://example.com", {"region": "eu-central-1"})
    assert json.dumps(values, sort_keys=True) == before == json.dumps(plan.stack.values, sort_keys=True)


@pytest.mark.parametrize("mode", MODES)
def test_only_a_prometheus_that_writes_to_aws_has_a_role(mode: str) -> None:
    """Bound to its own service account, and to the stack's own workspace by the tag."""
    scope, aws = scope_for(monitoring={"prometheus": mode})
    roles = monitoring_roles(scope, aws, home="monitoring")

    assert bool(roles) == (mode == "managed")
    for role in roles:
        (statement,) = policy_document(role)["Statement"]
        assert statement["Action"] == ["aps:RemoteWrite"]
        assert statement["Resource"] == ["arn:aws:aps:eu-central-1:123456789012:workspace/*"]
        assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/moorage:stack": "prod"}}
        chart = monitoring(mode).stack
        assert chart is not None
        assert chart.values["prometheus"]["serviceAccount"]["name"] == role.service_accounts[0].name


def test_budget_counts_the_stacks_own_tag_and_tells_everybody_twice() -> None:
    """At 80 % spent, and when the month is going to be over it."""
    budget = budget_of(name="dev")

    assert budget.tag == "user:moorage:stack$dev"
    assert budget.mails == ("boss@example.com", "ops@example.com")
    assert {(notice.kind, notice.percent) for notice in NOTICES} == {("ACTUAL", 80), ("FORECASTED", 100)}


def test_no_budget_is_planned_unless_the_stack_names_one() -> None:
    """Nor is a tag of the whole organisation touched unless somebody says so."""
    assert plan_budget(*scope_for()) is None
    assert budget_of().activated_tag is None
    assert budget_of(activates_tag=True).activated_tag == "moorage:stack"


def budget_of(*, name: str = "prod", activates_tag: bool = False) -> BudgetPlan:
    """The budget of a stack that names one."""
    budget = plan_budget(*scope_for(name=name, budget=BUDGET), activates_tag=activates_tag)
    assert budget is not None
    return budget


@pytest.fixture(scope="module")
def made() -> dict[str, Made]:
    """What is made with a workspace, and where a Prometheus is there already, each by its name."""
    found = made_by("""
import sys
sys.path[:0] = ["tests", "tests/plan/aws"]
from test_monitoring import budget_of, monitoring
from components.aws.budget import StackBudget
from components.aws.monitoring import Monitoring

def build():
    for mode in ("managed", "present"):
        Monitoring(mode, monitoring(mode), data_key="arn:data", log_key="arn:logs")
    StackBudget("budget", budget_of(activates_tag=True))
""")
    return {each.name: each for each in found if not each.kind.startswith("moorage:")}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_nothing_but_files_is_made_where_prometheus_is_there_already(made: dict[str, Made]) -> None:
    """The alerts, and what is known of each endpoint."""
    files = {name: each.kind.rpartition(":")[2] for name, each in made.items() if name.startswith("present")}

    assert files == dict.fromkeys(
        (
            "present-alerts",
            "present-limits-embed",
        ),
        "ConfigMap",
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_is_kept_in_aws_is_encrypted_and_tagged(made: dict[str, Made]) -> None:
    """Metrics with the key of data, their logs with the key of logs."""
    workspace = made["managed-workspace"].inputs

    assert workspace["kmsKeyArn"] == "arn:data"
    assert workspace["loggingConfiguration"] == {"logGroupArn": "arn:managed-logs:*"}
    assert made["managed-logs"].inputs["kmsKeyId"] == "arn:logs"
    for name in ("managed-workspace", "managed-logs", "managed-workspace-rules", "budget-month"):
        assert made[name].inputs["tags"]["moorage:stack"] == "prod"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_prometheus_writes_to_the_workspace_and_no_password_is_among_its_values(
    made: dict[str, Made],
) -> None:
    """Grafana takes it from a Secret."""
    values = made["managed-kube-prometheus-stack"].inputs["values"]

    (target,) = values["prometheus"]["prometheusSpec"]["remoteWrite"]
    assert target["url"].endswith("/workspaces/managed-workspace/api/v1/remote_write")
    assert "assword" not in json.dumps(values)
    assert values["grafana"]["admin"] == {
        "existingSecret": made["managed-grafana"].inputs["metadata"]["name"]
    }
