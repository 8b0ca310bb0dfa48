"""Control groups of the nodes' pods: one tree a node, in every hierarchy of version 1 or in the one of version 2."""

import asyncio
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from cluster.errors import ClusterError
from cluster.topology import MARK

MOUNTS = Path("/proc/self/mountinfo")
REMOVE_SECONDS = 10.0
POLL_SECONDS = 0.1
VERSION_1, VERSION_2 = ("cgroup",), ("cgroup2",)
EVERY_VERSION = (*VERSION_1, *VERSION_2)
"""Whoever makes groups for a container makes them in an empty hierarchy of version 2 as well."""
NEEDED = frozenset({"cpu", "memory", "pids"})
"""Controllers without which a kubelet does not start."""
HANDED_DOWN = "cgroup.subtree_control"
INHERITED = ("cpuset.cpus", "cpuset.mems")
"""Files of cpuset that are empty in a new group of version 1, which then takes no process."""


def hierarchies(mounts: str, kinds: Collection[str]) -> list[Path]:
    """Where hierarchies of these kinds are mounted, from the text of a mountinfo."""
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in kinds:
            found.append(Path(before.split()[4]))
    return found


def tops(mounts: str) -> list[Path]:
    """Where nodes have their groups: hierarchies of version 1, else the one of version 2 with all controllers."""
    unified = hierarchies(mounts, VERSION_2)
    return hierarchies(mounts, VERSION_1) or [top for top in unified if NEEDED.issubset(_controllers(top))]


def make(name: str) -> None:
    """A group at the top of every hierarchy that limits pods.

    Raises:
        ClusterError: the machine does not let us.
    """
    for top in tops(MOUNTS.read_text()):
        group = top / name
        group.mkdir(exist_ok=True)
        if (top / HANDED_DOWN).is_file():
            _hand_down(top)
            continue
        for file in INHERITED:
            if (group / file).is_file():
                (group / file).write_text((top / file).read_text())


async def remove(name: str) -> None:
    """The group and all below it, in every hierarchy; it may take a moment until the kernel lets go of them.

    Raises:
        ClusterError: a process is still in one of them.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    while (busy := _remove_everywhere(name)) is not None:
        if time.monotonic() > deadline:
            raise ClusterError(f"{busy} is still in use after {REMOVE_SECONDS:g} s.")
        await asyncio.sleep(POLL_SECONDS)


def present() -> list[Path]:
    """Groups of the cluster that the machine has."""
    return [
        group for top in hierarchies(MOUNTS.read_text(), EVERY_VERSION) for group in top.glob(f"{MARK}-*")
    ]


def _hand_down(top: Path) -> None:
    """Let groups below have all controllers; most are handed down already where systemd runs."""
    missing = sorted(set(_controllers(top)).difference(_controllers(top, HANDED_DOWN)))
    try:
        (top / HANDED_DOWN).write_text(" ".join(f"+{controller}" for controller in missing))
    except OSError as error:
        raise ClusterError(
            f"{top / HANDED_DOWN} does not take {', '.join(missing)}: {error.strerror}. It is so in containers, "
            "whose processes are in the top group itself: be on the machine, or name a cluster of yours: E2E_CONTEXT=name"
        ) from error


def _controllers(top: Path, file: str = "cgroup.controllers") -> list[str]:
    return (top / file).read_text().split()


def _remove_everywhere(name: str) -> Path | None:
    for top in hierarchies(MOUNTS.read_text(), EVERY_VERSION):
        if (busy := _remove_tree(top / name)) is not None:
            return busy
    return None


def _remove_tree(group: Path) -> Path | None:
    """A group that could not be removed yet, if any."""
    for folder in _deepest_first(group):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # busy
            return folder
    return None


def _deepest_first(group: Path) -> Iterator[Path]:
    if not group.is_dir():
        return
    for child in group.iterdir():
        if child.is_dir():
            yield from _deepest_first(child)
    yield group
