"""The shape of the cluster."""

import ipaddress

import pytest
from cluster.errors import ClusterError
from cluster.storage import volume
from cluster.topology import NODES, PODS, SERVICES, node_named


def test_no_two_ranges_of_addresses_overlap() -> None:
    """A packet has one way."""
    nodes = [ipaddress.ip_network(node.pods) for node in NODES]
    services, pods = ipaddress.ip_network(SERVICES), ipaddress.ip_network(PODS)

    assert not services.overlaps(pods)
    assert not nodes[0].overlaps(nodes[1])
    assert all(node.subnet_of(pods) for node in nodes)  # type: ignore[arg-type] # both are of version 4


def test_unknown_node_names_those_there_are() -> None:
    """A slip of the pen is mended by reading."""
    with pytest.raises(ClusterError, match=r"no node 'node3'\. There are: node1, node2"):
        node_named("node3")


def test_volume_may_be_claimed_on_every_real_node() -> None:
    """And on no fake one, which has no kubelet to mount it."""
    spec = volume("disk-1", "/volumes/disk-1")["spec"]

    assert spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"] == [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1", "node2"]}
    ]
