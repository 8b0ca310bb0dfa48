"""Disks and user data of nodes: where images and models lie, and how quickly they get there.

Sources, read 2026-11-25:
- nodeadm: awslabs/amazon-eks-ami at 81fec2e (2026-07-23), nodeadm/doc/{api,examples}.md,
  nodeadm/internal/{kubelet,containerd}/config.go, templates/al2023/runtime/bin/setup-local-disks;
- Bottlerocket's bootstrap commands: aws/karpenter-provider-aws at 1d92708 (2026-08-21),
  pkg/providers/amifamily/bootstrap/bottlerocket.go;
- instance stores: EC2 DescribeInstanceTypes in the instance-types reference of the same repository.

On graceful node shutdown, which could cut a request: AL2023 lets kubelet end pods within 150 s of a shutdown of
the machine from Kubernetes 1.34 on, and at once before; Bottlerocket does so at once. Neither matters where the
autoscaler takes a node away, for it drains first and shuts down what is empty. Where AWS takes it (spot) there are
120 s in any case; the queue gives the request to another replica. So kubelet's figures stay as they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from infra.spec.hardware import Hardware
from infra.spec.stack_aws import Capacity, ColdStart

INSTANCE_STORE_GB: Mapping[str, int] = MappingProxyType(
    {
        "g4dn.12xlarge": 900,
        "g4dn.xlarge": 125,
        "g5.12xlarge": 3800,
        "g5.2xlarge": 450,
        "g5.48xlarge": 7600,
        "g5.xlarge": 250,
        "g6.12xlarge": 3760,
        "g6.2xlarge": 450,
        "g6.48xlarge": 7520,
        "g6.xlarge": 250,
        "g6e.12xlarge": 3800,
        "g6e.48xlarge": 7600,
        "g6e.4xlarge": 600,
        "g6e.xlarge": 250,
        "g7e.2xlarge": 1900,
        "p4d.24xlarge": 8000,
        "p4de.24xlarge": 8000,
        "p5.48xlarge": 30_400,
        "p5.4xlarge": 3800,
        "p5e.48xlarge": 30_400,
        "p5en.48xlarge": 30_400,
    }
)
"""Instance type to the NVMe disks that come with it, all together, in GB; what is not here has none."""
SYSTEM_GIB = 4
"""Bottlerocket's own disk, which holds no images. Source: its README, default of 2 GiB, doubled."""
BASE_IOPS, BASE_THROUGHPUT = 4000, 500
PULL_IOPS, PULL_THROUGHPUT = 16_000, 1000
"""Of gp3, in MiB/s: AL2023's parallel pull is slower than the plain one below 600 (nodeadm/doc/examples.md)."""
BOUND = ("/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods")
BOUNDARY = "//"


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """One gp3 volume of a node."""

    device: str
    gib: int
    iops: int
    throughput: int
    """In MiB/s."""
    snapshot: str | None
    """What it starts from; such a volume is encrypted as its snapshot is, EC2 takes no other word for it."""


def keeps_images_on_instance_store(hardware: Hardware, cold_start: ColdStart) -> bool:
    """Whether images lie on the disks that come with the instance; not where a snapshot already holds them."""
    return cold_start.snapshot is None and hardware.instance_type in INSTANCE_STORE_GB


def node_disks(hardware: Hardware, capacity: Capacity, cold_start: ColdStart) -> tuple[DiskPlan, ...]:
    """Volumes of a node, the root first."""
    pulls_to_volume = cold_start.parallel_pull and not keeps_images_on_instance_store(hardware, cold_start)
    iops, throughput = (PULL_IOPS, PULL_THROUGHPUT) if pulls_to_volume else (BASE_IOPS, BASE_THROUGHPUT)
    if capacity.image == "al2023":
        return (DiskPlan("/dev/xvda", capacity.disk_gib, iops, throughput, None),)
    return (
        DiskPlan("/dev/xvda", SYSTEM_GIB, 3000, 125, None),
        DiskPlan("/dev/xvdb", capacity.disk_gib, iops, throughput, cold_start.snapshot),
    )


def node_storage(hardware: Hardware, capacity: Capacity, cold_start: ColdStart) -> str:
    """Disk that pods of a node share, as a quantity: a tenth less, for system and file system."""
    if keeps_images_on_instance_store(hardware, cold_start):
        return f"{INSTANCE_STORE_GB[hardware.instance_type] * 9 // 10}G"
    return f"{capacity.disk_gib * 9 // 10}Gi"


def node_user_data(hardware: Hardware, capacity: Capacity, cold_start: ColdStart) -> str | None:
    """What a node of a managed group is told at its first start; None where the image's own ways do.

    EKS adds cluster, labels and taints to it.
    """
    with_store = keeps_images_on_instance_store(hardware, cold_start)
    if capacity.image == "bottlerocket":
        return _bottlerocket() if with_store else None
    store: dict[str, Any] = {"instance": {"localStorage": {"strategy": "RAID0"}}} if with_store else {}
    spec = store | pull_features(cold_start)
    return _mime(node_config(spec)) if spec else None


def pull_features(cold_start: ColdStart) -> dict[str, Any]:
    """Of a NodeConfig: layers are fetched and unpacked side by side, by SOCI's snapshotter, on any image."""
    return {"featureGates": {"FastImagePull": True}} if cold_start.parallel_pull else {}


def node_config(spec: Mapping[str, Any]) -> str:
    """A NodeConfig of nodeadm; JSON, which is YAML."""
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": dict(spec)}
    return json.dumps(config, indent=2, sort_keys=True)


def _mime(config: str) -> str:
    return (
        f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{BOUNDARY}"\n\n'
        f"--{BOUNDARY}\nContent-Type: application/node.eks.aws\n\n{config}\n\n--{BOUNDARY}--\n"
    )


def _bottlerocket() -> str:
    init, bind = (
        ["apiclient", "ephemeral-storage", "init"],
        ["apiclient", "ephemeral-storage", "bind", "--dirs"],
    )
    return (
        "[settings.bootstrap-commands.instance-store]\n"
        f"commands = {json.dumps([init, [*bind, *BOUND]])}\n"
        # A node whose images lie on the slow disk would be no fault that anybody sees.
        'essential = true\nmode = "always"\n'
    )
