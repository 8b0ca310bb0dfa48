"""What a machine must have for the cluster to run on it, asked before anything is built."""

import os
import shutil
from pathlib import Path

from cluster.cgroups import MOUNTS, hierarchies
from cluster.containers import PLUGINS
from cluster.errors import ClusterError

PACKAGES = {
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "perl": "perl-base",
    "runc": "runc",
}
"""Program to the Debian package that brings it."""
PLUGINS_PACKAGE = "containernetworking-plugins"
HIDDEN = ("/run", "/var/lib", "/var/log")
"""Folders in whose place a node has its own."""


def require_machine(cache: Path) -> None:
    """See that a cluster can run here.

    Raises:
        ClusterError: what is missing, all at once, and how to get it.
    """
    if faults := [*_faults(cache)]:
        raise ClusterError("A cluster cannot run here:\n" + "\n".join(f"- {fault}" for fault in faults))


def _faults(cache: Path) -> list[str]:
    found = []
    if os.geteuid() != 0:
        found.append(
            "only root may make network namespaces and control groups. Be root, or give a cluster: E2E_CONTEXT=name"
        )
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    missing += [] if Path(PLUGINS, "ptp").exists() else [PLUGINS_PACKAGE]
    if missing:
        found.append(f"programs are missing. Debian 12: apt-get install {' '.join(sorted(missing))}")
    if not hierarchies(MOUNTS.read_text()):
        found.append("the nodes need control groups of version 1, such as /sys/fs/cgroup/memory.")
    if any(cache.is_relative_to(folder) for folder in HIDDEN):
        found.append(
            f"nodes cannot see {cache}. Set MOORAGE_E2E_CACHE to a folder outside {', '.join(HIDDEN)}."
        )
    return found
