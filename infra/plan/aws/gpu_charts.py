"""What tells the cluster of its GPUs on AWS, and Prometheus of what they do.

Sources: EKS user guide, "Use EKS-optimized accelerated AMIs for GPU instances", and
bottlerocket-os/bottlerocket#3992; values.yaml of gpu-operator v26.7.0 and of dcgm-exporter 4.8.2, and of
nvidia-device-plugin 0.20.0; read 2026-11-25.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.plan.addons import CHARTS
from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.values import AddonPlan
from infra.spec.stack_aws import Aws

GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
EVERY_NODE_CPU = "10m"
"""What a program asks that runs on every GPU node. A replica leaves 220m of a node with four vCPUs, of which EKS's
own take 180m: one that asked for more would find room on no node, however many are bought."""
_ON_GPU_NODES: Mapping[str, Any] = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": HARDWARE_LABEL, "operator": "Exists"},
                        # All but one name of the catalogue have GPUs; a list of them would change with every edit.
                        {"key": HARDWARE_LABEL, "operator": "NotIn", "values": ["cpu"]},
                    ]
                }
            ]
        }
    }
}


def gpu_charts(aws: Aws, *, has_gpus: bool) -> tuple[AddonPlan, ...]:
    """What makes a node's GPUs known to the cluster; nothing where no endpoint has one."""
    if not has_gpus:
        return ()
    if aws.gpu_operator:
        return (gpu_operator_chart(aws),)
    plugin = device_plugin_chart_on_aws(aws)
    return () if plugin is None else (plugin,)


def device_plugin_chart_on_aws(aws: Aws) -> AddonPlan | None:
    """The device plugin on nodes by the label of their group; None where the nodes' image brings it.

    No feature discovery: nodes are born with the label that replicas look for, and a new node has its GPUs known
    as soon as the plugin runs there, not when it has been looked through.
    """
    if aws.capacity.image == "bottlerocket":
        return None  # it is a service of the node there, and a second one would confuse kubelet
    chart = CHARTS["nvidia_device_plugin"]
    kept = {key: value for key, value in chart.values.items() if key != "nfd"}
    values = {
        **kept,
        "affinity": dict(_ON_GPU_NODES),
        "gfd": {"enabled": False},
        "nfd": {"enabled": False},
        "resources": {
            "requests": {"cpu": EVERY_NODE_CPU, "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
    }
    return replace(chart, values=values)


def gpu_operator_chart(aws: Aws) -> AddonPlan:
    """NVIDIA's GPU operator, of which the nodes' images bring driver and toolkit, Bottlerocket's the plugin too."""
    has_plugin = aws.capacity.image == "bottlerocket"
    has_figures = aws.monitoring.dcgm and aws.monitoring.prometheus != "present"
    return AddonPlan(
        name="gpu-operator",
        namespace="gpu-operator",
        chart="gpu-operator",
        repository="https://helm.ngc.nvidia.com/nvidia",
        version="v26.7.0",
        values={
            # It would switch GPUs to confidential computing where they can.
            "ccManager": {"enabled": False},
            "daemonsets": {"tolerations": [GPU_TOLERATION]},
            "dcgmExporter": {
                "enabled": has_figures,
                "serviceMonitor": {"enabled": has_figures, "honorLabels": True},
            },
            "devicePlugin": {"enabled": not has_plugin},
            "driver": {"enabled": False},
            # Replicas get whole GPUs.
            "migManager": {"enabled": False},
            "toolkit": {"enabled": False},
        },
    )


def dcgm_exporter_chart(namespace: str) -> AddonPlan:
    """The figures of every GPU; needs the Prometheus operator's kinds."""
    return AddonPlan(
        name="dcgm-exporter",
        namespace=namespace,
        chart="dcgm-exporter",
        repository="https://nvidia.github.io/dcgm-exporter/helm-charts",
        version="4.8.2",
        values={
            "affinity": dict(_ON_GPU_NODES),
            "resources": {
                "requests": {"cpu": EVERY_NODE_CPU, "memory": "256Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
            # Pod and namespace of a figure are of who holds the GPU, not of the exporter.
            "serviceMonitor": {"enabled": True, "honorLabels": True, "interval": "15s"},
            "tolerations": [GPU_TOLERATION],
        },
    )
