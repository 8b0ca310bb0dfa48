"""Who may do what in the cluster, and what others' software is installed from."""

from collections.abc import Iterator

from policy.rule import ResourceRule
from policy.rules.pods import pod_of
from policy.seen import Seen, at, blocks, texts

RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
ESCALATING = {"bind", "escalate", "impersonate"}
READING = {"get", "list", "watch"}
POD_MAKERS = {
    "cronjobs",
    "daemonsets",
    "deployments",
    "jobs",
    "pods",
    "pods/attach",
    "pods/exec",
    "replicasets",
    "replicationcontrollers",
    "statefulsets",
}
"""Resources by which code comes to run."""


def _wide_roles(seen: Seen) -> Iterator[str]:
    if seen.type not in {f"{RBAC}Role", f"{RBAC}ClusterRole"}:
        return
    for rule in blocks(seen.inputs.get("rules")):
        verbs, resources = texts(rule.get("verbs")), texts(rule.get("resources"))
        what = ", ".join(sorted(resources))
        if "*" in verbs | resources | texts(rule.get("apiGroups")):
            yield f"allows by a wildcard ({what})."
        if verbs & ESCALATING:
            yield f"lets one become more than one is ({', '.join(sorted(verbs & ESCALATING))})."
        if "secrets" in resources and verbs - READING:
            yield f"may change Secrets ({', '.join(sorted(verbs - READING))})."
        if resources & POD_MAKERS and "create" in verbs:
            yield f"may start what it likes (create {', '.join(sorted(resources & POD_MAKERS))})."


def _admins(seen: Seen) -> Iterator[str]:
    is_binding = seen.type in {f"{RBAC}RoleBinding", f"{RBAC}ClusterRoleBinding"}
    if is_binding and at(seen.inputs, "roleRef", "name") == "cluster-admin":
        yield "makes somebody cluster-admin."


def _nowhere(seen: Seen) -> Iterator[str]:
    if pod_of(seen) is not None and at(seen.inputs, "metadata", "namespace") in (None, "", "default"):
        yield "lives in the namespace `default`."


def _moving_charts(seen: Seen) -> Iterator[str]:
    if seen.type == "kubernetes:helm.sh/v3:Release" and not seen.inputs.get("version"):
        yield "installs whatever the chart is on the day."


RULES = (
    ResourceRule(
        "rbac-least",
        "mandatory",
        "No role in the cluster has a wildcard, raises itself, changes Secrets or creates pods",
        "Name resources and verbs; scale through `deployments/scale`.",
        _wide_roles,
    ),
    ResourceRule(
        "rbac-admin",
        "mandatory",
        "Nobody is bound to cluster-admin",
        "Bind a role with what it needs.",
        _admins,
    ),
    ResourceRule(
        "namespace-named",
        "mandatory",
        "No workload lives in the namespace `default`",
        "Name its namespace.",
        _nowhere,
    ),
    ResourceRule(
        "chart-pinned",
        "mandatory",
        "Each chart has a version",
        "Write the version that was tested.",
        _moving_charts,
    ),
)
