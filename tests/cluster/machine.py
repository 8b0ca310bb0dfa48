"""What a machine must have for the cluster to run on it, asked before anything is built."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from cluster.cgroups import MOUNTS, NEEDED, tops
from cluster.containers import PLUGINS
from cluster.errors import ClusterError
from cluster.places import CACHE_SETTING

PACKAGES = {
    "containerd": "containerd",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "perl": "perl-base",
    "runc": "runc",
}
"""Program to the Debian package that brings it."""
PLUGIN = "ptp"
PLUGINS_PACKAGE = "containernetworking-plugins"
HIDDEN = ("/run", "/var/lib", "/var/log")
"""Folders in whose place a node has its own."""


def require_machine(cache: Path) -> None:
    """See that a cluster can run here.

    Raises:
        ClusterError: what is missing, all at once, and how to get it.
    """
    missing = {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    if not Path(PLUGINS, PLUGIN).exists():
        missing.add(PLUGINS_PACKAGE)
    if found := faults(os.geteuid(), missing, MOUNTS.read_text(), cache):
        raise ClusterError("\n".join(("A cluster cannot run here:", *(f"- {fault}" for fault in found))))


def faults(user: int, missing: Collection[str], mounts: str, cache: Path) -> list[str]:
    """What stands against a cluster, and the mend of each.

    Args:
        user: who starts it, by number.
        missing: Debian packages that are not there.
        mounts: a mountinfo.
        cache: where programs, images and the running cluster are kept.
    """
    found = []
    if user != 0:
        found.append("Only root may make namespaces. Be root, or name a cluster of yours: E2E_CONTEXT=name")
    if missing:
        found.append(f"Programs are missing. On Debian 12: apt-get install {' '.join(sorted(missing))}")
    if not tops(mounts):
        found.append(
            f"Nodes need control groups with the controllers {', '.join(sorted(NEEDED))}: /sys/fs/cgroup"
        )
    if any(cache.is_relative_to(folder) for folder in HIDDEN):
        found.append(
            f"Nodes cannot see {cache}. Set {CACHE_SETTING} to a folder outside {', '.join(HIDDEN)}."
        )
    return found
