"""containerd on a node: its configuration, the pods' network, and images from archives."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.commands import CommandError, tail
from cluster.errors import ClusterError
from cluster.processes import Program
from cluster.rooms import Room
from cluster.sites import Site
from cluster.topology import REGISTRY, NodePlan
from cluster.waiting import until

SOCKET = "/run/containerd/containerd.sock"
STORE = "/var/lib/containerd"
PLUGINS = "/usr/lib/cni"
NETWORKS = "/var/lib/cni/net.d"
NAMESPACE = "k8s.io"
READY_SECONDS = 30.0
IMPORT_SECONDS = 180.0
PUSH_SECONDS = 60.0
_CONFIGURATION = """\
version = 2
root = "{store}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

# The default is a folder of the machine, which it would make.
[plugins."io.containerd.internal.v1.opt"]
  path = "{store}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without the right to lower it, as in most sandboxes, no pod would start.
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{store}/certs.d"
"""
_REGISTRY_HOST = (
    f'server = "http://{REGISTRY}"\n[host."http://{REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n'
)


@dataclass(frozen=True, slots=True)
class Archive:
    """An image in a file, and the name that it has in there."""

    name: str
    path: Path


def configuration(pause: str) -> str:
    """The config.toml; `pause` is the image that holds each pod's namespaces."""
    return _CONFIGURATION.format(store=STORE, socket=SOCKET, pause=pause, plugins=PLUGINS, networks=NETWORKS)


def pod_network(node: NodePlan) -> dict[str, Any]:
    """The pods' network of a node: a cable from each pod to the node, which routes.

    No bridge: with one, answers of a service's pod to its neighbour would pass the node's address translation by
    unless the kernel has br_netfilter.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def write_configuration(node: NodePlan, var_lib: Path, pause: str) -> Path:
    """All that containerd reads on a node, into what the node sees as /var/lib; where its config.toml lies there."""
    files = {
        "containerd/config.toml": configuration(pause),
        f"containerd/certs.d/{REGISTRY}/hosts.toml": _REGISTRY_HOST,
        "cni/net.d/10-pods.conflist": json.dumps(pod_network(node), indent=1),
    }
    for name, text in files.items():
        path = var_lib / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Path(STORE, "config.toml")


async def start_containerd(site: Site, room: Room, node: NodePlan, config: Path) -> None:
    """Start it on a node; returns when it answers.

    Raises:
        ClusterError: it does not start.
    """
    name = f"{node.name}-containerd"
    argv = ("containerd", "--config", config, "--log-level", "warn")
    await site.processes.start(Program(name, argv, room.door))

    async def answers() -> bool:
        return await _ctr_holds(room, "version")

    await until(f"containerd answers on {node.name}", answers, READY_SECONDS, site.processes, (name,))


async def import_images(room: Room, archives: Iterable[Archive]) -> None:
    """Let a node have images without a registry, one after the other.

    Raises:
        ClusterError: an archive is not there or not an image.
    """
    for archive in archives:
        await _ctr(room, "images", "import", archive.path, seconds=IMPORT_SECONDS)


async def push_image(room: Room, name: str, reference: str, login: str) -> None:
    """Push an image that a node has to the registry, by another name. `login` is `user:password`.

    Raises:
        ClusterError: the registry refuses.
    """
    await _ctr(room, "images", "tag", "--force", name, reference, seconds=PUSH_SECONDS)
    try:
        await _ctr(room, "images", "push", "--plain-http", "--user", login, reference, seconds=PUSH_SECONDS)
    except CommandError as error:
        # Not its own text, which shows the command line and the password in it.
        raise ClusterError(f"The registry does not take {reference}:\n{tail(error.said)}") from None
    await _ctr(room, "images", "rm", reference, seconds=PUSH_SECONDS)


async def _ctr(room: Room, *words: str | Path, seconds: float) -> str:
    return await room.run("ctr", "--address", SOCKET, "--namespace", NAMESPACE, *words, seconds=seconds)


async def _ctr_holds(room: Room, *words: str) -> bool:
    try:
        await _ctr(room, *words, seconds=5)
    except CommandError:
        return False
    return True
