"""What a cluster must not leave on the machine: the same check after every `down`, and whenever one asks."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cluster import cgroups, network
from cluster.commands import CommandError, command
from cluster.kubelet import KERNEL_SETTINGS
from cluster.processes import Processes
from cluster.topology import NETWORKS

BEFORE = "before.json"
"""In the run folder: what the machine was like before the cluster."""
SECONDS = 10.0
MOUNTS = Path("/proc/self/mountinfo")
Snapshot = Mapping[str, list[str]]
"""State of the machine that the cluster must not touch: name to lines."""


async def snapshot() -> Snapshot:
    """What the machine's own network and kernel settings are now."""
    links, routes, rules = await asyncio.gather(
        _lines("ip", "-brief", "link"),
        _lines("ip", "route", "show", "table", "all"),
        _lines("iptables-save"),
    )
    # iptables-save tells when it ran, and how many packets have passed.
    rules = [line.partition("[")[0] for line in rules if not line.startswith("#")]
    return {"network links": links, "routes": routes, "iptables rules": rules, "kernel settings": _settings()}


def write_snapshot(taken: Snapshot, path: Path) -> None:
    """Keep it for `read_snapshot`."""
    path.write_text(json.dumps(taken, indent=1))


def read_snapshot(path: Path) -> Snapshot:
    """What was kept; nothing to compare with if nothing was."""
    try:
        kept: dict[str, list[str]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept


async def leftovers(run: Path, before: Snapshot) -> list[str]:
    """A line for each thing of the cluster that is still there, or that the machine has lost since `before`."""
    return [*_own(run), *differences(before, await snapshot())]


def _own(run: Path) -> Iterator[str]:
    yield from (f"process {process.pid}" for process in Processes(run).strays())
    for name in NETWORKS:
        yield from (f"process {pid} in network {name}" for pid in network.members(name))
    yield from (f"network namespace {name}" for name in network.present())
    yield from (f"mount {point}" for point in mounts_below(MOUNTS.read_text(), run))
    yield from (f"control group {group}" for group in cgroups.present())
    if run.exists():
        yield f"folder {run}"


def mounts_below(mounts: str, run: Path) -> list[str]:
    """Where something of the run folder or of the cluster's networks is mounted, from the text of a mountinfo."""
    points = [line.split()[4] for line in mounts.splitlines()]
    networks = {str(network.path_of(name)) for name in NETWORKS}
    return [point for point in points if Path(point).is_relative_to(run) or point in networks]


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What was added and what is gone, a line each."""
    found = []
    for what, lines in before.items():
        then, now = set(lines), set(after.get(what, ()))
        found += [f"{what}: new: {line}" for line in sorted(now - then)]
        found += [f"{what}: gone: {line}" for line in sorted(then - now)]
    return found


def _settings() -> list[str]:
    return [f"{name} = {Path('/proc/sys', name).read_text().strip()}" for name in KERNEL_SETTINGS]


async def _lines(*argv: str) -> list[str]:
    try:
        return (await command(*argv, seconds=SECONDS)).splitlines()
    except CommandError:  # a machine without it has nothing of it either
        return []
