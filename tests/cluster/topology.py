"""The shape of the tests' own cluster: its networks, nodes and addresses, the same on every machine.

Everything has a network namespace of its own, so no port or address here can clash with the machine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cluster.errors import ClusterError

MARK = "moorage-e2e"
"""Begins the name of everything that the machine sees of the cluster."""
NETWORK = MARK
"""Network namespace of the control plane, of node1 and of whoever tests."""
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
ADDRESS = "10.89.0.1"
"""Of the control plane, the registry and node1."""
API_PORT = 6443
API_URL = f"https://{ADDRESS}:{API_PORT}"
REGISTRY = f"{ADDRESS}:5000"
PREFIX_LENGTH = 24
GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One real node: a kubelet, its containers and its GPUs."""

    name: str
    address: str
    network: str
    """Network namespace that it lives in."""
    pods: str
    """Range of its pods' addresses."""
    gpus: int
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def cgroup(self) -> str:
        """Parent of all its pods' control groups."""
        return f"{MARK}-{self.name}"

    @property
    def shares_control_plane(self) -> bool:
        """Whether its network is the control plane's too and must outlive it."""
        return self.network == NETWORK


_LABELS = MappingProxyType({"nvidia.com/gpu.product": "NVIDIA-L4"})
NODES = (
    NodePlan("node1", ADDRESS, NETWORK, "10.244.0.0/24", 8, _LABELS),
    # Tainted as GPU nodes are, so that only replicas run there: the tests switch it off.
    NodePlan(
        "node2",
        "10.89.0.2",
        f"{MARK}-2",
        "10.244.1.0/24",
        4,
        _LABELS,
        (MappingProxyType({"key": GPU_RESOURCE, "value": "present", "effect": "NoSchedule"}),),
    ),
)
NETWORKS = tuple(node.network for node in NODES)


def node_named(name: str) -> NodePlan:
    """The node of this name.

    Raises:
        ClusterError: there is none.
    """
    for node in NODES:
        if node.name == name:
            return node
    names = ", ".join(node.name for node in NODES)
    raise ClusterError(f"There is no node {name!r}. There are: {names}.")
