"""Metrics, dashboards and alerts of a stack in AWS.

Sources: values.yaml and templates of kube-prometheus-stack 88.5.3 (Grafana 12.11.1, kube-state-metrics 8.4.0,
prometheus-node-exporter 4.56.1); Service Authorization Reference of Amazon Managed Service for Prometheus, and
its user guide, "Encryption at rest"; read 2026-11-25.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.plan.aws.gpu_charts import dcgm_exporter_chart
from infra.plan.aws.logs import LogGroupPlan, log_group
from infra.plan.aws.roles import RolePlan, ServiceAccount, Statement
from infra.plan.aws.scope import OWNER_TAG, Scope
from infra.plan.manifests.parts import Manifest
from infra.plan.monitoring.alerts import plan_alerts
from infra.plan.monitoring.dashboards import DashboardPlan, plan_dashboards
from infra.plan.monitoring.rules import RulesPlan, plan_rules, rules_text
from infra.plan.monitoring.scraping import pod_monitors
from infra.plan.values import AddonPlan, EndpointPlan
from infra.spec.stack_aws import Aws

PROMETHEUS = "prometheus"
"""Of the role, the service account that takes it, and the log group."""
GRAFANA_SECRET = "grafana-admin"  # noqa: S105 - a Secret's name
GRAFANA_USER = "admin"
DISK_GIB, RETENTION_DAYS = 50, 15
KEPT_GIB = DISK_GIB * 4 // 5
"""The rest is for what has not been compacted yet."""
SENT = (
    "DCGM_FI_DEV_(FB_FREE|FB_USED|GPU_TEMP|GPU_UTIL|POWER_USAGE|XID_ERRORS)",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "moorage:.+",
    "moorage_.+",
    "up",
)
"""What goes to the managed workspace, which is paid by the sample: what alerts and dashboards read."""
_NOT_ON_EKS = ("kubeControllerManager", "kubeEtcd", "kubeProxy", "kubeScheduler")
"""What AWS runs, or what listens on its node's own address only."""
_RULES_NOT_ON_EKS = (
    "etcd",
    "kubeControllerManager",
    "kubeProxy",
    "kubeSchedulerAlerting",
    "kubeSchedulerRecording",
    "windows",
)


@dataclass(frozen=True, slots=True)
class WorkspacePlan:
    """A workspace of Amazon Managed Service for Prometheus."""

    alias: str
    region: str
    log_group: LogGroupPlan
    rules: str
    """The alerts, as a rule file; what the plan knows of endpoints comes with the metrics."""
    remote_write: Mapping[str, Any]
    """How Prometheus in the cluster writes to it, but for the address, which holds the workspace's id."""
    tags: Mapping[str, str]
    is_protected: bool


@dataclass(frozen=True, slots=True)
class MonitoringPlan:
    """All that tells how a stack is."""

    namespace: str
    """Of the platform."""
    home: str
    """Namespace of what scrapes."""
    dashboards: tuple[DashboardPlan, ...]
    rules: tuple[RulesPlan, ...]
    pod_monitors: Mapping[str, Manifest]
    """By component; empty where nobody is known to read them."""
    stack: AddonPlan | None
    """kube-prometheus-stack; None where a Prometheus is there already."""
    dcgm: AddonPlan | None
    """NVIDIA's exporter, unless the GPU operator brings it."""
    workspace: WorkspacePlan | None


def plan_monitoring(
    scope: Scope,
    aws: Aws,
    endpoints: Sequence[EndpointPlan],
    *,
    home: str,
    disk_class: str | None,
) -> MonitoringPlan:
    """What the stack says of monitoring.

    With `prometheus: present` nothing is made that needs the Prometheus operator's kinds, for nobody can look
    whether they are there: dashboards and rules are ConfigMaps then.

    Args:
        scope: the stack.
        aws: its account.
        endpoints: sorted by name.
        home: namespace from which metrics are read, `network.scraper_namespace`.
        disk_class: StorageClass of Prometheus' disk; None takes the cluster's default.
    """
    is_own = aws.monitoring.prometheus != "present"
    has_figures = aws.monitoring.dcgm and is_own
    budget = None if aws.budget is None else aws.budget.dollars_per_month
    alerts = plan_alerts(scope.namespace, has_gpu_figures=has_figures, dollars_per_month=budget)
    rules = plan_rules(scope.namespace, alerts, endpoints)
    exports = has_figures and not aws.gpu_operator and any(endpoint.gpus for endpoint in endpoints)
    return MonitoringPlan(
        namespace=scope.namespace,
        home=home,
        dashboards=plan_dashboards(scope.namespace, scope.endpoint_namespaces),
        rules=rules,
        pod_monitors=pod_monitors(scope.namespace) if is_own else {},
        stack=prometheus_chart(scope, home, disk_class) if is_own else None,
        dcgm=dcgm_exporter_chart(home) if exports else None,
        workspace=_workspace(scope, aws, rules[0]) if aws.monitoring.prometheus == "managed" else None,
    )


def prometheus_chart(scope: Scope, home: str, disk_class: str | None) -> AddonPlan:
    """Prometheus, Alertmanager and Grafana, which read whatever is in the cluster for them.

    One of each: its disk follows Prometheus to another node of its zone. Grafana keeps nothing, for dashboards
    come from ConfigMaps, and its password from a Secret.
    """
    everything = dict.fromkeys(
        (
            "podMonitorSelectorNilUsesHelmValues",
            "probeSelectorNilUsesHelmValues",
            "ruleSelectorNilUsesHelmValues",
            "scrapeConfigSelectorNilUsesHelmValues",
            "serviceMonitorSelectorNilUsesHelmValues",
        ),
        False,
    )
    spec = {
        **everything,
        "externalLabels": {"cluster": scope.cluster},
        "resources": _resources("200m", "1Gi", "3Gi"),
        "retention": f"{RETENTION_DAYS}d",
        "retentionSize": f"{KEPT_GIB}GiB",
        "storageSpec": {"volumeClaimTemplate": {"spec": _claim(disk_class)}},
    }
    return AddonPlan(
        name="kube-prometheus-stack",
        namespace=home,
        chart="kube-prometheus-stack",
        repository="https://prometheus-community.github.io/helm-charts",
        version="88.5.3",
        values={
            **{component: {"enabled": False} for component in _NOT_ON_EKS},
            "alertmanager": {"alertmanagerSpec": {"resources": _resources("10m", "64Mi", "256Mi")}},
            "defaultRules": {"rules": dict.fromkeys(_RULES_NOT_ON_EKS, False)},
            "grafana": {
                "admin": {"existingSecret": GRAFANA_SECRET},
                "resources": _resources("50m", "256Mi", "512Mi"),
            },
            "kube-state-metrics": {"resources": _resources("10m", "64Mi", "512Mi")},
            "prometheus": {
                "prometheusSpec": spec,
                "serviceAccount": {"create": True, "name": PROMETHEUS},
            },
            # Nodes with GPUs are tainted, and nodes that are being drained are worth a look too.
            "prometheus-node-exporter": {
                "resources": _resources("10m", "32Mi", "128Mi"),
                "tolerations": [{"operator": "Exists"}],
            },
            "prometheusOperator": {"resources": _resources("20m", "128Mi", "512Mi")},
        },
    )


def remote_write_address(region: str, workspace: str) -> str:
    """Where a workspace takes samples.

    Source: Managed Service for Prometheus user guide, "Ingest metrics", 2026-11.
    """
    return f"https://aps-workspaces.{region}.amazonaws.com/workspaces/{workspace}/api/v1/remote_write"


def writing_to(chart: AddonPlan, workspace: WorkspacePlan, address: Any) -> dict[str, Any]:
    """The chart's values with a Prometheus that writes to the workspace at an address."""
    prometheus = chart.values["prometheus"]
    spec = {**prometheus["prometheusSpec"], "remoteWrite": [{**workspace.remote_write, "url": address}]}
    return {**chart.values, "prometheus": {**prometheus, "prometheusSpec": spec}}


def monitoring_roles(scope: Scope, aws: Aws, *, home: str) -> tuple[RolePlan, ...]:
    """The role of Prometheus, where it writes to a workspace.

    Args:
        scope: the stack.
        aws: its account.
        home: namespace of Prometheus, `network.scraper_namespace`.
    """
    if aws.monitoring.prometheus != "managed":
        return ()
    write = Statement(
        sid="Write",
        reason="It writes metrics. AWS makes up the workspace's id, so it is found by the stack's tag, which no"
        " other stack's bears.",
        actions=("aps:RemoteWrite",),
        resources=(scope.arn("aps", "workspace/*"),),
        conditions={"StringEquals": {f"aws:ResourceTag/{OWNER_TAG}": scope.stack}},
    )
    return (
        RolePlan(
            name=PROMETHEUS,
            role_name=scope.named(PROMETHEUS),
            reason="Prometheus in the cluster sends what it has scraped to the managed workspace.",
            trust="pods",
            statements=(write,),
            service_accounts=(ServiceAccount(home, PROMETHEUS),),
        ),
    )


def _workspace(scope: Scope, aws: Aws, alerts: RulesPlan) -> WorkspacePlan:
    kept = {"action": "keep", "regex": "|".join(SENT), "sourceLabels": ["__name__"]}
    return WorkspacePlan(
        alias=scope.named(PROMETHEUS),
        region=scope.region,
        log_group=log_group(scope, PROMETHEUS, aws.cluster.log_days),
        rules=rules_text(alerts),
        remote_write={"sigv4": {"region": scope.region}, "writeRelabelConfigs": [kept]},
        tags=scope.tagged(PROMETHEUS),
        is_protected=scope.is_protected,
    )


def _claim(disk_class: str | None) -> dict[str, Any]:
    chosen = {} if disk_class is None else {"storageClassName": disk_class}
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{DISK_GIB}Gi"}},
        **chosen,
    }


def _resources(cpu: str, memory: str, most_memory: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most_memory}}
