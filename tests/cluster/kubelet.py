"""What the kubelet and kube-proxy of a node are told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.certificates import Keys
from cluster.containers import SOCKET
from cluster.topology import DNS_SERVICE, DOMAIN, PODS, NodePlan

PROXY_PORT = 10256
"""Where kube-proxy says whether it has written its rules."""
LEASE_SECONDS = 8
"""A quarter of it goes by between two signs of life of a node."""
KERNEL_SETTINGS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Files below /proc/sys to what the kubelet wants in them.

They hold for the whole machine, and the kubelet would set them: a node sees files of its own in their place.
"""


def kubelet_configuration(node: NodePlan, keys: Keys, resolv_conf: Path) -> dict[str, Any]:
    """The kubelet's KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        # What root may not do here becomes a warning.
        "featureGates": {"KubeletInUserNamespace": True},
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": DOMAIN,
        "resolvConf": str(resolv_conf),
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "nodeLeaseDurationSeconds": LEASE_SECONDS,
        "nodeStatusUpdateFrequency": "2s",
        "registerWithTaints": [dict(taint) for taint in node.taints],
        "registryPullQPS": 0,
        "serializeImagePulls": False,
        # The disk is the machine's: how full it is says nothing about the tests, and no image may go.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
    }


def proxy_configuration(node: NodePlan, kubeconfig: Path) -> dict[str, Any]:
    """kube-proxy's KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": PODS,
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "healthzBindAddress": f"127.0.0.1:{PROXY_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        # Only the machine's own network may set these; 0 leaves them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "iptables": {"minSyncPeriod": "100ms"},
    }


def kubelet_arguments(node: NodePlan, configuration: Path, kubeconfig: Path) -> tuple[str, ...]:
    """What the kubelet takes on its command line only."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    return (
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={labels}",
    )
