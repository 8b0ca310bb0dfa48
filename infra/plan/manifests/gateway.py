"""Manifests of gateway and platform API."""

from typing import Any

from infra.plan.manifests.parts import (
    POD_RESTRICTED,
    RESTRICTED,
    Manifest,
    disruption_budget,
    http_probe,
    labels_of,
    lost_node_tolerations,
    metadata,
    object_keys,
    own_resources_of,
    pull_secrets,
    spread,
    variable_from_pod,
    variable_from_secret,
    variables,
)
from infra.plan.manifests.sql import NO_SQL, SqlParts, sql_parts
from infra.plan.values import ApiPlan, GatewayPlan, Plan
from runtime.wire.cluster import ALL_PORT, API_PORT, INNER_PORT, LABEL_RECORD, PUBLIC_PORT, RECORD_KEY

GATEWAY, API = "gateway", "api"
LEAVE_SECONDS = 10
"""How long a pod that ends goes on letting clients in: load balancers learn late that it is gone."""
STOP_SECONDS = 30
CPU_PERCENT = 70
"""Of the CPU that is kept for a gateway: past it there is one more."""
_TOKENS: Manifest = {
    "defaultMode": 292,  # 0444: the Secret holds hashes
    "items": [{"key": "tokens.json", "path": "tokens.json"}],
    "secretName": "tokens",
}
WATCHED = ("get", "list", "watch")


def gateway_deployment(plan: Plan) -> Manifest:
    """The gateway's pods; their number is the autoscaler's."""
    gateway = plan.gateway
    grace = gateway.grace_seconds + LEAVE_SECONDS + STOP_SECONDS
    spec = _deployment_spec(GATEWAY, plan, _gateway_container(gateway), grace)
    return {"metadata": metadata(GATEWAY, gateway.namespace, labels_of(GATEWAY)), "spec": spec}


def api_deployment(plan: Plan, place: Any = None) -> Manifest:
    """The platform API's pods; `place` is of the database in which they keep usage, where the plan has one."""
    api = plan.api
    sql = sql_parts(api.sql, place)
    spec = _deployment_spec(API, plan, _api_container(api, sql), STOP_SECONDS * 2, sql)
    return {
        "metadata": metadata(API, api.namespace, labels_of(API)),
        "spec": {"replicas": api.replicas, **spec},
    }


def gateway_service(plan: Plan) -> Manifest:
    """Both client ports; the inner one is reached by the pods' addresses only."""
    return _service(GATEWAY, plan.gateway.namespace, {"public": PUBLIC_PORT, "all": ALL_PORT})


def api_service(plan: Plan) -> Manifest:
    """Where gateways forward `/v1` to."""
    return _service(API, plan.api.namespace, {"http": API_PORT})


def gateway_autoscaler(plan: Plan) -> Manifest:
    """More gateways as CPU is used; slowly fewer, for each that goes drains first."""
    gateway = plan.gateway
    return {
        "metadata": metadata(GATEWAY, gateway.namespace, labels_of(GATEWAY)),
        "spec": {
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
            "maxReplicas": gateway.max,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": CPU_PERCENT},
                    },
                }
            ],
            "minReplicas": gateway.min,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": GATEWAY},
        },
    }


def budget(component: str, namespace: str) -> Manifest:
    """One pod of a component may go at a time."""
    return disruption_budget(component, namespace, labels_of(component))


def service_account(component: str, namespace: str, *, is_token_needed: bool) -> Manifest:
    """The identity of a component's pods."""
    return {
        "metadata": metadata(component, namespace, labels_of(component)),
        "automountServiceAccountToken": is_token_needed,
    }


def reader_role(component: str, namespace: str) -> Manifest:
    """May read the records, which are ConfigMaps, and nothing else."""
    return {
        "metadata": metadata(component, namespace, labels_of(component)),
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(WATCHED)}],
    }


def role_binding(component: str, namespace: str, owner_namespace: str) -> Manifest:
    """Gives a component the role of its name in a namespace."""
    return {
        "metadata": metadata(component, namespace, labels_of(component)),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": component},
        "subjects": [{"kind": "ServiceAccount", "name": component, "namespace": owner_namespace}],
    }


def account_record(plan: Plan) -> Manifest:
    """The ConfigMap of what all endpoints share."""
    labels = {**labels_of("record"), LABEL_RECORD: "account"}
    return {
        "metadata": metadata("account", plan.gateway.namespace, labels),
        "data": {RECORD_KEY: plan.account.model_dump_json()},
    }


def tokens_secret(plan: Plan) -> Manifest:
    """Metadata of the Secret with the hashes of all tokens; gateways follow its change."""
    return {"metadata": metadata("tokens", plan.gateway.namespace, labels_of(GATEWAY)), "type": "Opaque"}


def _service(component: str, namespace: str, ports: dict[str, int]) -> Manifest:
    return {
        "metadata": metadata(component, namespace, labels_of(component), {"pulumi.com/skipAwait": "true"}),
        "spec": {
            "ports": [
                {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
                for name, port in ports.items()
            ],
            "selector": labels_of(component),
            "type": "ClusterIP",
        },
    }


def _deployment_spec(
    component: str, plan: Plan, container: Manifest, grace_seconds: int, sql: SqlParts = NO_SQL
) -> Manifest:
    labels = labels_of(component)
    return {
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": labels},
        "strategy": dict(sql.strategy),
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [container],
                "enableServiceLinks": False,
                "securityContext": {**POD_RESTRICTED, **sql.security},
                "serviceAccountName": component,
                "terminationGracePeriodSeconds": grace_seconds,
                "tolerations": lost_node_tolerations(),
                "topologySpreadConstraints": spread(labels),
                "volumes": [
                    {"name": "state", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "tokens", "secret": _TOKENS},
                    *sql.volumes,
                ],
                **pull_secrets(plan.pull_secrets),
            },
        },
    }


def _gateway_container(gateway: GatewayPlan) -> Manifest:
    told = (
        *gateway.environment,
        ("MOORAGE_ALL_PORT", str(ALL_PORT)),
        ("MOORAGE_GRACE_SECONDS", str(gateway.grace_seconds)),
        ("MOORAGE_INNER_PORT", str(INNER_PORT)),
        ("MOORAGE_MOST_BODY_MIB", str(gateway.body_mib)),
        ("MOORAGE_PORT", str(PUBLIC_PORT)),
        ("MOORAGE_STATE", "/state"),
    )
    ports = {"public": PUBLIC_PORT, "all": ALL_PORT, "inner": INNER_PORT}
    container = _container(GATEWAY, gateway.image, ports)
    return {
        **container,
        "env": [
            *variables(told),
            variable_from_pod("MOORAGE_INNER_HOST", "status.podIP"),
            variable_from_secret("MOORAGE_QUEUE_URL", "queue", "gateway-url"),
            *object_keys(gateway.objects_secret),
        ],
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "livenessProbe": http_probe("/healthz", INNER_PORT, period=10, failures=6, seconds=5),
        "readinessProbe": http_probe("/healthz", INNER_PORT, period=2, failures=2),
        "resources": own_resources_of(gateway.size),
        "startupProbe": http_probe("/healthz", INNER_PORT, period=1, failures=120),
    }


def _api_container(api: ApiPlan, sql: SqlParts) -> Manifest:
    told = (*api.environment, ("MOORAGE_PORT", str(API_PORT)), ("MOORAGE_STATE", "/state"))
    container = _container(API, api.image, {"http": API_PORT})
    return {
        **container,
        "env": [
            *variables(told),
            variable_from_secret("MOORAGE_QUEUE_URL", "queue", "api-url"),
            *object_keys(api.objects_secret),
            *sql.variables,
        ],
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "livenessProbe": http_probe("/healthz", API_PORT, period=10, failures=6, seconds=5),
        "readinessProbe": http_probe("/healthz", API_PORT, period=2, failures=2),
        "resources": own_resources_of(api.size),
        "startupProbe": http_probe("/healthz", API_PORT, period=1, failures=120),
        "volumeMounts": [*container["volumeMounts"], *sql.mounts],
    }


def _container(component: str, image: str, ports: dict[str, int]) -> Manifest:
    return {
        "name": component,
        "image": image,
        "command": ["python", "-m", f"runtime.{component}"],
        "ports": [{"containerPort": port, "name": name, "protocol": "TCP"} for name, port in ports.items()],
        "securityContext": dict(RESTRICTED),
        "volumeMounts": [
            {"mountPath": "/state", "name": "state"},
            {"mountPath": "/tokens", "name": "tokens", "readOnly": True},
        ],
    }
