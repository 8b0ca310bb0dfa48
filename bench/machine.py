"""The shape of the machine that a run was made on: figures of two machines are never compared."""

import os
import platform
from typing import Any


def machine_shape() -> dict[str, Any]:
    """Cores, memory and how busy it is; nothing that names it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "architecture": platform.machine(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
    }
