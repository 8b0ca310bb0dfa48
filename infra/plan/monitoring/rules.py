"""Rules as Prometheus reads them: the alerts, and what the plan knows of each endpoint."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.plan.monitoring import queries
from infra.plan.monitoring.alerts import Alert, alert_rule
from infra.plan.values import EndpointPlan
from runtime.wire.names import short

COMPONENT = "monitoring"
API = "monitoring.coreos.com/v1"
"""Of the Prometheus operator's own kinds."""
RULES_KEY = "rules.yaml"
"""Key of a rule file in its ConfigMap."""
INTERVAL = "30s"


@dataclass(frozen=True, slots=True)
class RulesPlan:
    """One file of rules."""

    name: str
    """Of the resource and the object."""
    endpoint: str | None
    """None for what all share, so that an edit of one endpoint changes that one's file only."""
    groups: tuple[dict[str, Any], ...]


def plan_rules(
    namespace: str, alerts: Iterable[Alert], endpoints: Iterable[EndpointPlan]
) -> tuple[RulesPlan, ...]:
    """The file of alerts, then one an endpoint, sorted by name."""
    shared = _group("moorage", [alert_rule(alert, namespace) for alert in alerts])
    own = [_endpoint_rules(namespace, endpoint) for endpoint in endpoints]
    return (RulesPlan("alerts", None, (shared,)), *sorted(own, key=lambda each: each.name))


def rule_manifest(plan: RulesPlan, namespace: str) -> Manifest:
    """A PrometheusRule."""
    return {
        "metadata": _metadata(plan, namespace),
        "spec": {"groups": [dict(group) for group in plan.groups]},
    }


def rule_file(plan: RulesPlan, namespace: str) -> Manifest:
    """A ConfigMap with the same, for a Prometheus without its operator."""
    return {"metadata": _metadata(plan, namespace), "data": {RULES_KEY: rules_text(plan)}}


def rules_text(plan: RulesPlan) -> str:
    """The content of a rule file; JSON is YAML."""
    return json.dumps({"groups": plan.groups}, sort_keys=True, indent=1)


def _metadata(plan: RulesPlan, namespace: str) -> Manifest:
    return metadata(plan.name, namespace, labels_of(COMPONENT, plan.endpoint))


def _endpoint_rules(namespace: str, endpoint: EndpointPlan) -> RulesPlan:
    limits, price = endpoint.record.limits, endpoint.nodes.dollars_per_hour
    figures: dict[str, float] = {
        queries.MOST_REPLICAS: endpoint.record.scaling.max,
        queries.QUEUE_LIMIT: limits.queue_seconds,
        queries.START_LIMIT: limits.start_seconds,
        queries.WAITING_LIMIT: limits.waiting,
        **({} if price is None else {queries.DOLLARS: price}),
    }
    labels = {"endpoint": endpoint.name, "namespace": namespace}
    rules = [
        {"record": name, "expr": f"vector({value:.10g})", "labels": labels}
        for name, value in sorted(figures.items())
    ]
    name = short(f"limits-{endpoint.name}")
    return RulesPlan(name, endpoint.name, (_group(f"moorage-{name}", rules),))


def _group(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "interval": INTERVAL, "rules": rules}
