"""KWOK: it plays the kubelet of nodes that are only objects, where a test needs more nodes than two.

A node is played when it has the annotation `kwok.x-k8s.io/node: fake`; the real ones are left alone.
"""

from cluster.processes import Program
from cluster.rooms import Room
from cluster.sites import Site
from cluster.topology import ADDRESS

NAME = "kwok"
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
"""What it does to nodes and pods, as it comes with it: all at once."""
LEASE_SECONDS = 8
"""As the real nodes'."""


async def start_fake_nodes(site: Site, room: Room) -> None:
    """Start KWOK; the API server must be ready. Returns at once.

    Raises:
        ClusterError: it does not start.
    """
    stages = site.folder(NAME) / "stages.yaml"
    texts = [(site.modules[NAME] / "stage" / stage).read_text() for stage in STAGES]
    stages.write_text("\n---\n".join(texts))
    argv = (
        site.program(NAME),
        f"--kubeconfig={site.kubeconfig_of(NAME)}",
        f"--config={stages}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
        "--cidr=10.245.0.0/16",
        f"--node-ip={ADDRESS}",
        "--server-address=127.0.0.1:10247",
    )
    await site.processes.start(Program(NAME, argv, room.door))
