"""Takes a cluster down, whole or half dead, and looks after what it leaves."""

from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

from cluster import cgroups, network
from cluster.commands import command
from cluster.errors import ClusterError
from cluster.leftovers import BEFORE, MOUNTS, leftovers, mounts_below, read_snapshot
from cluster.processes import Processes, end
from cluster.topology import NETWORKS, NODES

from runtime.local.pids import ProcessId, identify

STOPS: Sequence[tuple[Sequence[str], float]] = (
    # Kubelets first: they would start what ends. Then the pods at once, by the end of their rooms.
    (
        [f"{node.name}-{daemon}" for node in NODES for daemon in ("kubelet", "kube-proxy", "device-plugin")],
        3.0,
    ),
    ([*(f"{node.name}-room" for node in NODES), "store-room"], 0.0),
    (["kwok", "coredns", "registry", "kube-scheduler", "kube-controller-manager"], 3.0),
    # It waits for its clients' watches; there is nothing worth waiting for.
    (["kube-apiserver"], 3.0),
    (["etcd"], 5.0),
    (["control-plane-room"], 0.0),
)
"""In turn: which daemons, and how many seconds they have before they are killed."""
REMOVE_SECONDS = 120.0
SWEEPS = 3


async def bring_down(run: Path) -> list[str]:
    """End everything of the cluster and remove its traces; what went wrong or is left nonetheless, a line each."""
    before = read_snapshot(run / BEFORE)
    faults = [fault for step in _steps(run) if (fault := await _fault_of(step))]
    return faults + await leftovers(run, before)


def _steps(run: Path) -> Iterator[Awaitable[None]]:
    processes = Processes(run)
    for names, seconds in STOPS:
        yield processes.stop(names, seconds)
    yield _sweep(processes)
    yield network.remove_networks()
    for node in NODES:
        yield cgroups.remove(node.cgroup)
    yield _remove(run)


async def _fault_of(step: Awaitable[None]) -> str:
    """One that fails must not keep the others from being done."""
    try:
        await step
    except ClusterError as error:
        return str(error)
    return ""


def is_there(run: Path) -> bool:
    """Whether there is anything to take down."""
    return run.exists() or bool(network.present()) or bool(cgroups.present())


async def _sweep(processes: Processes) -> None:
    """Kill what no note knows: an `up` was killed between a start and its note, or a test left something."""
    for _ in range(SWEEPS):  # what is killed may have started something
        found = [*processes.strays(), *_in_networks()]
        if not found:
            return
        await end(found, 1.0)


def _in_networks() -> list[ProcessId]:
    return [
        process
        for name in NETWORKS
        for pid in network.members(name)
        if (process := identify(pid)) is not None
    ]


async def _remove(run: Path) -> None:
    if mounted := mounts_below(MOUNTS.read_text(), run):
        raise ClusterError(f"{run} is not removed: {', '.join(mounted)} is mounted there.")
    # Quicker than Python with the many files of images, and it would not go into a mount.
    await command("rm", "-rf", "--one-file-system", run, seconds=REMOVE_SECONDS)
