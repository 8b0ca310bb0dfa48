"""What the scaler is told by its environment; the only place that reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.parsing import SettingsError, read_port, read_queue_url
from runtime.wire.cluster import KEDA_PORT, LEASE, SCALER_PORT

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom the scaler looks after, and where."""

    queue_url: str
    """`MOORAGE_QUEUE_URL`: the Valkey server, with the scaler's user."""
    namespace: str
    """`MOORAGE_NAMESPACE`: of the records and the lease."""
    endpoint_namespaces: tuple[str, ...]
    """`MOORAGE_ENDPOINT_NAMESPACES`: of the endpoints' Deployments, with commas between."""
    identity: str
    """`MOORAGE_POD`: this scaler's name in the lease."""
    lease: str
    """`MOORAGE_LEASE`: the Lease's name; `scaler` unless given."""
    is_keda: bool
    """`MOORAGE_SCALER`: `own` writes the numbers, `keda` tells them to KEDA; `own` unless given."""
    keda_port: int
    """`MOORAGE_KEDA_PORT`: where KEDA asks; 9090 unless given."""
    host: str
    """`MOORAGE_HOST`: address of both ports; 0.0.0.0 unless given."""
    port: int
    """`MOORAGE_PORT`: `/healthz` and `/metrics`; 8487 unless given, 0 for any free one."""
    worker_key: str
    """`MOORAGE_WORKER_KEY`: master key of the workers' queue passwords; without one no users are kept."""
    keeps_users: bool
    """`MOORAGE_QUEUE_USERS`: `own` keeps the workers' users in the queue, `managed` leaves them to whoever made it;
    `own` unless given."""
    context: str | None
    """`MOORAGE_KUBE_CONTEXT`: outside a cluster, the kubeconfig's context; its current one unless given."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings; an empty variable counts as absent.

        Raises:
            SettingsError: one is missing or wrong.
        """
        given = {name: value for name, value in environment.items() if value}
        return cls(
            queue_url=read_queue_url(given),
            namespace=_named(_required(given, "MOORAGE_NAMESPACE", "Give the platform's namespace")),
            endpoint_namespaces=_namespaces(given),
            identity=_required(given, "MOORAGE_POD", "Give this pod's name"),
            lease=_named(given.get("MOORAGE_LEASE", LEASE)),
            is_keda=_mode(given.get("MOORAGE_SCALER", "own")),
            keda_port=read_port(given, "MOORAGE_KEDA_PORT", KEDA_PORT),
            host=given.get("MOORAGE_HOST", "0.0.0.0"),
            port=read_port(given, "MOORAGE_PORT", SCALER_PORT),
            worker_key=given.get("MOORAGE_WORKER_KEY", ""),
            keeps_users=_keeps_users(given.get("MOORAGE_QUEUE_USERS", "own")),
            context=given.get("MOORAGE_KUBE_CONTEXT"),
        )


def _required(given: Mapping[str, str], name: str, mend: str) -> str:
    if name not in given:
        raise SettingsError(f"{name} is not set. {mend}")
    return given[name]


def _namespaces(given: Mapping[str, str]) -> tuple[str, ...]:
    name = "MOORAGE_ENDPOINT_NAMESPACES"
    text = _required(given, name, "Give the endpoints' namespaces, with commas between")
    found = tuple(dict.fromkeys(_named(part.strip()) for part in text.split(",") if part.strip()))
    if not found:
        raise SettingsError(f"{name}: {text!r} names no namespace. Give one at least")
    return found


def _named(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise SettingsError(f"{text!r} is no name of a Kubernetes object. Use small letters, digits and -")
    return text


def _keeps_users(text: str) -> bool:
    if text not in {"own", "managed"}:
        raise SettingsError(f"MOORAGE_QUEUE_USERS: {text!r} is unknown. Give own or managed")
    return text == "own"


def _mode(text: str) -> bool:
    if text not in {"own", "keda"}:
        raise SettingsError(f"MOORAGE_SCALER: {text!r} is unknown. Give own or keda")
    return text == "keda"
