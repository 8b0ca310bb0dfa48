"""Prometheus, Grafana, alerts, and the workspace that keeps the figures."""

from typing import Any

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.amp._inputs import WorkspaceLoggingConfigurationArgs
from pulumi_aws.amp.rule_group_namespace import RuleGroupNamespace
from pulumi_aws.amp.workspace import Workspace
from pulumi_aws.cloudwatch.log_group import LogGroup
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, Secret
from pulumi_kubernetes.helm.v3 import Release
from pulumi_random import RandomPassword

from infra.plan.aws.monitoring import (
    GRAFANA_SECRET,
    GRAFANA_USER,
    MonitoringPlan,
    WorkspacePlan,
    remote_write_address,
    writing_to,
)
from infra.plan.manifests.parts import labels_of
from infra.plan.monitoring.rules import API, COMPONENT, rule_file, rule_manifest
from infra.plan.values import AddonPlan

PASSWORD_CHARACTERS = 32
INSTALL_SECONDS = 900
"""How long the first start of all programs of a chart may take, their images and disks included."""
PRIVILEGED = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("audit", "enforce", "warn")}
"""Exporters look at their node."""


class Monitoring(pulumi.ComponentResource):
    """Creates rules, and where the stack says so what reads them.

    `data_key` and `log_key` are ARNs. Assumes the platform's namespace and, with a workspace, the role of
    Prometheus and its binding, which the pods must find when they start.
    """

    def __init__(
        self,
        name: str,
        plan: MonitoringPlan,
        *,
        data_key: Input[str],
        log_key: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Monitoring", name, {}, opts)
        self._name = name
        self._plan = plan
        workspace = self._workspace(plan.workspace, data_key, log_key) if plan.workspace else None
        stack = self._stack(plan.stack, workspace) if plan.stack else None
        self._rules(stack)
        self._pod_monitors(stack)
        if plan.dcgm is not None:
            self._release(plan.dcgm, dict(plan.dcgm.values), [stack])
        self.register_outputs({"workspace_id": workspace.id if workspace else None})

    def _stack(self, chart: AddonPlan, workspace: Workspace | None) -> Release:
        """The chart in a namespace of its own, which must be there first: Grafana's password is in it."""
        inside = ResourceOptions(parent=self)
        labels = {**labels_of("namespace"), **PRIVILEGED}
        home = Namespace(
            f"{self._name}-home", metadata={"name": self._plan.home, "labels": labels}, opts=inside
        )
        password = RandomPassword(
            f"{self._name}-grafana-password", length=PASSWORD_CHARACTERS, special=False, opts=inside
        )
        secret = Secret(
            f"{self._name}-grafana",
            metadata={
                "name": GRAFANA_SECRET,
                "namespace": self._plan.home,
                "labels": labels_of(COMPONENT),
            },
            type="Opaque",
            string_data={"admin-user": GRAFANA_USER, "admin-password": password.result},
            opts=ResourceOptions(parent=self, depends_on=[home]),
        )
        values = dict(chart.values)
        planned = self._plan.workspace
        if workspace is not None and planned is not None:
            address = workspace.id.apply(lambda found: remote_write_address(planned.region, found))
            values = writing_to(chart, planned, address)
        return self._release(chart, values, [secret])

    def _workspace(self, plan: WorkspacePlan, data_key: Input[str], log_key: Input[str]) -> Workspace:
        logs = LogGroup(
            f"{self._name}-logs",
            name=plan.log_group.group_name,
            retention_in_days=plan.log_group.days,
            kms_key_id=log_key,
            tags=dict(plan.log_group.tags),
            opts=ResourceOptions(parent=self),
        )
        workspace = Workspace(
            f"{self._name}-workspace",
            alias=plan.alias,
            kms_key_arn=data_key,
            logging_configuration=WorkspaceLoggingConfigurationArgs(
                log_group_arn=Output.format("{0}:*", logs.arn)
            ),
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected),
        )
        RuleGroupNamespace(
            f"{self._name}-workspace-rules",
            name="moorage",
            workspace_id=workspace.id,
            data=plan.rules,
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self),
        )
        return workspace

    def _rules(self, stack: Release | None) -> None:
        """As the operator's kind where it is installed, and otherwise as files for whoever reads them."""
        namespace = self._plan.namespace
        for plan in self._plan.rules:
            if stack is None:
                ConfigMap(
                    f"{self._name}-{plan.name}",
                    **rule_file(plan, namespace),
                    opts=ResourceOptions(parent=self),
                )
            else:
                self._custom(plan.name, "PrometheusRule", rule_manifest(plan, namespace), stack)

    def _pod_monitors(self, stack: Release | None) -> None:
        for component, manifest in sorted(self._plan.pod_monitors.items()):
            if stack is not None:
                self._custom(component, "PodMonitor", manifest, stack)

    def _custom(self, name: str, kind: str, manifest: dict[str, Any], stack: Release) -> None:
        CustomResource(
            f"{self._name}-{name}",
            API,
            kind,
            **manifest,
            opts=ResourceOptions(parent=self, depends_on=[stack]),
        )

    def _release(self, chart: AddonPlan, values: dict[str, Any], after: list[Resource | None]) -> Release:
        return Release(
            f"{self._name}-{chart.name}",
            name=chart.name,
            chart=chart.chart,
            version=chart.version,
            namespace=chart.namespace,
            repository_opts={"repo": chart.repository},
            timeout=INSTALL_SECONDS,
            values=values,
            opts=ResourceOptions(parent=self, depends_on=[each for each in after if each is not None]),
        )
