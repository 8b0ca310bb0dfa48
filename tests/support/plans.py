"""Made-up projects and stacks of every shape, and all that a plan of them puts into a cluster."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from infra.plan.manifests import access, gateway, namespaces, queue, replicas, scaler, sql
from infra.plan.manifests.parts import Manifest
from infra.plan.planner import plan_platform
from infra.plan.records import python_folders
from infra.plan.values import Plan, Specs, SqliteDisk
from infra.spec.load import load
from infra.spec.load_stack import check_settings
from infra.spec.stack import Stack

Values = dict[str, Any]
LONG = "a" + "-long" * 11
NAMES = st.sampled_from(["a", "a-b", "b", "api", "all", "gateway", "queue", "vault-x", LONG, LONG[:-1]])
INNER_NAMES = st.sampled_from(["a", "b", "b-c", "c", "cache", "x" * 63, "x" * 62 + "y"])
HARDWARE = st.sampled_from(["cpu", "a10g.1", "a10g.1-large", "a100.1", "h200-block.8"])
SECONDS = st.sampled_from([1, 60, 600, 3000, 86_400])
SECRETS = ["db", "pw", "x" * 63]


def _endpoint(draw: st.DrawFn, name: str) -> Values:
    """One endpoint; what is drawn together is right together."""
    most = draw(st.integers(1, 5))
    own: Values = {
        "name": name,
        "hardware": draw(HARDWARE),
        "port": draw(st.sampled_from([80, 8080, 18_480, 18_481])),
        "replicas": {"min": draw(st.integers(0, most)), "max": most},
        "timeout": draw(st.sampled_from([0, 300])),
        "limits": {
            "queue_seconds": draw(SECONDS),
            "request_seconds": draw(SECONDS),
            "start_seconds": draw(st.sampled_from([1, 299, 7200])),
        },
        "access": draw(st.sampled_from(["private", "public"])),
        "ingress": draw(st.sampled_from(["private", "public"])),
        "security": draw(st.sampled_from(["baseline", "restricted"])),
        "egress": draw(st.sampled_from(["internet", "none"])),
        "secrets": draw(st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(SECRETS), max_size=2)),
        "volumes": dict.fromkeys(draw(st.sets(INNER_NAMES, max_size=3)), "5Gi"),
    }
    if draw(st.booleans()):
        own["python"] = draw(st.sampled_from(["code/a", "code-a", "Code/a", "é/ü"]))
    else:
        own["image"] = "ghcr.io/acme/any:1"
        own |= {"registry": "ghcr"} if draw(st.booleans()) else {}
    if not own["volumes"]:
        own["rollout"] = draw(st.sampled_from(["surge", "in-place"]))
    return own


@st.composite
def projects(draw: st.DrawFn) -> Values:
    """An endpoints.yaml of one to four endpoints, as values."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return {
        "account": "acme",
        "registries": {"ghcr": {"server": "ghcr.io", "username": "bot", "password": {"secret": "pw"}}},
        "secrets": {name: {} for name in SECRETS},
        "tokens": {"ci": {"rate": "60/min"}},
        "endpoints": [_endpoint(draw, name) for name in names],
    }


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """A stack in which any of those projects runs."""
    ingress_class = {"class_name": "any", "controller": draw(st.sampled_from(["traefik", "nginx", "other"]))}
    secrets = draw(st.sampled_from(["pulumi", "external", "present"]))
    drawn: Values = {
        "backend": "kubernetes",
        "domain": "models.example.com",
        "namespace": draw(st.sampled_from(["moorage", "n" * 52])),
        "images": {"registry": "ghcr.io/acme", "build": draw(st.booleans())},
        "scaler": draw(st.sampled_from(["own", "keda"])),
        "ingress": {
            "public": ingress_class,
            "hosts": draw(st.sampled_from(["wildcard", "each"])),
            **draw(st.sampled_from([{}, {"private": ingress_class}])),
            **draw(st.sampled_from([{}, {"tls": {"issuer": "any"}}, {"tls": {"secret": "any"}}])),
        },
        "storage": {"shared_class": "shared"},
        "secrets": secrets,
        **({"secret_store": {"name": "vault"}} if secrets == "external" else {}),
        **draw(st.sampled_from([{}, {"objects": {"bucket": "acme", "secret": "objects"}}])),
        **draw(st.sampled_from([{}, {"api": {"disk": "1Gi"}}])),
    }
    settings, findings = check_settings(_tuples(drawn))
    assert settings is not None, findings
    return settings


def specs_of(values: Values) -> Specs:
    """The project, read as from its file."""
    spec = load(json.dumps(values), "endpoints.yaml", {})
    contents = {folder: hashlib.sha256(folder.encode()).hexdigest() for folder in python_folders(spec)}
    return Specs(spec, {}, contents, runtime="1" * 64, runner="2" * 64)


def planned(values: Values, stack: Stack) -> Plan:
    """The plan of a project in a stack."""
    return plan_platform(specs_of(values), stack, "prod")


def every_object(plan: Plan) -> Iterator[tuple[str, Manifest]]:
    """Kind and manifest of all that the components register for a plan."""
    for space in plan.namespaces:
        yield "Namespace", namespaces.namespace(space)
        for policy in namespaces.policies(space, plan.network).values():
            yield "NetworkPolicy", policy
        if not space.is_platform:
            yield "ServiceAccount", namespaces.replica_account(space)
    yield from _platform(plan)
    for ingress in plan.ingresses:
        yield "Ingress", access.ingress(ingress, plan.gateway.namespace)
    yield from _secrets(plan)
    for endpoint in plan.endpoints:
        yield "Deployment", replicas.deployment(endpoint)
        yield "ConfigMap", replicas.record(endpoint)
        yield "Secret", replicas.worker_secret(endpoint)
        yield "PodDisruptionBudget", replicas.budget(endpoint)
        for volume in endpoint.volumes:
            yield "PersistentVolumeClaim", replicas.claim(endpoint, volume)
        if endpoint.is_scaled_by_keda:
            yield "ScaledObject", replicas.scaled_object(endpoint)


def _platform(plan: Plan) -> Iterator[tuple[str, Manifest]]:
    yield "ConfigMap", gateway.account_record(plan)
    yield "Secret", gateway.tokens_secret(plan)
    yield "Deployment", gateway.gateway_deployment(plan)
    yield "Deployment", gateway.api_deployment(plan)
    if isinstance(plan.api.sql, SqliteDisk):
        yield "PersistentVolumeClaim", sql.claim(plan.api, plan.api.sql)
    yield "Deployment", scaler.deployment(plan)
    yield "Service", gateway.gateway_service(plan)
    yield "Service", gateway.api_service(plan)
    yield "Service", scaler.service(plan)
    yield "Service", queue.service(plan.queue)
    yield "StatefulSet", queue.stateful_set(plan.queue)
    yield "ConfigMap", queue.config_map(plan.queue)
    yield "Secret", queue.secret(plan.queue)


def _secrets(plan: Plan) -> Iterator[tuple[str, Manifest]]:
    store = plan.secret_store
    if store is not None:
        yield from (("ExternalSecret", access.external_secret(each, store)) for each in plan.secrets)
        yield from (("ExternalSecret", access.external_login(each, store)) for each in plan.registries)
    elif plan.holds_secrets:
        yield from (("Secret", access.secret(each)) for each in plan.secrets)
        yield from (("Secret", access.login(each)) for each in plan.registries)


def pods(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The pod of a workload."""
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {key: _tuples(item) for key, item in value.items()} if isinstance(value, dict) else value
