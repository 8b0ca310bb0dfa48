"""Which nodes a name of the hardware catalogue means, and what one replica takes of them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from infra.plan.quantities import MIB_PER_GIB, mebibytes, millicores
from infra.plan.values import NodeGroupPlan, Size, TolerationPlan
from infra.spec.hardware import CATALOGUE, Hardware
from infra.spec.model import Endpoint
from infra.spec.stack import Nodes

PRODUCT_LABEL = "nvidia.com/gpu.product"
GPU_RESOURCE = "nvidia.com/gpu"
PRODUCTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "T4": ("Tesla-T4",),
        "A10G": ("NVIDIA-A10G",),
        "L4": ("NVIDIA-L4",),
        "L40S": ("NVIDIA-L40S",),
        "RTX PRO 6000": ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",),
        "A100-40": ("NVIDIA-A100-PCIE-40GB", "NVIDIA-A100-SXM4-40GB"),
        "A100-80": ("NVIDIA-A100-80GB-PCIe", "NVIDIA-A100-SXM4-80GB"),
        "H100": ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-NVL", "NVIDIA-H100-PCIe"),
        "H200": ("NVIDIA-H200", "NVIDIA-H200-NVL"),
    }
)
"""GPU to the values of its label, one a form factor.

Source: names of NVIDIA/open-gpu-kernel-modules 595.45.04 (2026-03-05), through the rule of GPU feature
discovery in NVIDIA/k8s-device-plugin v0.20, internal/lm/resource.go; read 2026-11-25.
"""
CPU_SHARE, MEMORY_SHARE = 0.9, 0.8
"""Of an instance's figures; the rest is for kubelet, system pods and the worker."""
_NO_NODES = Nodes()


def node_groups(endpoints: Iterable[Endpoint], nodes: Mapping[str, Nodes]) -> tuple[NodeGroupPlan, ...]:
    """One for each hardware that the endpoints name, sorted."""
    used: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        used.setdefault(endpoint.hardware, []).append(endpoint)
    return tuple(_group(CATALOGUE[name], nodes.get(name, _NO_NODES), used[name]) for name in sorted(used))


def _group(hardware: Hardware, nodes: Nodes, endpoints: list[Endpoint]) -> NodeGroupPlan:
    return NodeGroupPlan(
        name=hardware.name.replace(".", "-"),
        hardware=hardware.name,
        selector=_selector(hardware, nodes),
        tolerations=_tolerations(hardware, nodes),
        runtime_class=nodes.runtime_class,
        size=_size(hardware, nodes),
        gpus=hardware.gpus,
        gpu_model=hardware.gpu_model,
        replicas=sum(endpoint.replicas.max for endpoint in endpoints),
        min_replicas=sum(endpoint.replicas.min for endpoint in endpoints),
        dollars_per_hour=_price(hardware, nodes),
    )


def _selector(hardware: Hardware, nodes: Nodes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if nodes.selector is not None:
        return tuple((key, (value,)) for key, value in sorted(nodes.selector.items()))
    return ((PRODUCT_LABEL, products_of(hardware)),) if hardware.gpus else ()


def products_of(hardware: Hardware) -> tuple[str, ...]:
    """Values of the product label of its GPU."""
    if hardware.gpu_model == "A100":
        return PRODUCTS["A100-80" if hardware.gpu_memory_gib > 40 else "A100-40"]  # noqa: PLR2004 - in GiB
    return PRODUCTS[hardware.gpu_model]


def _tolerations(hardware: Hardware, nodes: Nodes) -> tuple[TolerationPlan, ...]:
    if nodes.tolerations is not None:
        return tuple(TolerationPlan(each.key, each.value, each.effect) for each in nodes.tolerations)
    return (TolerationPlan(GPU_RESOURCE, None, "NoSchedule"),) if hardware.gpus else ()


def _size(hardware: Hardware, nodes: Nodes) -> Size:
    """A replica may use its whole share of the instance's CPUs, and as much memory as is kept for it."""
    share = hardware.replicas_per_instance
    whole = hardware.vcpu * 1000 // share
    cpu = round(whole * CPU_SHARE) if nodes.cpu is None else millicores(nodes.cpu)
    memory = hardware.memory_gib * MIB_PER_GIB * MEMORY_SHARE // share
    return Size(cpu, max(cpu, whole), round(memory) if nodes.memory is None else mebibytes(nodes.memory))


def _price(hardware: Hardware, nodes: Nodes) -> float | None:
    if nodes.dollars_per_hour is not None:
        return nodes.dollars_per_hour
    if hardware.dollars_per_hour is None:
        return None
    return hardware.dollars_per_hour / hardware.replicas_per_instance
