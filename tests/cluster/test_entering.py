"""What a command in the cluster is told."""

from pathlib import Path

from cluster.entering import environment
from cluster.sites import Site

SITE = Site(Path("/run-folder"), {"kubernetes": Path("/bin-folder")}, "pause:1")


def test_command_finds_the_clusters_own_kubectl_first() -> None:
    """Another version may be on the machine."""
    assert environment(SITE, {"PATH": "/usr/bin"})["PATH"] == "/bin-folder:/usr/bin"


def test_command_is_told_of_this_cluster_and_no_other() -> None:
    """A context of the caller's would lead elsewhere."""
    found = environment(SITE, {"E2E_CONTEXT": "mine", "KUBECONFIG": "/home/.kube/config"})

    assert "E2E_CONTEXT" not in found
    assert found["KUBECONFIG"] == "/run-folder/kubeconfigs/admin"


def test_no_proxy_stands_between_a_test_and_a_pod() -> None:
    """It is out of reach from the cluster's network."""
    found = environment(SITE, {"HTTPS_PROXY": "http://p", "http_proxy": "http://p", "LANG": "C"})

    assert found.keys().isdisjoint({"HTTPS_PROXY", "http_proxy"})
    assert found["LANG"] == "C"
