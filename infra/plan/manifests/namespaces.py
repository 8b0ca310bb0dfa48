"""Manifests of namespaces and of who may reach whom: nothing, but for the few flows named here."""

from collections.abc import Mapping
from typing import Any

from infra.plan.manifests.parts import COMPONENT_LABEL, Manifest, labels_of, metadata
from infra.plan.values import NamespacePlan, NetworkPlan
from runtime.wire.cluster import (
    ALL_PORT,
    API_PORT,
    INNER_PORT,
    KEDA_PORT,
    LABEL_EGRESS,
    PUBLIC_PORT,
    QUEUE_PORT,
    SCALER_PORT,
)

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Which Kubernetes itself puts on every namespace."""
PRIVATE_V6 = ("fc00::/7", "fe80::/10")
"""Sources: RFC 4193, RFC 4291."""
IDENTITY_AGENT, IDENTITY_PORT = "169.254.170.23/32", 80
"""Where EKS Pod Identity gives credentials. Source: EKS User Guide, "Learn how EKS Pod Identity works", 2026-11."""
IDENTIFIED = frozenset({"api", "gateway", "replica"})
"""Who takes a role: they read or write the object store."""
API_SERVER_PORTS = (443, 6443)
"""Where API servers listen, behind their Service and directly; their addresses are the cluster's affair."""

Rule = dict[str, Any]


def namespace(plan: NamespacePlan) -> Manifest:
    """The namespace under its Pod Security level."""
    prefix = "pod-security.kubernetes.io"
    levels = {f"{prefix}/{mode}": plan.level for mode in ("audit", "enforce", "warn")}
    return {
        "metadata": {"name": plan.name, "labels": {**labels_of("namespace"), **levels, **dict(plan.labels)}}
    }


def replica_account(plan: NamespacePlan) -> Manifest:
    """The identity of replicas: without a token, for a model has no business with the cluster."""
    return {
        "metadata": metadata("replica", plan.name, labels_of("replica")),
        "automountServiceAccountToken": False,
    }


def policies(plan: NamespacePlan, network: NetworkPlan) -> dict[str, Manifest]:
    """The network policies of a namespace, by name."""
    specs = _platform_flows(network) if plan.is_platform else _replica_flows(network)
    return {
        name: {"metadata": metadata(name, plan.name, labels_of("network")), "spec": spec}
        for name, spec in {"deny-all": _deny_all(), **specs}.items()
    }


def _deny_all() -> Manifest:
    return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def _platform_flows(network: NetworkPlan) -> dict[str, Manifest]:
    replicas = [_pods("replica", namespace) for namespace in network.endpoint_namespaces]
    scraper = [_namespace(network.scraper_namespace)]
    keda = [_rule("from", [_namespace(network.keda_namespace)], KEDA_PORT)] if network.keda_namespace else []
    queue, api, gateway = _pods("queue"), _pods("api"), _pods("gateway")
    return {
        "gateway": _flows(
            "gateway",
            [
                _rule("from", None, PUBLIC_PORT, ALL_PORT),
                _rule("from", [*replicas, *scraper], INNER_PORT),
            ],
            [
                _rule("to", [queue], QUEUE_PORT),
                _rule("to", [api], API_PORT),
                _dns(),
                _api_server(),
                *_outside_services("gateway", network),
            ],
        ),
        "api": _flows(
            "api",
            [_rule("from", [gateway, *scraper], API_PORT)],
            [_rule("to", [queue], QUEUE_PORT), _dns(), _api_server(), *_outside_services("api", network)],
        ),
        "scaler": _flows(
            "scaler",
            [_rule("from", scraper, SCALER_PORT), *keda],
            [_rule("to", [queue], QUEUE_PORT), _dns(), _api_server(), *_outside_services("scaler", network)],
        ),
        "queue": _flows("queue", [_rule("from", [gateway, api, _pods("scaler"), *replicas], QUEUE_PORT)], []),
    }


def _replica_flows(network: NetworkPlan) -> dict[str, Manifest]:
    outside = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(network.private_cidrs)}},
        {"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_V6)}},
    ]
    return {
        "replica": _flows(
            "replica",
            [],
            [
                _rule("to", [_pods("queue", network.platform)], QUEUE_PORT),
                _rule("to", [_pods("gateway", network.platform)], INNER_PORT),
                _dns(),
                *_outside_services("replica", network),
            ],
        ),
        "replica-internet": {
            "podSelector": {"matchLabels": {**labels_of("replica"), LABEL_EGRESS: "internet"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": outside}],
        },
    }


def _outside_services(component: str, network: NetworkPlan) -> list[Rule]:
    """What a component reaches of the cloud's own, although private ranges are shut."""
    services = [
        _rule("to", [{"ipBlock": {"cidr": cidr}} for cidr in service.cidrs], service.port)
        for service in network.managed
        if component in service.components
    ]
    if network.identity_agent and component in IDENTIFIED:
        services.append(_rule("to", [{"ipBlock": {"cidr": IDENTITY_AGENT}}], IDENTITY_PORT))
    return services


def _flows(component: str, ingress: list[Rule], egress: list[Rule]) -> Manifest:
    return {
        "podSelector": {"matchLabels": labels_of(component)},
        "policyTypes": ["Ingress", "Egress"],
        **({"ingress": ingress} if ingress else {}),
        **({"egress": egress} if egress else {}),
    }


def _rule(way: str, peers: list[Rule] | None, *ports: int) -> Rule:
    """Peers (None: anybody) on TCP ports."""
    allowed = {} if peers is None else {way: peers}
    return {**allowed, "ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def _pods(component: str, namespace: str | None = None) -> Rule:
    """Pods of a component, of this namespace or of another."""
    own: Mapping[str, Any] = {"podSelector": {"matchLabels": {COMPONENT_LABEL: component}}}
    return {**own} if namespace is None else {**_namespace(namespace), **own}


def _namespace(name: str) -> Rule:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}


def _dns() -> Rule:
    """Names, wherever the cluster's DNS lives: a cache on the node has an address of no pod."""
    return {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}


def _api_server() -> Rule:
    """The API server, and any S3 by HTTPS."""
    return _rule("to", None, *API_SERVER_PORTS)
