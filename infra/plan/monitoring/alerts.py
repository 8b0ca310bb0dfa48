"""Alerts on the platform and its endpoints, each with a place in the runbook."""

from dataclasses import dataclass
from typing import Any, Literal

from infra.plan.monitoring import queries

RUNBOOK = "docs/monitoring.md"
"""Each alert's name is a heading of it."""
QUEUE_SHARE = 0.75
"""Of `limits.queue_seconds`: who has waited so long will soon be refused, and somebody can still act."""
START_SHARE = 0.8
"""Of `limits.start_seconds`: past all of it kubelet ends the model and begins anew."""
FAILED_SHARE, FEWEST_FAILED = 0.05, 5
HOURS_PER_MONTH = 730
BROKEN_GPU = ("46", "48", "64", "79", "95", "119", "120")
"""Xid errors after which a GPU must be reset or exchanged, here: its node replaced. It stopped, its memory cannot be
corrected or remapped, it fell off the bus, or its own processor is silent.

Sources: docs.nvidia.com/deploy/xid-errors and docs.nvidia.com/health-validation/reference/checks/xid, 2026-11-25."""

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What is wrong, and how it is seen."""

    name: str
    expression: str
    minutes: int
    """How long it has to be so."""
    severity: Severity
    """`critical`: requests are lost or refused now; `warning`: they will be, or money is."""
    summary: str
    description: str


def plan_alerts(namespace: str, *, has_gpu_figures: bool, dollars_per_month: int | None) -> tuple[Alert, ...]:
    """Every alert of a platform, sorted by name; none of them depends on which endpoints there are.

    Args:
        namespace: of the platform.
        has_gpu_figures: whether NVIDIA's exporter is scraped.
        dollars_per_month: the budget; None where there is none.
    """
    found = [
        *_endpoint_alerts(namespace),
        *_request_alerts(namespace),
        *_cause_alerts(namespace),
        *_platform_alerts(namespace),
        *(_gpu_alerts() if has_gpu_figures else ()),
        *(() if dollars_per_month is None else (_spending(namespace, dollars_per_month),)),
    ]
    return tuple(sorted(found, key=lambda alert: alert.name))


def alert_rule(alert: Alert, namespace: str) -> dict[str, Any]:
    """An alert as Prometheus reads it; its namespace lets Alertmanager tell platforms apart."""
    return {
        "alert": alert.name,
        "annotations": {
            "description": alert.description,
            "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
            "summary": alert.summary,
        },
        "expr": alert.expression,
        "for": f"{alert.minutes}m",
        "labels": {"namespace": namespace, "severity": alert.severity},
    }


def _endpoint_alerts(namespace: str) -> tuple[Alert, ...]:
    oldest = queries.seen("moorage_queue_oldest_seconds", namespace)
    start = queries.start_seconds(namespace, "1h")
    return (
        Alert(
            name="MoorageQueueAge",
            expression=f"{oldest} > {QUEUE_SHARE} * {queries.seen(queries.QUEUE_LIMIT, namespace)}",
            minutes=0,
            severity="warning",
            summary="A request to {{ $labels.endpoint }} has waited most of its time",
            description="It waits for {{ $value | humanizeDuration }}; at limits.queue_seconds it is refused.",
        ),
        Alert(
            name="MoorageColdStart",
            expression=f"{start} > {START_SHARE} * {queries.seen(queries.START_LIMIT, namespace)}",
            minutes=0,
            severity="warning",
            summary="Replicas of {{ $labels.endpoint }} start nearly too slowly",
            description="In the last hour they took {{ $value | humanizeDuration }} on average;"
            " at limits.start_seconds a start is given up.",
        ),
        Alert(
            name="MoorageDeadLetters",
            expression=f"{queries.seen('moorage_queue_dead_letters', namespace)} > 0",
            minutes=5,
            severity="warning",
            summary="{{ $labels.endpoint }} has dead letters",
            description="{{ $value }} requests killed the model again and again and are kept.",
        ),
    )


def _request_alerts(namespace: str) -> tuple[Alert, ...]:
    failed, asked = queries.failed(namespace, "15m"), queries.asked(namespace, "15m")
    full = queries.matching("reason", queries.FULL)
    refused = queries.counted("moorage_refusals_total", namespace, "5m", full, by="endpoint, reason")
    return (
        Alert(
            name="MoorageErrorRate",
            expression=f"{failed} / {asked} > {FAILED_SHARE} and {failed} >= {FEWEST_FAILED}",
            minutes=5,
            severity="critical",
            summary="Requests to {{ $labels.endpoint }} fail",
            description="{{ $value | humanizePercentage }} of those of the last quarter of an hour failed"
            " through no fault of their callers.",
        ),
        Alert(
            name="MoorageRefusing",
            expression=f"{refused} > 0",
            minutes=10,
            severity="warning",
            summary="Requests to {{ $labels.endpoint }} are refused for want of room",
            description="{{ $value | humanize }} a second are answered {{ $labels.reason }}.",
        ),
    )


def _cause_alerts(namespace: str) -> tuple[Alert, ...]:
    return (
        Alert(
            name="MoorageCrashLoop",
            expression=queries.held_up(namespace, queries.BROKEN_MODEL),
            minutes=5,
            severity="critical",
            summary="The model of {{ $labels.endpoint }} does not stay up",
            description="Replicas are wanted and the model ends or hangs ({{ $labels.kind }}).",
        ),
        Alert(
            name="MoorageStockOut",
            expression=queries.held_up(namespace, queries.NO_NODE),
            minutes=5,
            severity="critical",
            summary="{{ $labels.endpoint }} gets no node",
            description="Replicas are wanted and no node comes for them ({{ $labels.kind }}).",
        ),
        Alert(
            name="MoorageHeldUp",
            expression=queries.held_up(namespace, queries.IN_THE_WAY),
            minutes=5,
            severity="critical",
            summary="{{ $labels.endpoint }} cannot start replicas",
            description="Replicas are wanted and something is in their way ({{ $labels.kind }}).",
        ),
    )


def _platform_alerts(namespace: str) -> tuple[Alert, ...]:
    gateways = f"{_up(namespace, queries.GATEWAY_JOB)} == 1"
    blind = f"{gateways} unless on (pod) {queries.series('moorage_queue_waiting_requests', namespace)}"
    # Without an endpoint there is no queue to tell of.
    has_endpoints = f"count({queries.series(queries.QUEUE_LIMIT, namespace)}) > 0"
    away = queries.counted("moorage_refusals_total", namespace, "5m", 'reason="queue-unavailable"', by="pod")
    faults = queries.counted("moorage_scaler_api_faults_total", namespace, "10m", by="call, status")
    return (
        Alert(
            name="MoorageQueueUnreachable",
            expression=f"(({blind}) and on () ({has_endpoints})) or ({away} > 0)",
            minutes=2,
            severity="critical",
            summary="Gateways do not reach the queue",
            description="{{ $labels.pod }} does not reach it; requests are answered 503.",
        ),
        Alert(
            name="MoorageGatewayDown",
            expression=f"absent({gateways})",
            minutes=2,
            severity="critical",
            summary="No gateway can be scraped",
            description="No pod of the gateway answers Prometheus; likely none answers clients.",
        ),
        Alert(
            name="MoorageScalerDown",
            expression=f"absent({queries.series('moorage_scaler_leader', namespace)} == 1)",
            minutes=2,
            severity="critical",
            summary="No scaler leads",
            description="Endpoints keep the replicas that they have; those at zero do not wake.",
        ),
        Alert(
            name="MoorageScalerFaults",
            expression=f"{faults} > 0.05",
            minutes=10,
            severity="warning",
            summary="The Kubernetes API refuses the scaler",
            description="{{ $value | humanize }} calls of {{ $labels.call }} a second fail"
            " with status {{ $labels.status }} (0: no answer).",
        ),
    )


def _up(namespace: str, job: str) -> str:
    return queries.series("up", namespace, f'job="{job}"')


def _gpu_alerts() -> tuple[Alert, ...]:
    gpu = "Hostname, gpu, modelName"
    broken = f"DCGM_FI_DEV_XID_ERRORS{{{queries.matching('err_code', BROKEN_GPU)}}}"
    # The exporter says the last one until the driver is loaded anew, under labels that change with it.
    last = f"max by ({gpu}) (DCGM_FI_DEV_XID_ERRORS)"
    return (
        Alert(
            name="MoorageGpuBroken",
            expression=f"max by ({gpu}, err_code, err_msg) ({broken}) > 0",
            minutes=0,
            severity="critical",
            summary="GPU {{ $labels.gpu }} of {{ $labels.Hostname }} is broken",
            description="Xid {{ $labels.err_code }} ({{ $labels.err_msg }}) of a {{ $labels.modelName }}.",
        ),
        Alert(
            name="MoorageGpuXid",
            expression=f"changes({last}[15m:1m]) > 0 and {last} > 0",
            minutes=0,
            severity="warning",
            summary="GPU {{ $labels.gpu }} of {{ $labels.Hostname }} told of an error",
            description="The driver logged another Xid on a {{ $labels.modelName }}.",
        ),
    )


def _spending(namespace: str, dollars_per_month: int) -> Alert:
    hourly = f"sum({queries.dollars_an_hour(namespace)})"
    return Alert(
        name="MoorageSpending",
        expression=f"avg_over_time({hourly}[1d:5m]) * {HOURS_PER_MONTH} > {dollars_per_month}",
        minutes=60,
        severity="warning",
        summary="Replicas alone will cost more than the budget",
        description="At the pace of the last day they cost {{ $value | humanize }} dollars a month;"
        f" the budget is {dollars_per_month}.",
    )
