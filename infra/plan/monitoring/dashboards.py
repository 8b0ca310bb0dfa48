"""The dashboards: all endpoints, one of them, and the GPUs."""

import json
from dataclasses import dataclass

from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.plan.monitoring import queries
from infra.plan.monitoring.alerts import FAILED_SHARE, QUEUE_SHARE, START_SHARE
from infra.plan.monitoring.panels import RATE, Json, Panel, Variable, dashboard, lay_out
from infra.plan.monitoring.rules import COMPONENT

LABEL = ("grafana_dashboard", "1")
"""By which Grafana's sidecar finds a dashboard. Source: values.yaml of kube-prometheus-stack 88.5.3."""
ONE_ENDPOINT = "moorage-endpoint"
TO_ENDPOINT = ("This endpoint", f"/d/{ONE_ENDPOINT}?var-endpoint=${{__field.labels.endpoint}}")
CHOSEN = 'endpoint="$endpoint"'
POD_SUFFIX = "[a-z0-9]+-[a-z0-9]+"
"""What Kubernetes puts behind an endpoint's name in the names of its pods."""
LOW, TALL = 4, 8
"""Heights of a row of figures and of a row of graphs, in grid units."""


@dataclass(frozen=True, slots=True)
class DashboardPlan:
    """One dashboard in its ConfigMap."""

    name: str
    """Of the resource and the object."""
    text: str
    """The dashboard as JSON."""


def plan_dashboards(namespace: str, endpoint_namespaces: tuple[str, ...]) -> tuple[DashboardPlan, ...]:
    """All of them, sorted by name; none depends on which endpoints there are.

    Args:
        namespace: of the platform, whose figures they show.
        endpoint_namespaces: where replicas live, by whose pods GPUs are told apart.
    """
    found = {
        "dashboard-endpoint": one_endpoint(namespace, endpoint_namespaces),
        "dashboard-endpoints": all_endpoints(namespace),
        "dashboard-gpus": gpus(namespace, endpoint_namespaces),
    }
    return tuple(
        DashboardPlan(name, json.dumps(value, sort_keys=True, indent=1))
        for name, value in sorted(found.items())
    )


def dashboard_manifest(plan: DashboardPlan, namespace: str) -> Manifest:
    """The ConfigMap that Grafana's sidecar takes it from."""
    labels = {**labels_of(COMPONENT), LABEL[0]: LABEL[1]}
    return {
        "metadata": metadata(plan.name, namespace, labels),
        "data": {f"moorage-{plan.name.removeprefix('dashboard-')}.json": plan.text},
    }


def all_endpoints(namespace: str) -> Json:
    """What is asked, what waits, what runs and what fails, an endpoint a line."""
    rows = (
        (LOW, _platform_figures(namespace)),
        (TALL, _waiting_graphs(namespace)),
        (TALL, _request_graphs(namespace)),
        (TALL, _replica_graphs(namespace)),
        (TALL, _cause_graphs(namespace)),
    )
    return dashboard("moorage-endpoints", "Moorage: endpoints", lay_out(rows))


def one_endpoint(namespace: str, endpoint_namespaces: tuple[str, ...]) -> Json:
    """One endpoint against its own limits."""
    rows = (
        (LOW, _figures_of_one(namespace)),
        (TALL, _queue_of_one(namespace)),
        (TALL, _latency_of_one(namespace)),
        (TALL, _requests_of_one(namespace)),
        (TALL, _starts_of_one(namespace, endpoint_namespaces)),
    )
    known = queries.series("moorage_queue_waiting_requests", namespace)
    chosen = Variable("endpoint", f"label_values({known}, endpoint)")
    return dashboard(ONE_ENDPOINT, "Moorage: one endpoint", lay_out(rows), [chosen])


def gpus(namespace: str, endpoint_namespaces: tuple[str, ...]) -> Json:
    """Each GPU's load, memory and health, and whose it is."""
    gpu = "{{Hostname}} {{gpu}} {{modelName}}"
    owned = _owned("DCGM_FI_DEV_GPU_UTIL", endpoint_namespaces)
    used, free = _each("DCGM_FI_DEV_FB_USED"), _each("DCGM_FI_DEV_FB_FREE")
    cost = queries.dollars_an_hour(namespace)
    rows = (
        (
            LOW,
            (
                Panel("GPUs", (("count(DCGM_FI_DEV_GPU_UTIL) or vector(0)", ""),), kind="stat"),
                Panel("GPUs of replicas", ((f"count({owned}) or vector(0)", ""),), kind="stat"),
                Panel("Dollars an hour", ((f"sum({cost}) or vector(0)", ""),), "currencyUSD", "stat"),
            ),
        ),
        (
            TALL,
            (
                Panel("Load", ((_each("DCGM_FI_DEV_GPU_UTIL"), gpu),), "percent"),
                Panel("Memory used", ((f"{used} / ({used} + {free})", gpu),), "percentunit"),
            ),
        ),
        (
            TALL,
            (
                Panel("Load by endpoint", ((f"avg by (endpoint) ({owned})", "{{endpoint}}"),), "percent"),
                Panel(
                    "Tensor cores at work", ((_each("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"), gpu),), "percentunit"
                ),
            ),
        ),
        (
            TALL,
            (
                Panel("Power", ((_each("DCGM_FI_DEV_POWER_USAGE"), gpu),), "watt"),
                Panel("Temperature", ((_each("DCGM_FI_DEV_GPU_TEMP"), gpu),), "celsius"),
                Panel(
                    "Last Xid error",
                    ((_each("DCGM_FI_DEV_XID_ERRORS"), gpu),),
                    description="0: none since the driver was loaded.",
                ),
            ),
        ),
        (TALL, (Panel("Dollars an hour", ((cost, "{{endpoint}}"),), "currencyUSD", is_stacked=True),)),
    )
    return dashboard("moorage-gpus", "Moorage: GPUs", lay_out(rows))


def _each(name: str) -> str:
    """A figure of each GPU, whatever else its labels say."""
    return f"max by (Hostname, gpu, modelName) ({name})"


def _owned(name: str, endpoint_namespaces: tuple[str, ...]) -> str:
    """A figure of the GPUs that replicas hold, with the endpoint, which their pods' names begin with."""
    held = f"{name}{{{queries.matching('namespace', endpoint_namespaces)}}}"
    return f'label_replace({held}, "endpoint", "$1", "pod", "(.+)-{POD_SUFFIX}")'


def _platform_figures(namespace: str) -> tuple[Panel, ...]:
    gateways = queries.series("up", namespace, f'job="{queries.GATEWAY_JOB}"')
    leader = queries.series("moorage_scaler_leader", namespace)
    waiting = queries.seen("moorage_queue_waiting_requests", namespace)
    running = queries.seen("moorage_queue_running_requests", namespace)
    replicas = queries.seen("moorage_replicas", namespace, by="endpoint, state")
    cost = queries.dollars_an_hour(namespace)
    return (
        Panel("Gateways", ((f"sum({gateways}) or vector(0)", ""),), kind="stat", red_below=1),
        Panel("Scalers that lead", ((f"sum({leader}) or vector(0)", ""),), kind="stat", red_below=1),
        Panel("Waiting", ((f"sum({waiting})", ""),), kind="stat"),
        Panel("Running", ((f"sum({running})", ""),), kind="stat"),
        Panel("Replicas", ((f"sum({replicas})", ""),), kind="stat"),
        Panel("Dollars an hour", ((f"sum({cost}) or vector(0)", ""),), "currencyUSD", "stat"),
    )


def _waiting_graphs(namespace: str) -> tuple[Panel, ...]:
    oldest = queries.seen("moorage_queue_oldest_seconds", namespace)
    limit = queries.seen(queries.QUEUE_LIMIT, namespace)
    return (
        _by_endpoint("Waiting requests", queries.seen("moorage_queue_waiting_requests", namespace)),
        _by_endpoint(
            "Longest wait, of limits.queue_seconds",
            f"{oldest} / {limit}",
            "percentunit",
            red_from=QUEUE_SHARE,
        ),
    )


def _request_graphs(namespace: str) -> tuple[Panel, ...]:
    requests = queries.counted("moorage_requests_total", namespace, RATE, 'outcome!="health"')
    share = f"{queries.failed(namespace, '15m')} / {queries.asked(namespace, '15m')}"
    refusals = queries.counted("moorage_refusals_total", namespace, RATE, by="reason")
    return (
        _by_endpoint("Requests a second", requests, "reqps"),
        _by_endpoint("Failed, of a quarter of an hour", share, "percentunit", red_from=FAILED_SHARE),
        Panel("Refusals a second", ((refusals, "{{reason}}"),), "reqps"),
    )


def _replica_graphs(namespace: str) -> tuple[Panel, ...]:
    replicas = queries.seen("moorage_replicas", namespace, by="endpoint, state")
    starts = queries.start_seconds(namespace, "1h")
    return (
        _by_endpoint("Replicas", f"sum by (endpoint) ({replicas})", is_stacked=True),
        _by_endpoint("Mean start of the last hour", starts, "s"),
        _by_endpoint("Dollars an hour", queries.dollars_an_hour(namespace), "currencyUSD", is_stacked=True),
    )


def _cause_graphs(namespace: str) -> tuple[Panel, ...]:
    every = (*queries.BROKEN_MODEL, *queries.NO_NODE, *queries.IN_THE_WAY, *queries.STARTING)
    held = queries.held_up(namespace, every)
    faults = queries.counted("moorage_scaler_api_faults_total", namespace, RATE, by="call, status")
    return (
        Panel("Replicas held up by", ((held, "{{endpoint}}: {{kind}}"),), kind="state-timeline", red_from=1),
        _by_endpoint("Dead letters", queries.seen("moorage_queue_dead_letters", namespace)),
        Panel("Faults of the Kubernetes API", ((faults, "{{call}} {{status}}"),), "reqps"),
    )


def _by_endpoint(
    title: str,
    expression: str,
    unit: str = "short",
    *,
    red_from: float | None = None,
    is_stacked: bool = False,
) -> Panel:
    return Panel(
        title,
        ((expression, "{{endpoint}}"),),
        unit,
        red_from=red_from,
        is_stacked=is_stacked,
        links=(TO_ENDPOINT,),
    )


def _figures_of_one(namespace: str) -> tuple[Panel, ...]:
    oldest = queries.seen("moorage_queue_oldest_seconds", namespace, CHOSEN)
    limit = queries.seen(queries.QUEUE_LIMIT, namespace, CHOSEN)
    held = queries.held_up(namespace, (*queries.BROKEN_MODEL, *queries.NO_NODE, *queries.IN_THE_WAY), CHOSEN)
    return (
        _stat("Waiting", queries.seen("moorage_queue_waiting_requests", namespace, CHOSEN)),
        Panel(
            "Longest wait, of its limit",
            ((f"{oldest} / {limit}", ""),),
            "percentunit",
            "stat",
            red_from=QUEUE_SHARE,
        ),
        _stat("Running", queries.seen("moorage_queue_running_requests", namespace, CHOSEN)),
        _stat("Replicas wanted", queries.led("moorage_scaler_desired", namespace, CHOSEN)),
        Panel("Held up", ((f"count({held}) or vector(0)", ""),), kind="stat", red_from=1),
        Panel(
            "Dead letters",
            ((queries.seen("moorage_queue_dead_letters", namespace, CHOSEN), ""),),
            kind="stat",
            red_from=1,
        ),
    )


def _stat(title: str, expression: str) -> Panel:
    return Panel(title, ((expression, ""),), kind="stat")


def _queue_of_one(namespace: str) -> tuple[Panel, ...]:
    waiting = queries.seen("moorage_queue_waiting_requests", namespace, CHOSEN)
    running = queries.seen("moorage_queue_running_requests", namespace, CHOSEN)
    states = queries.led("moorage_scaler_replicas", namespace, CHOSEN, by="state")
    return (
        Panel(
            "Queue",
            (
                (waiting, "waiting"),
                (running, "running"),
                (queries.seen(queries.WAITING_LIMIT, namespace, CHOSEN), "limits.waiting"),
            ),
        ),
        Panel(
            "Replicas",
            (
                (states, "{{state}}"),
                (queries.led("moorage_scaler_number", namespace, CHOSEN), "number"),
                (queries.seen(queries.MOST_REPLICAS, namespace, CHOSEN), "replicas.max"),
            ),
        ),
    )


def _latency_of_one(namespace: str) -> tuple[Panel, ...]:
    graphs = (
        ("Wait for a replica", "moorage_queue_wait_seconds"),
        ("Run", "moorage_run_seconds"),
        ("Until the first byte", "moorage_answer_wait_seconds"),
    )
    return tuple(
        Panel(
            title,
            tuple(
                (queries.quantile(share, name, namespace, RATE, CHOSEN), f"{share:.0%}")
                for share in (0.5, 0.95, 0.99)
            ),
            "s",
            description="Of sync requests.",
        )
        for title, name in graphs
    )


def _requests_of_one(namespace: str) -> tuple[Panel, ...]:
    ends = queries.counted("moorage_requests_total", namespace, RATE, CHOSEN, by="outcome")
    refusals = queries.counted("moorage_refusals_total", namespace, RATE, CHOSEN, by="reason")
    name = "moorage_wait_estimate_error_seconds"
    error = (
        f"{queries.grown(f'{name}_sum', namespace, '1h', CHOSEN)}"
        f" / {queries.grown(f'{name}_count', namespace, '1h', CHOSEN)}"
    )
    return (
        Panel("Requests a second, by how they ended", ((ends, "{{outcome}}"),), "reqps", is_stacked=True),
        Panel("Refusals a second", ((refusals, "{{reason}}"),), "reqps"),
        Panel(
            "Told wait less the real one",
            ((error, "mean of an hour"),),
            "s",
            description="Above zero: callers were told too long a wait.",
            is_signed=True,
        ),
    )


def _starts_of_one(namespace: str, endpoint_namespaces: tuple[str, ...]) -> tuple[Panel, ...]:
    limit = queries.seen(queries.START_LIMIT, namespace, CHOSEN)
    every = (*queries.BROKEN_MODEL, *queries.NO_NODE, *queries.IN_THE_WAY, *queries.STARTING)
    pods = f'pod=~"$endpoint-{POD_SUFFIX}"'
    load = f"DCGM_FI_DEV_GPU_UTIL{{{queries.matching('namespace', endpoint_namespaces)},{pods}}}"
    return (
        Panel(
            "Start of a replica",
            (
                (queries.start_seconds(namespace, "1h", CHOSEN), "mean of an hour"),
                (f"{START_SHARE} * {limit}", "alert"),
                (limit, "limits.start_seconds"),
            ),
            "s",
        ),
        Panel(
            "Held up by",
            ((queries.held_up(namespace, every, CHOSEN), "{{kind}}"),),
            kind="state-timeline",
            red_from=1,
        ),
        Panel("Load of its GPUs", ((load, "{{pod}} {{gpu}}"),), "percent"),
    )
