"""What kubelet and kube-proxy of a node are told."""

from pathlib import Path

from cluster.certificates import Keys
from cluster.kubelet import kubelet_arguments, kubelet_configuration, proxy_configuration
from cluster.topology import NODES

ONE, TWO = NODES
KEYS = Keys(Path("/keys"))


def test_only_the_second_node_is_tainted() -> None:
    """The platform's own pods stay on the node that no test switches off."""
    found = [kubelet_configuration(node, KEYS, Path("/resolv.conf"))["registerWithTaints"] for node in NODES]

    assert found == [[], [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]]


def test_full_disk_of_the_machine_evicts_nobody() -> None:
    """How full it is has nothing to do with the tests."""
    evictions = kubelet_configuration(ONE, KEYS, Path("/resolv.conf"))["evictionHard"]

    assert {evictions[name] for name in evictions if "fs." in name} == {"0%"}


def test_node_tells_its_gpus_model() -> None:
    """Endpoints choose their nodes by it."""
    arguments = kubelet_arguments(TWO, Path("/config"), Path("/kubeconfig"))

    assert "--node-labels=nvidia.com/gpu.product=NVIDIA-L4" in arguments


def test_kube_proxy_leaves_the_machines_own_settings_alone() -> None:
    """Another network than the machine's own may not set them, and it would end."""
    conntrack = proxy_configuration(ONE, Path("/kubeconfig"))["conntrack"]

    assert set(conntrack.values()) == {0, "0s"}
