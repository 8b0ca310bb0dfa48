"""What containerd on a node is told."""

import tomllib
from typing import Any

from cluster.containers import configuration, pod_network
from cluster.topology import NODES

CRI = "io.containerd.grpc.v1.cri"


def _configured() -> dict[str, Any]:
    return tomllib.loads(configuration("docker.io/x/pause:1"))


def test_pods_are_held_by_our_own_image() -> None:
    """The default one would be asked for at a registry that nobody reaches."""
    assert _configured()["plugins"][CRI]["sandbox_image"] == "docker.io/x/pause:1"


def test_everything_that_is_written_lies_in_what_a_node_has_of_its_own() -> None:
    """A folder of the machine would be left there."""
    found = _configured()
    folders = (found["root"], found["state"], found["plugins"]["io.containerd.internal.v1.opt"]["path"])

    assert all(folder.startswith(("/var/lib/", "/run/")) for folder in folders)


def test_nodes_give_pods_addresses_of_their_own_range() -> None:
    """Two pods of one address would share their traffic."""
    ranges = []
    for node in NODES:
        plugin, *_ = pod_network(node)["plugins"]
        ranges.append(plugin["ipam"]["ranges"])

    assert ranges == [[[{"subnet": "10.244.0.0/24"}]], [[{"subnet": "10.244.1.0/24"}]]]
