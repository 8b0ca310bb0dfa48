"""What a stack file may hold: `stacks/Pulumi.<stack>.yaml`, one file an environment.

Frozen and strict as endpoints.yaml. Each top-level key stands in the file behind `moorage:`, as Pulumi
wants it; a secret's value stands encrypted under `moorage:secrets.<name>` and is never read here.
"""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from infra.spec.forms import Image, Name, SizeText, matching
from infra.spec.model import Part
from infra.spec.stack_aws import Aws

LABEL_KEY = r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
DOMAIN = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?){1,8}"
OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
CIDR = rf"{OCTET}(?:\.{OCTET}){{3}}/(?:3[0-2]|[12]?[0-9])"
REPOSITORY = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"

Domain = Annotated[
    str,
    *matching(DOMAIN, "domain-form", "is not a domain.", "Write it without https://, as models.example.com."),
]
Cpu = Annotated[
    str,
    *matching(
        r"[1-9][0-9]{0,5}m|[1-9][0-9]{0,2}(?:\.[0-9])?",
        "cpu-form",
        "is not a share of CPUs.",
        'Write cores or thousandths in quotes: "2" or "500m".',
    ),
]
Memory = Annotated[
    str,
    *matching(r"[1-9][0-9]{0,5}(?:Mi|Gi)", "memory-form", "is not a size of memory.", "Write 512Mi or 2Gi."),
]
LabelKey = Annotated[
    str, *matching(LABEL_KEY, "label-form", "is not a label.", "Write it as nvidia.com/gpu.product.")
]
LabelValue = Annotated[
    str,
    *matching(LABEL_VALUE, "label-form", "is not a label's value.", "Write up to 63 letters, digits, - _ ."),
]
Cidr = Annotated[str, *matching(CIDR, "cidr-form", "is not a range of addresses.", "Write it as 10.0.0.0/8.")]
Repository = Annotated[
    str,
    *matching(
        REPOSITORY,
        "repository-form",
        "is not where images can be pushed.",
        "Write host and path without https:// and tag, as ghcr.io/acme.",
    ),
]
Url = Annotated[
    str,
    *matching(
        r"https?://[A-Za-z0-9._-]+(?::[0-9]{1,5})?(?:/[!-~]*)?",
        "url-form",
        "is not an address.",
        "Write it as https://s3.example.com.",
    ),
]
Context = Annotated[str, Field(min_length=1, max_length=253), WithJsonSchema({"type": "string"})]

PRIVATE_RANGES = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""What `egress: internet` does not reach. Sources: RFC 1918, RFC 3927, RFC 6598."""


class Images(Part):
    """Where the images of platform and `python:` endpoints come from."""

    registry: Repository | None = Field(default=None, examples=["ghcr.io/acme"])
    """Where images are pushed and pulled; each is tagged with the hash of all that it is made from."""
    build: bool = Field(default=True, examples=["false"])
    """Whether `pulumi up` builds and pushes them; false where CI has done so, under the same tags."""
    runtime: Image | None = Field(default=None, examples=["ghcr.io/acme/moorage:0.1.0"])
    """The platform's own image, instead of one in `registry`."""
    services: dict[str, Image] = Field(default={}, examples=["{sentiment: ghcr.io/acme/sentiment:3}"])
    """Image of a `python:` endpoint by the endpoint's name, instead of one in `registry`."""
    pull_secret: Name | None = Field(default=None, examples=["registry-login"])
    """A Secret (dockerconfigjson) that is there in every namespace of the platform, to pull its images with."""


class Sizes(Part):
    """CPU and memory of one pod."""

    cpu: Cpu = Field(default="250m", examples=['"500m"'])
    """CPU that is kept for it; it may use four times as much."""
    memory: Memory = Field(default="512Mi", examples=["512Mi"])
    """Memory, both kept for it and the most it may use."""


class GatewaySizes(Sizes):
    """The gateway's pods."""

    cpu: Cpu = Field(default="500m", examples=['"1"'])
    """CPU that is kept for each; it may use four times as much."""
    memory: Memory = Field(default="1Gi", examples=["2Gi"])
    """Memory of each, both kept and the most; half of it is for bodies that are being read."""
    min: int = Field(default=2, ge=2, le=100, examples=["2"])
    """Fewest pods, 2 to 100: one may always be gone."""
    max: int = Field(default=10, ge=2, le=100, examples=["20"])
    """Most pods, 2 to 100, reached as CPU is used."""


class ApiSizes(Sizes):
    """The platform API's pods."""

    disk: SizeText | None = Field(default=None, examples=["1Gi"])
    """Disk on which it keeps usage in SQLite, as 1Gi; it is then one pod. Without the key it keeps none; with
    `backend: aws` the default is 1Gi, or none beside `aws.database`."""


class QueueSizes(Part):
    """The Valkey server that holds every request."""

    cpu: Cpu = Field(default="500m", examples=['"1"'])
    """CPU that is kept for it; it may use four times as much."""
    memory: Memory = Field(default="2Gi", examples=["8Gi"])
    """Memory of its pod; three quarters of it hold requests, a full queue answers 503."""
    disk: SizeText = Field(default=20, examples=["50Gi"])
    """Disk of its journal, as 20Gi."""
    fsync: Literal["always", "everysec"] = Field(default="always", examples=["everysec"])
    """`always`: what was accepted outlives a node; `everysec` is quicker and may lose its last second."""
    image: Image = Field(default="docker.io/valkey/valkey:9.1.2", examples=["docker.io/valkey/valkey:9.1.2"])
    """Image of the server."""


class WorkerSizes(Part):
    """The sidecar beside each model."""

    cpu: Cpu = Field(default="100m", examples=['"100m"'])
    """CPU that is kept for it; it may use ten times as much."""
    memory: Memory = Field(default="256Mi", examples=["256Mi"])
    """Memory, both kept for it and the most it may use."""


class Toleration(Part):
    """A taint of nodes that replicas put up with."""

    key: LabelKey = Field(examples=["nvidia.com/gpu"])
    """The taint's key."""
    value: LabelValue | None = Field(default=None, examples=['"true"'])
    """The taint's value; without the key any."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        default="NoSchedule", examples=["NoSchedule"]
    )
    """The taint's effect."""


class Nodes(Part):
    """The nodes of one name of the hardware catalogue, as this cluster has them."""

    selector: dict[LabelKey, LabelValue] | None = Field(
        default=None, examples=["{nvidia.com/gpu.product: NVIDIA-A10G}"]
    )
    """Labels of the nodes; default: the GPU's name as NVIDIA's feature discovery writes it, none for `cpu`."""
    tolerations: tuple[Toleration, ...] | None = Field(default=None, examples=["[{key: nvidia.com/gpu}]"])
    """Taints of the nodes; default: `nvidia.com/gpu` for GPUs, none for `cpu`."""
    cpu: Cpu | None = Field(default=None, examples=['"3500m"'])
    """CPU of one replica; default: nine tenths of its share of the catalogue's instance."""
    memory: Memory | None = Field(default=None, examples=["13Gi"])
    """Memory of one replica; default: eight tenths of its share of the catalogue's instance."""
    dollars_per_hour: Annotated[float, Field(ge=0, le=10_000)] | None = Field(default=None, examples=["0.75"])
    """What one replica costs an hour here, in dollars; default: the catalogue's price on AWS."""
    runtime_class: Name | None = Field(default=None, examples=["nvidia"])
    """RuntimeClass of the pods, where GPUs need one."""


class IngressClass(Part):
    """One ingress controller."""

    class_name: Name = Field(examples=["traefik"])
    """Name of its IngressClass."""
    controller: Literal["traefik", "nginx", "other"] = Field(default="other", examples=["traefik"])
    """What it is, so that its time-outs and sizes are rendered; of `other` you set them yourself."""
    annotations: dict[LabelKey, str] = Field(default={}, examples=['{example.com/waf: "on"}'])
    """Annotations that each of its Ingresses gets besides."""


class Tls(Part):
    """Where certificates come from: a Secret that is there, or an issuer of cert-manager."""

    secret: Name | None = Field(default=None, examples=["wildcard-tls"])
    """A TLS Secret in the platform's namespace, for `*.<domain>`."""
    issuer: Name | None = Field(default=None, examples=["letsencrypt"])
    """A ClusterIssuer of cert-manager."""


class Ingress(Part):
    """How clients come in."""

    public: IngressClass | None = Field(default=None, examples=["{class_name: traefik, controller: traefik}"])
    """For endpoints with `ingress: public`, and for the platform's own host."""
    private: IngressClass | None = Field(default=None, examples=["{class_name: internal}"])
    """For all endpoints, from inside the network only."""
    hosts: Literal["wildcard", "each"] = Field(default="wildcard", examples=["each"])
    """`wildcard`: one rule for `*.<domain>`; `each`: one Ingress an endpoint, where DNS is made from those."""
    tls: Tls | None = Field(default=None, examples=["{issuer: letsencrypt}"])
    """Certificates; without the key TLS ends before the controller, or nowhere."""


class Network(Part):
    """What the network policies know of the cluster."""

    private_cidrs: tuple[Cidr, ...] = Field(default=PRIVATE_RANGES, examples=["[10.0.0.0/8]"])
    """Ranges that models with `egress: internet` do not reach."""
    scraper_namespace: Name = Field(default="monitoring", examples=["monitoring"])
    """Namespace from which metrics are read."""
    keda_namespace: Name = Field(default="keda", examples=["keda"])
    """Namespace of KEDA's operator, with `scaler: keda`."""


class Storage(Part):
    """StorageClasses; without a key the cluster's default."""

    disk_class: Name | None = Field(default=None, examples=["gp3"])
    """For disks of one pod (ReadWriteOnce)."""
    shared_class: Name | None = Field(default=None, examples=["efs"])
    """For volumes of endpoints with more than one replica (ReadWriteMany)."""


class Objects(Part):
    """Any S3 that keeps bodies and results above 256 KiB; without it they are in the queue's memory."""

    bucket: Annotated[str, Field(min_length=3, max_length=63)] = Field(examples=["acme-moorage"])
    """Name of the bucket; set its lifecycle to delete after 9 days."""
    prefix: Annotated[str, Field(max_length=512)] = Field(default="", examples=["prod/"])
    """Begins the name of each object."""
    endpoint: Url | None = Field(default=None, examples=["https://s3.example.com"])
    """Address of the S3 service; without it AWS."""
    region: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="us-east-1", examples=["eu-central-1"]
    )
    """Region of the bucket."""
    secret: Name | None = Field(default=None, examples=["objects"])
    """A Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in each of the platform's namespaces."""


class SecretStore(Part):
    """The store that External Secrets reads, with `secrets: external`."""

    name: Name = Field(examples=["vault"])
    """Name of the SecretStore or ClusterSecretStore."""
    kind: Literal["ClusterSecretStore", "SecretStore"] = Field(
        default="ClusterSecretStore", examples=["ClusterSecretStore"]
    )
    """Its kind."""
    prefix: Annotated[str, Field(max_length=256)] = Field(default="moorage/", examples=["moorage/prod/"])
    """Begins the name of each entry; the rest is the secret's name in endpoints.yaml."""


Presence = Literal["install", "present"]


class Addons(Part):
    """Software of others in the cluster: `install` it, pinned, or it is `present`.

    In a cluster that the AWS backend makes all that the stack needs is installed.
    """

    nvidia_device_plugin: Presence = Field(default="present", examples=["install"])
    """Tells the cluster of its GPUs."""
    metrics_server: Presence = Field(default="present", examples=["install"])
    """CPU figures for the gateway's autoscaler."""
    cert_manager: Presence = Field(default="present", examples=["install"])
    """Certificates, with `ingress.tls.issuer`."""
    external_secrets: Presence = Field(default="present", examples=["install"])
    """Secrets from a store, with `secrets: external`."""
    keda: Presence = Field(default="present", examples=["install"])
    """KEDA, with `scaler: keda`."""
    traefik: Presence = Field(default="present", examples=["install"])
    """An ingress controller."""
    load_balancer_controller: Presence = Field(default="present", examples=["install"])
    """AWS Load Balancer Controller, with `backend: aws`."""
    cluster_autoscaler: Presence = Field(default="present", examples=["install"])
    """Cluster Autoscaler, with `backend: aws` and `aws.capacity.autoscaler: cluster-autoscaler`."""


class Stack(Part):
    """A whole stack file, right in itself."""

    backend: Literal["aws", "kubernetes"] = Field(examples=["kubernetes"])
    """Where it runs: `kubernetes` is any cluster, `aws` an account in which the cluster is made too."""
    domain: Domain = Field(examples=["models.example.com"])
    """Every URL is `https://<endpoint>-<account>.<domain>`, the platform's own is `api.<domain>`."""
    context: Context | None = Field(default=None, examples=["kind-moorage"])
    """Context of the kubeconfig; without the key the current one."""
    namespace: Annotated[Name, Field(max_length=52)] = Field(default="moorage", examples=["moorage"])
    """Namespace of the platform; endpoints live in `<namespace>-baseline` and `<namespace>-restricted`."""
    images: Images = Field(default=Images(), examples=["{registry: ghcr.io/acme}"])
    """Images of the platform and of `python:` endpoints."""
    gateway: GatewaySizes = Field(default=GatewaySizes(), examples=["{min: 2, max: 10}"])
    """Pods of the gateway."""
    api: ApiSizes = Field(default=ApiSizes(), examples=['{cpu: "250m"}'])
    """Pods of the platform API."""
    queue: QueueSizes = Field(default=QueueSizes(), examples=["{disk: 50Gi}"])
    """The queue's server."""
    worker: WorkerSizes = Field(default=WorkerSizes(), examples=["{memory: 256Mi}"])
    """The sidecar of each replica."""
    scaler: Literal["own", "keda"] = Field(default="own", examples=["keda"])
    """`own`: the platform sets replicas itself; `keda`: through KEDA, with its limits."""
    nodes: dict[str, Nodes] = Field(
        default={}, examples=["{a10g.1: {selector: {nvidia.com/gpu.product: NVIDIA-A10G}}}"]
    )
    """Nodes by name of the hardware catalogue, where they are not as the catalogue says."""
    ingress: Ingress = Field(default=Ingress(), examples=["{public: {class_name: traefik}}"])
    """How clients come in."""
    network: Network = Field(default=Network(), examples=["{scraper_namespace: monitoring}"])
    """What the network policies know of the cluster."""
    storage: Storage = Field(default=Storage(), examples=["{disk_class: gp3}"])
    """StorageClasses."""
    objects: Objects | None = Field(default=None, examples=["{bucket: acme-moorage}"])
    """Where large bodies and results are kept."""
    secrets: Literal["pulumi", "external", "present"] = Field(default="pulumi", examples=["external"])
    """Where values come from: this file, encrypted; a store, by External Secrets; Secrets that are there."""
    secret_store: SecretStore | None = Field(default=None, examples=["{name: vault}"])
    """The store of `secrets: external`."""
    addons: Addons = Field(default=Addons(), examples=["{keda: install}"])
    """Software of others that is installed with it."""
    aws: Aws | None = Field(default=None, examples=['{account: "123456789012", region: eu-central-1}'])
    """The account and all that is made in it, with `backend: aws`."""
    protect: bool = Field(default=True, examples=["true"])
    """Whether what holds data is protected from being deleted by a later `pulumi up`."""

    @property
    def endpoint_namespaces(self) -> tuple[str, str]:
        """Where endpoints live: those with `security: baseline`, then `restricted`."""
        return f"{self.namespace}-baseline", f"{self.namespace}-restricted"

    @property
    def scheme(self) -> Literal["http", "https"]:
        """How clients speak to it."""
        return "https" if self.ingress.tls is not None or self.aws is not None else "http"
