"""CPU and memory as whole numbers, and back as Kubernetes writes them."""

from infra.plan.values import Size

MIB_PER_GIB = 1024


def millicores(text: str) -> int:
    """`500m` or `2.5` cores, in thousandths of a core."""
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)


def mebibytes(text: str) -> int:
    """`512Mi` or `2Gi`, in MiB."""
    return int(text[:-2]) * (MIB_PER_GIB if text.endswith("Gi") else 1)


def cpu_text(thousandths: int) -> str:
    """Thousandths of a core as Kubernetes itself writes them, so that no diff comes of it."""
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def memory_text(mib: int) -> str:
    """MiB as Kubernetes itself writes them."""
    return f"{mib}Mi" if mib % MIB_PER_GIB else f"{mib // MIB_PER_GIB}Gi"


def size_of(cpu: str, memory: str, headroom: int) -> Size:
    """What is kept of both for a container, and so many times the CPU that it may use."""
    kept = millicores(cpu)
    return Size(kept, kept * headroom, mebibytes(memory))
