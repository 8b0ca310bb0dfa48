"""What a plan consists of: frozen values, complete, sorted by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from infra.spec.model import Spec
from infra.spec.templates import Template
from runtime.wire.records import AccountRecord, EndpointRecord, TemplateRecord

if TYPE_CHECKING:
    from infra.plan.aws.planner import AwsPlan  # it is made of these values


@dataclass(frozen=True, slots=True)
class Records:
    """All that the running platform is told, each list sorted by name."""

    account: AccountRecord
    endpoints: tuple[EndpointRecord, ...]
    templates: tuple[TemplateRecord, ...]


@dataclass(frozen=True, slots=True)
class Specs:
    """A project folder as the plan reads it."""

    spec: Spec
    templates: Mapping[str, Template]
    contents: Mapping[str, str]
    """SHA-256 of the content of each `python:` folder, in hex."""
    runtime: str
    """SHA-256 of all that the platform's own image is made from, in hex."""
    runner: str
    """The same of what the image of a `python:` endpoint holds beside its folder."""


@dataclass(frozen=True, slots=True)
class Size:
    """CPU and memory of one container: what is kept for it and the most it may use."""

    cpu: int
    """Thousandths of a core, kept."""
    cpu_limit: int
    memory_mib: int
    """Kept, and the most: more would be another's."""


@dataclass(frozen=True, slots=True)
class TolerationPlan:
    """A taint that replicas put up with; `value` None takes any."""

    key: str
    value: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class NodeGroupPlan:
    """The nodes of one name of the hardware catalogue, and what one replica takes of them."""

    name: str
    """Of the resource."""
    hardware: str
    selector: tuple[tuple[str, tuple[str, ...]], ...]
    """Node label to the values that count; empty: any node."""
    tolerations: tuple[TolerationPlan, ...]
    runtime_class: str | None
    size: Size
    """Of one model container."""
    gpus: int
    """Of one replica."""
    gpu_model: str
    replicas: int
    """Most replicas of all endpoints on it, together."""
    min_replicas: int
    dollars_per_hour: float | None
    """Of one replica; None where no price is known."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image that `pulumi up` builds and pushes."""

    name: str
    """Of the resource."""
    reference: str
    """With its tag, which is the hash of all that it is made from."""
    dockerfile: str
    folder: str | None
    """Folder of the `python:` endpoint, from the project's; None for the platform's own image."""


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A disk of one endpoint."""

    name: str
    """Of the resource and the claim."""
    volume: str
    """In endpoints.yaml."""
    gib: int
    path: str
    is_shared: bool
    storage_class: str | None


@dataclass(frozen=True, slots=True)
class SecretEnv:
    """An environment variable whose value is a secret."""

    variable: str
    secret: str
    """Name in endpoints.yaml."""
    object_name: str
    """Secret object; its key is `value`."""


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """One endpoint in the cluster."""

    name: str
    namespace: str
    record: EndpointRecord
    record_name: str
    """Of its ConfigMap in the platform's namespace."""
    host: str
    url: str
    image: str
    arguments: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    secret_env: tuple[SecretEnv, ...]
    size: Size
    gpus: int
    nodes: NodeGroupPlan
    worker_size: Size
    worker_image: str
    worker_port: int
    worker_secret: str
    """Secret object with the worker's address of the queue."""
    objects: str
    """What its worker is told of the object store."""
    objects_secret: str | None
    gateway_namespace: str
    grace_seconds: int
    progress_seconds: int
    max_surge: int
    max_unavailable: int
    volumes: tuple[VolumePlan, ...]
    is_restricted: bool
    egress: Literal["internet", "none"]
    is_scaled_by_keda: bool


@dataclass(frozen=True, slots=True)
class IngressPlan:
    """One Ingress: of an endpoint, or of all."""

    name: str
    endpoint: str | None
    """None where it serves several."""
    class_name: str
    hosts: tuple[str, ...]
    port: int
    """The gateway's: public or all."""
    tls_secret: str | None
    annotations: Mapping[str, str]
    seconds: int
    """Longest that a request may take, rendered to what the controller knows."""


@dataclass(frozen=True, slots=True)
class SecretPlan:
    """One secret of endpoints.yaml in one namespace."""

    name: str
    """Of the resource."""
    secret: str
    namespace: str
    object_name: str
    remote: str
    """Entry of the external store."""


@dataclass(frozen=True, slots=True)
class RegistryPlan:
    """One registry's login in one namespace."""

    name: str
    registry: str
    namespace: str
    object_name: str
    server: str
    username: str
    password_secret: str
    remote: str


@dataclass(frozen=True, slots=True)
class NamespacePlan:
    """A namespace with the policies that hold in it."""

    name: str
    level: Literal["baseline", "restricted"]
    is_platform: bool
    labels: tuple[tuple[str, str], ...] = ()
    """Besides its own, sorted."""


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The Valkey server."""

    namespace: str
    image: str
    size: Size
    memory_mib: int
    """What requests may take of it."""
    disk_gib: int
    storage_class: str | None
    fsync: Literal["always", "everysec"]
    address: str
    """Host and port, as other pods reach it."""


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """The gateway's pods."""

    namespace: str
    image: str
    size: Size
    min: int
    max: int
    grace_seconds: int
    environment: tuple[tuple[str, str], ...]
    objects_secret: str | None
    """Secret object with the keys of the object store; None where it needs none."""
    body_mib: int
    """Bodies that one of them reads at a time."""


@dataclass(frozen=True, slots=True)
class SqliteDisk:
    """The disk of the platform API's one pod, on which it keeps usage in SQLite."""

    gib: int
    storage_class: str | None
    """None: the cluster's default."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """The managed PostgreSQL in which the platform API keeps usage; its host and login come with its making."""

    user: str
    database: str
    store: tuple[str, str]
    """Kind and name of External Secrets' store that holds its password."""


@dataclass(frozen=True, slots=True)
class ApiPlan:
    """The platform API's pods."""

    namespace: str
    image: str
    size: Size
    replicas: int
    environment: tuple[tuple[str, str], ...]
    objects_secret: str | None
    sql: SqliteDisk | Postgres | None
    """Where it keeps usage; None: nowhere."""


@dataclass(frozen=True, slots=True)
class ScalerPlan:
    """The scaler's pods and what they may do."""

    namespace: str
    endpoint_namespaces: tuple[str, ...]
    image: str
    size: Size
    replicas: int
    mode: Literal["own", "keda"]
    keeps_queue_users: bool = True
    """Whether it makes the workers' users in the queue; a managed one has them from the plan."""


@dataclass(frozen=True, slots=True)
class ManagedServicePlan:
    """A service outside the cluster that some of its pods reach by private addresses."""

    components: tuple[str, ...]
    """Those who may, sorted: `api`, `gateway`, `replica`, `scaler`."""
    cidrs: tuple[str, ...]
    """Where it may be."""
    port: int


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """Who may reach whom."""

    platform: str
    endpoint_namespaces: tuple[str, ...]
    private_cidrs: tuple[str, ...]
    scraper_namespace: str
    keda_namespace: str | None
    """None where KEDA has no part in it."""
    managed: tuple[ManagedServicePlan, ...] = ()
    """Services outside the cluster, sorted by port."""
    identity_agent: bool = False
    """Whether gateway, API and workers take a cloud's role from the agent on their node."""


@dataclass(frozen=True, slots=True)
class AddonPlan:
    """A Helm release of others' software."""

    name: str
    namespace: str
    chart: str
    repository: str | None
    """None for a chart whose name is its address."""
    version: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """A token that is generated once."""

    name: str
    """In endpoints.yaml, or the owner's."""
    grant: str
    """Its `TokenGrant`, as JSON."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of the plan that its reader should know."""

    code: str
    endpoint: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a stack consists of, each list sorted by name."""

    stack: str
    account: AccountRecord
    domain: str
    context: str | None
    is_protected: bool
    holds_secrets: bool
    """Whether values come from the stack's own configuration."""
    secret_store: tuple[str, str] | None
    """Kind and name of the external store."""
    pull_secrets: tuple[str, ...]
    """Of the platform's own image."""
    namespaces: tuple[NamespacePlan, ...]
    network: NetworkPlan
    queue: QueuePlan
    gateway: GatewayPlan
    api: ApiPlan
    scaler: ScalerPlan
    tokens: tuple[TokenPlan, ...]
    secrets: tuple[SecretPlan, ...]
    registries: tuple[RegistryPlan, ...]
    images: tuple[ImagePlan, ...]
    node_groups: tuple[NodeGroupPlan, ...]
    addons: tuple[AddonPlan, ...]
    ingresses: tuple[IngressPlan, ...]
    endpoints: tuple[EndpointPlan, ...]
    remarks: tuple[Remark, ...]
    aws: "AwsPlan | None" = None
    """The account and all that is made in it; None on any other Kubernetes."""
