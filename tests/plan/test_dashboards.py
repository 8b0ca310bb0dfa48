"""Dashboards and alerts ask for what the platform tells, and the runbook explains every alert."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from support.plans import planned

from infra.plan.manifests import gateway, namespaces, scaler
from infra.plan.monitoring import queries
from infra.plan.monitoring.alerts import Alert, Severity, alert_rule, plan_alerts
from infra.plan.monitoring.dashboards import LABEL, ONE_ENDPOINT, dashboard_manifest, plan_dashboards
from infra.plan.monitoring.panels import COLUMNS, RATE
from infra.plan.monitoring.rules import plan_rules, rule_file, rule_manifest
from infra.plan.monitoring.scraping import SCRAPED, pod_monitors
from infra.plan.values import Plan
from infra.spec.stack import Stack
from runtime.gateway.errors import GatewayError
from runtime.gateway.metrics import Metrics, _QueueSnapshot
from runtime.scaler.kinds import Kind
from runtime.scaler.metrics import Metrics as ScalerMetrics

NAMESPACE = "moorage"
ENDPOINT_NAMESPACES = ("moorage-baseline", "moorage-restricted")
ALERTS = plan_alerts(NAMESPACE, has_gpu_figures=True, dollars_per_month=2000)
DASHBOARDS = {plan.name: json.loads(plan.text) for plan in plan_dashboards(NAMESPACE, ENDPOINT_NAMESPACES)}
RUNBOOK = (Path(__file__).parent.parent.parent / "docs/monitoring.md").read_text(encoding="utf-8")
SCRAPE_LABELS = {"job", "le", "namespace", "pod"}
"""What Prometheus adds to every series, and to a histogram's."""

EXPORTER_LABELS = {"Hostname", "err_code", "err_msg", "gpu", "modelName"}
"""Of NVIDIA's exporter. Source: dcgm-exporter 4.5.3-4.8.2, internal/pkg/collector/gpu_collector.go."""
GROUPED = re.compile(r"\bby \(([^)]+)\)")


def labels_by_metric() -> dict[str, set[str]]:
    """Every series that gateway and scaler tell, with its own labels."""
    found = {family.name: set(family._labelnames) for family in _QueueSnapshot({}).collect()}
    for registry in (Metrics()._registry, ScalerMetrics()._registry):
        for name, collector in registry._names_to_collectors.items():
            found[name] = set(getattr(collector, "_labelnames", ()))
    return found


def questions() -> Iterator[tuple[str, str]]:
    """Every question, with where it stands."""
    for alert in ALERTS:
        yield alert.name, alert.expression
    for name, board in DASHBOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{name}: {variable['name']}", variable["query"]["query"]


def plan_of(*names: str, price: float | None = None) -> Plan:
    """A platform with endpoints of these names."""
    nodes = {} if price is None else {"a10g.1": {"dollars_per_hour": price}}
    stack = Stack.model_validate({"backend": "kubernetes", "domain": "models.example.com", "nodes": nodes})
    endpoints = [{"name": name, "image": "a/b:1", "hardware": "a10g.1"} for name in names]
    return planned({"account": "acme", "endpoints": endpoints}, stack)


def test_every_metric_that_is_asked_for_is_told_with_the_labels_asked_for() -> None:
    """A misspelt one answers nothing, for ever and in silence."""
    known = labels_by_metric()

    used = [
        (name, set(re.findall(r'(\w+)(?:=|!=|=~)"', matchers)), place)
        for place, text in questions()
        for name, matchers in re.findall(r"\b(moorage_\w+)\{([^}]*)\}", text)
    ]

    assert len(used) > 60
    assert {(name, place) for name, _, place in used if name not in known} == set()
    assert {(n, place) for n, labels, place in used if not labels <= known[n] | SCRAPE_LABELS} == set()


def test_every_label_that_is_grouped_by_is_one_of_what_is_told() -> None:
    """A label that is not there groups everything into one."""
    known = set().union(*labels_by_metric().values(), SCRAPE_LABELS, EXPORTER_LABELS)

    grouped = {
        label for _, text in questions() for label in re.findall(r"\w+", " ".join(GROUPED.findall(text)))
    }

    assert grouped - known == set()


def test_every_metric_is_asked_for_in_the_platforms_own_namespace() -> None:
    """Two platforms in one cluster have endpoints of the same names."""
    bare = [
        (name, place)
        for place, text in questions()
        for name, matchers in re.findall(r"\b(moorage[_:][\w:]+)(\{[^}]*\}|)", text)
        if f'namespace="{NAMESPACE}"' not in matchers
    ]

    assert bare == []


def test_every_metric_of_the_platform_is_looked_at() -> None:
    """What nobody looks at need not be told; these two are for a debugger."""
    text = "\n".join(text for _, text in questions())

    families = {re.sub(r"_(bucket|sum|count|total|created)$", "", name) for name in labels_by_metric()}
    unseen = {name for name in families if name not in text}

    assert unseen == {
        "moorage_cold_starts",
        "moorage_in_flight_requests",
        "moorage_port_requests",
        "moorage_queue_waiting_bytes",
        "moorage_replicas_desired",
        "moorage_request_seconds",
        "moorage_scaler_decisions",
        "moorage_scaler_wake_seconds",
    }


def test_every_kind_of_cause_is_alerted_or_a_start() -> None:
    """A new kind of cause is put into one of the four."""
    groups = (queries.BROKEN_MODEL, queries.NO_NODE, queries.IN_THE_WAY, queries.STARTING)

    assert sorted(kind for group in groups for kind in group) == sorted(Kind)


def test_every_refusal_that_is_counted_is_one_of_the_gateways() -> None:
    """And none is both a fault and a want of room."""
    errors: list[type[GatewayError]] = [GatewayError, *GatewayError.__subclasses__()]
    codes = {error.code for error in errors}

    assert {*queries.FAULTS, *queries.FULL} <= codes
    assert not {*queries.FAULTS} & {*queries.FULL}


def test_recorded_names_are_those_that_are_asked_for() -> None:
    """What the plan knows of endpoints is recorded for every one of them."""
    asked = {name for _, text in questions() for name in re.findall(r"\bmoorage:[\w:]+", text)}
    plan = plan_of("embed", price=1.25)
    rules = plan_rules(NAMESPACE, ALERTS, plan.endpoints)

    recorded = {rule["record"] for rule in rules[1].groups[0]["rules"]}

    assert asked == recorded == {*queries.RECORDED}


def test_thresholds_are_the_endpoints_own_limits() -> None:
    """As they stand in its record."""
    (endpoint,) = plan_of("embed", price=1.25).endpoints

    rules = plan_rules(NAMESPACE, (), [endpoint])[1].groups[0]["rules"]

    told = {rule["record"]: rule["expr"] for rule in rules}
    assert told[queries.QUEUE_LIMIT] == f"vector({endpoint.record.limits.queue_seconds})"
    assert told[queries.DOLLARS] == "vector(1.25)"
    assert all(rule["labels"] == {"endpoint": "embed", "namespace": NAMESPACE} for rule in rules)


def test_an_endpoint_more_changes_no_other_rules() -> None:
    """Nor the alerts: an edit of one endpoint touches what is its own."""
    fewer = plan_rules(NAMESPACE, ALERTS, plan_of("embed").endpoints)
    more = plan_rules(NAMESPACE, ALERTS, plan_of("embed", "rerank").endpoints)

    assert [rule for rule in more if rule in fewer] == list(fewer)
    assert [rule.endpoint for rule in more if rule not in fewer] == ["rerank"]


def test_rules_say_the_same_to_the_operator_and_in_a_file() -> None:
    """The file is for a Prometheus without the operator's kinds."""
    for plan in plan_rules(NAMESPACE, ALERTS, plan_of("embed").endpoints):
        (text,) = rule_file(plan, NAMESPACE)["data"].values()

        assert json.loads(text) == rule_manifest(plan, NAMESPACE)["spec"]


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_alert_says_how_bad_it_is_and_what_to_do(alert: Alert) -> None:
    """Its runbook is a heading of that name."""
    rule = alert_rule(alert, NAMESPACE)

    link = rule["annotations"]["runbook_url"].partition("#")[2]
    assert f"\n### {alert.name}\n" in RUNBOOK
    assert link == alert.name.lower()
    assert alert.severity in get_args(Severity)
    assert all(rule["annotations"].values())


def test_runbook_explains_no_alert_that_is_gone() -> None:
    """Each heading of the third level is an alert."""
    assert sorted(re.findall(r"^### (Moorage\w+)$", RUNBOOK, re.MULTILINE)) == [it.name for it in ALERTS]


def test_without_a_budget_and_without_gpu_figures_nobody_alerts_on_them() -> None:
    """All other alerts are there."""
    fewer = plan_alerts(NAMESPACE, has_gpu_figures=False, dollars_per_month=None)

    assert {it.name for it in ALERTS} - {it.name for it in fewer} == {
        "MoorageGpuBroken",
        "MoorageGpuXid",
        "MoorageSpending",
    }


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_lie_side_by_side(board: dict[str, Any]) -> None:
    """None over another, none beyond the grid, each with an id of its own."""
    cells: list[tuple[int, int]] = []
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells += [
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]

    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(cells)) == len(cells)
    assert len(set(ids)) == len(ids)
    assert len(cells) >= COLUMNS * max(y for _, y in cells) * 0.95


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_questions_of_a_panel_have_letters_of_their_own(board: dict[str, Any]) -> None:
    """Grafana keeps one answer a letter."""
    for panel in board["panels"]:
        letters = [target["refId"] for target in panel["targets"]]

        assert len(set(letters)) == len(letters) > 0


def test_links_lead_to_the_dashboard_of_one_endpoint() -> None:
    """By its uid and the name of its variable."""
    target = DASHBOARDS["dashboard-endpoint"]

    links = {
        link["url"]
        for panel in DASHBOARDS["dashboard-endpoints"]["panels"]
        for link in panel["fieldConfig"]["defaults"]["links"]
    }

    assert target["uid"] == ONE_ENDPOINT
    assert links == {f"/d/{target['uid']}?var-endpoint=${{__field.labels.endpoint}}"}
    assert "endpoint" in {variable["name"] for variable in target["templating"]["list"]}


def test_dashboards_are_found_by_their_label_and_told_apart() -> None:
    """One file name each: the sidecar puts all into one folder."""
    plans = plan_dashboards(NAMESPACE, ENDPOINT_NAMESPACES)
    manifests = [dashboard_manifest(plan, NAMESPACE) for plan in plans]

    files = [name for manifest in manifests for name in manifest["data"]]
    assert all(manifest["metadata"]["labels"][LABEL[0]] == LABEL[1] for manifest in manifests)
    assert len(set(files)) == len(files) == len({board["uid"] for board in DASHBOARDS.values()})


def test_what_is_scraped_has_a_port_of_that_name_and_lets_the_scraper_in() -> None:
    """On exactly the pods that the monitor selects."""
    plan = plan_of("embed")
    deployments = {"gateway": gateway.gateway_deployment(plan), "scaler": scaler.deployment(plan)}
    policies = namespaces.policies(plan.namespaces[0], plan.network)
    home = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}

    for component, port_name, job in SCRAPED:
        monitor = pod_monitors(NAMESPACE)[component]["spec"]
        template = deployments[component]["spec"]["template"]
        ports = {it["name"]: it["containerPort"] for it in template["spec"]["containers"][0]["ports"]}
        rules = policies[component]["spec"]["ingress"]

        (endpoint,) = monitor["podMetricsEndpoints"]
        assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert endpoint["port"] == port_name
        assert {"action": "replace", "replacement": job, "targetLabel": "job"} in endpoint["relabelings"]
        assert any(
            home in rule.get("from", ()) and {"port": ports[port_name], "protocol": "TCP"} in rule["ports"]
            for rule in rules
        )


def test_operators_own_label_does_not_hide_ours() -> None:
    """It calls the port `endpoint`, and ours would become `exported_endpoint`."""
    for monitor in pod_monitors(NAMESPACE).values():
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

        assert {"action": "labeldrop", "regex": "endpoint"} in endpoint["relabelings"]


@pytest.mark.slow
def test_every_question_is_well_formed() -> None:
    """As Prometheus' own grammar has it."""
    parser = pytest.importorskip("promql_parser")

    for place, text in questions():
        if not text.startswith("label_values("):
            assert parser.parse(text.replace(RATE, "5m")), place
