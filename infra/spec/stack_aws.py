"""What `moorage:aws` of a stack file may hold: an account, and all that the `aws` backend makes in it."""

from typing import Annotated, Literal

from pydantic import Field

from infra.spec.forms import SizeText, matching
from infra.spec.model import Part

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
NETWORK = rf"{OCTET}(?:\.{OCTET}){{3}}/(?:1[6-9]|20)"
ANY_NETWORK = rf"{OCTET}(?:\.{OCTET}){{3}}/(?:3[0-2]|[12]?[0-9])"

AccountId = Annotated[
    str,
    *matching(
        r"[0-9]{12}",
        "account-form",
        "is not an AWS account.",
        'Write its twelve digits in quotes: "123456789012".',
    ),
]
Region = Annotated[
    str,
    *matching(r"[a-z]{2}-[a-z]+-[1-9]", "region-form", "is not an AWS region.", "Write it as eu-central-1."),
]
NetworkCidr = Annotated[
    str,
    *matching(
        NETWORK,
        "cidr-form",
        "is not a range for a VPC.",
        "Write /16 to /20 of private addresses: 10.64.0.0/16.",
    ),
]
AnyCidr = Annotated[
    str, *matching(ANY_NETWORK, "cidr-form", "is not a range of addresses.", "Write it as 203.0.113.0/24.")
]
InstanceType = Annotated[
    str,
    *matching(
        r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "instance-form", "is not an instance type.", "Write it as m7i.large."
    ),
]
CacheNodeType = Annotated[
    str,
    *matching(
        r"cache\.(?:r6g|r7g|m6g|m7g|c7gn)\.[a-z0-9]+",
        "instance-form",
        "keeps no durable log.",
        "Take one of r6g, r7g, m6g, m7g, c7gn, as cache.m7g.large.",
    ),
]
DatabaseClass = Annotated[
    str,
    *matching(
        r"db\.[a-z][a-z0-9-]*\.[a-z0-9]+",
        "instance-form",
        "is not a class of RDS.",
        "Write it as db.t4g.medium.",
    ),
]
Arn = Annotated[
    str,
    *matching(
        r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:[!-~]{1,1000}",
        "arn-form",
        "is not an ARN.",
        "Copy it whole: arn:aws:iam::123456789012:role/admin.",
    ),
]
VpcId = Annotated[
    str, *matching(r"vpc-[0-9a-f]{8,17}", "id-form", "is not a VPC.", "Copy its id: vpc-0123456789abcdef0.")
]
SubnetId = Annotated[
    str,
    *matching(
        r"subnet-[0-9a-f]{8,17}", "id-form", "is not a subnet.", "Copy its id: subnet-0123456789abcdef0."
    ),
]
SecurityGroupId = Annotated[
    str,
    *matching(
        r"sg-[0-9a-f]{8,17}", "id-form", "is not a security group.", "Copy its id: sg-0123456789abcdef0."
    ),
]
SnapshotId = Annotated[
    str,
    *matching(
        r"snap-[0-9a-f]{8,17}", "id-form", "is not a snapshot.", "Copy its id: snap-0123456789abcdef0."
    ),
]
ReservationId = Annotated[
    str,
    *matching(
        r"cr-[0-9a-f]{8,17}", "id-form", "is no capacity reservation.", "Copy its id: cr-0123456789abcdef0."
    ),
]
ZoneId = Annotated[
    str,
    *matching(r"Z[A-Z0-9]{4,31}", "id-form", "is not a hosted zone.", "Copy its id: Z0123456789ABCDEFGHIJ."),
]
Mail = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[a-z]{2,}",
        "mail-form",
        "is no address.",
        "Write it as ops@example.com.",
    ),
]
TagText = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9 _.:/=+@-]{1,128}",
        "tag-form",
        "is no tag.",
        "Use letters, digits, spaces and _ . : / = + - @.",
    ),
]
Zone = Literal["a", "b", "c", "d", "e", "f"]
Days = Annotated[int, Field(ge=1, le=3653)]


class ExistingNetwork(Part):
    """A VPC that is there; nothing in it is changed but for what the load balancer controller tags."""

    vpc: VpcId = Field(examples=["vpc-0123456789abcdef0"])
    """Its id."""
    cidr: AnyCidr = Field(examples=["10.0.0.0/16"])
    """Its range of addresses: who may reach databases, and what models may not."""
    private_subnets: Annotated[tuple[SubnetId, ...], Field(min_length=2, max_length=6)] = Field(
        examples=["[subnet-0123456789abcdef0, subnet-0123456789abcdef1]"]
    )
    """Subnets of the nodes, one a zone and of two zones or more, with a way out to the internet."""
    public_subnets: Annotated[tuple[SubnetId, ...], Field(max_length=6)] = Field(
        default=(), examples=["[subnet-0123456789abcdef2, subnet-0123456789abcdef3]"]
    )
    """Subnets of the public load balancer; needed where an endpoint is public."""


class AwsNetwork(Part):
    """The VPC: one of its own, or one that is there."""

    cidr: NetworkCidr = Field(default="10.64.0.0/16", examples=["10.64.0.0/16"])
    """Its addresses, /16 to /20; each zone gets a public, a private and an intra subnet of them."""
    zones: Annotated[tuple[Zone, ...], Field(min_length=2, max_length=6)] = Field(
        default=("a", "b"), examples=["[a, b, c]"]
    )
    """Letters of the availability zones; GPUs are not in every zone of a region."""
    nat: Literal["one", "zone"] = Field(default="one", examples=["zone"])
    """NAT gateways: `one` for all zones, or one a `zone`, so that the loss of a zone is that zone's only."""
    interface_endpoints: bool = Field(default=False, examples=["true"])
    """Whether ECR, STS and Secrets Manager are reached inside the VPC; S3 always is, for it costs nothing."""
    flow_log_days: Days | None = Field(default=None, examples=["90"])
    """How long accepted and refused connections are kept, in days; without the key they are not logged."""
    existing: ExistingNetwork | None = Field(
        default=None,
        examples=[
            (
                "{vpc: vpc-0123456789abcdef0, cidr: 10.0.0.0/16, private_subnets: [subnet-0123456789abcdef0,"
                " subnet-0123456789abcdef1]}"
            )
        ],
    )
    """A VPC that is there, instead of one of its own; the other keys of `network` then say nothing."""


class SystemNodes(Part):
    """The nodes of the platform itself, without GPUs."""

    instance_type: InstanceType = Field(default="m7i.large", examples=["m7i.large"])
    """Their instance type, x86_64 as the platform's images."""
    min: Annotated[int, Field(ge=2, le=100)] = Field(default=2, examples=["2"])
    """Fewest of them, 2 to 100: one may always be gone."""
    max: Annotated[int, Field(ge=2, le=100)] = Field(default=4, examples=["6"])
    """Most of them, 2 to 100."""


class ExistingCluster(Part):
    """An EKS cluster that is there, reached through `moorage:context`."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] = Field(
        examples=["shared"]
    )
    """Its name; it must have the Pod Identity agent."""
    security_group: SecurityGroupId = Field(examples=["sg-0123456789abcdef0"])
    """The security group of its nodes: load balancers and databases let it in."""


class AwsCluster(Part):
    """The EKS cluster: one of its own, or one that is there."""

    version: Literal["1.34", "1.35"] = Field(default="1.35", examples=['"1.35"'])
    """Kubernetes version, in quotes; EKS raises one by itself whose standard support has ended."""
    public_cidrs: tuple[AnyCidr, ...] = Field(default=(), examples=["[203.0.113.0/24]"])
    """Who may reach the API server from outside; without the key it has no public address."""
    admins: tuple[Arn, ...] = Field(default=(), examples=["[arn:aws:iam::123456789012:role/admin]"])
    """IAM roles that may do everything in the cluster; not the one that runs `pulumi up`, which EKS lets in itself."""
    log_days: Days = Field(default=90, examples=["90"])
    """How long the control plane's logs are kept, in days."""
    system: SystemNodes = Field(default=SystemNodes(), examples=["{instance_type: m7i.large}"])
    """The nodes of the platform itself."""
    existing: ExistingCluster | None = Field(
        default=None, examples=["{name: shared, security_group: sg-0123456789abcdef0}"]
    )
    """A cluster that is there, instead of one of its own; the other keys of `cluster` then say nothing."""


class WarmPool(Part):
    """Instances that have been started once and wait."""

    size: Annotated[int, Field(ge=1, le=100)] = Field(examples=["1"])
    """How many, 1 to 100."""
    state: Literal["Stopped", "Running"] = Field(default="Stopped", examples=["Stopped"])
    """`Stopped` costs the disk only; `Running` costs the whole instance and is quickest."""


class Capacity(Part):
    """How nodes with GPUs come and go."""

    autoscaler: Literal["cluster-autoscaler", "karpenter"] = Field(
        default="cluster-autoscaler", examples=["karpenter"]
    )
    """What adds nodes: groups of Cluster Autoscaler, or Karpenter."""
    first: Literal["on-demand", "spot"] = Field(default="on-demand", examples=["spot"])
    """What is bought first; `spot` falls back to on demand where there is none."""
    image: Literal["al2023", "bottlerocket"] = Field(default="al2023", examples=["bottlerocket"])
    """The nodes' image, in its NVIDIA variant where they have GPUs."""
    disk_gib: Annotated[int, Field(ge=50, le=16_384)] = Field(default=200, examples=["500"])
    """Disk of each node, in GiB: images and models."""
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = Field(default=10, examples=["5"])
    """How long a node stays without a replica, in minutes."""
    warm_pools: dict[str, WarmPool] = Field(default={}, examples=["{a10g.1: {size: 1}}"])
    """Instances kept ready, by name of the hardware catalogue; with Cluster Autoscaler only."""
    reservations: dict[str, ReservationId] = Field(default={}, examples=["{h100.8: cr-0123456789abcdef0}"])
    """On-demand capacity reservations, by name of the hardware catalogue."""


class ColdStart(Part):
    """What shortens the start of a replica on a new node."""

    snapshot: SnapshotId | None = Field(default=None, examples=["snap-0123456789abcdef0"])
    """A snapshot of a Bottlerocket data volume that holds the endpoints' images; needs `image: bottlerocket`."""
    parallel_pull: bool = Field(default=False, examples=["true"])
    """Whether SOCI's parallel pull and unpack is on; needs `image: al2023`."""
    weights_bucket: bool = Field(default=False, examples=["true"])
    """Whether a bucket for weights is made, which replicas may read."""


class ManagedQueue(Part):
    """ElastiCache for Valkey that answers when a second zone has the write."""

    node_type: CacheNodeType = Field(default="cache.m7g.large", examples=["cache.r7g.large"])
    """Type of its nodes; r6g, r7g, m6g, m7g or c7gn, which keep the durable log."""
    shards: Annotated[int, Field(ge=1, le=90)] = Field(default=1, examples=["3"])
    """How many primaries share the endpoints, 1 to 90."""
    replicas: Annotated[int, Field(ge=1, le=5)] = Field(default=1, examples=["2"])
    """Replicas of each primary in other zones, 1 to 5."""


class ManagedDatabase(Part):
    """RDS for PostgreSQL, for the platform API."""

    instance_class: DatabaseClass = Field(default="db.t4g.medium", examples=["db.m7g.large"])
    """Class of its instances; a second one stands by in another zone."""
    disk: SizeText = Field(default=20, examples=["50Gi"])
    """Disk, as 20Gi; it grows up to five times that."""
    backup_days: Annotated[int, Field(ge=1, le=35)] = Field(default=7, examples=["14"])
    """How long backups are kept, 1 to 35 days."""


class AwsIngress(Part):
    """Load balancers, names and certificates."""

    hosted_zone: ZoneId | None = Field(default=None, examples=["Z0123456789ABCDEFGHIJ"])
    """Route 53 zone of the domain; without the key one is made, whose name servers you enter at your registrar."""
    certificate: Arn | None = Field(
        default=None, examples=["arn:aws:acm:eu-central-1:123456789012:certificate/0123"]
    )
    """Certificate of `*.<domain>`; without the key one is made, proved through the hosted zone."""
    waf: bool = Field(default=False, examples=["true"])
    """Whether AWS WAF stands before the public load balancer, with AWS's own rules of common attacks."""
    access_log_days: Days | None = Field(default=None, examples=["90"])
    """How long the load balancers' access logs are kept in S3, in days; without the key there are none."""


class Monitoring(Part):
    """Metrics, dashboards and alerts."""

    prometheus: Literal["stack", "managed", "present"] = Field(default="present", examples=["stack"])
    """`stack`: kube-prometheus-stack; `managed`: Amazon Managed Prometheus besides; `present`: yours, and
    dashboards and alerts are handed to it."""
    dcgm: bool = Field(default=True, examples=["true"])
    """Whether NVIDIA's exporter tells of each GPU's load and memory, where there are GPUs and `stack` or `managed`."""


class Budget(Part):
    """What the account may spend on this stack."""

    dollars_per_month: Annotated[int, Field(ge=1, le=10_000_000)] = Field(examples=["2000"])
    """The budget, in dollars a month; past 80 % of it, and past all of it by forecast, mails go out."""
    mails: Annotated[tuple[Mail, ...], Field(min_length=1, max_length=10)] = Field(
        examples=["[ops@example.com]"]
    )
    """Who is told."""


class Aws(Part):
    """All that is made in an AWS account."""

    account: AccountId = Field(examples=['"123456789012"'])
    """The account's twelve digits, in quotes; nothing is done in any other."""
    region: Region = Field(examples=["eu-central-1"])
    """Region of everything."""
    network: AwsNetwork = Field(default=AwsNetwork(), examples=["{zones: [a, b, c]}"])
    """The VPC."""
    cluster: AwsCluster = Field(default=AwsCluster(), examples=['{version: "1.35"}'])
    """The EKS cluster."""
    capacity: Capacity = Field(default=Capacity(), examples=["{first: spot}"])
    """How nodes with GPUs come and go."""
    cold_start: ColdStart = Field(default=ColdStart(), examples=["{parallel_pull: true}"])
    """What shortens the start of a replica on a new node."""
    queue: ManagedQueue | None = Field(default=None, examples=["{node_type: cache.m7g.large}"])
    """A managed Valkey; without the key the queue is a pod with its journal on a disk (`moorage:queue`)."""
    database: ManagedDatabase | None = Field(default=None, examples=["{instance_class: db.t4g.medium}"])
    """A managed PostgreSQL; without the key the platform API keeps SQLite on a disk, and is one pod."""
    ingress: AwsIngress = Field(default=AwsIngress(), examples=["{waf: true}"])
    """Load balancers, names and certificates."""
    monitoring: Monitoring = Field(default=Monitoring(), examples=["{prometheus: stack}"])
    """Metrics, dashboards and alerts."""
    gpu_operator: bool = Field(default=False, examples=["true"])
    """Whether NVIDIA's GPU operator is installed instead of its device plugin."""
    budget: Budget | None = Field(
        default=None, examples=["{dollars_per_month: 2000, mails: [ops@example.com]}"]
    )
    """What the account may spend on this stack."""
    tags: dict[TagText, TagText] = Field(default={}, examples=["{team: ml}"])
    """Tags of every resource, besides the stack's own."""
    ceiling_dollars_per_hour: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        default=None, examples=["50.0"]
    )
    """Most that the stack may cost with every endpoint at its most replicas; above it the plan is refused."""
