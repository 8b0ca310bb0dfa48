"""Ends what runs in pods as a crash does: containers by SIGKILL from outside, pods by force, nodes whole.

Containers and nodes are hit on the suite's own cluster only, whose processes are this machine's. On any other one
a pod that goes without grace is the nearest to a crash that its API offers.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster_api import ClusterApi, Object
from e2e.commands import run_command

PROCESSES = Path("/proc")
TESTS = Path(__file__).parent.parent
"""Where the cluster's own tool lies."""
TOLD_SECONDS, POLL_SECONDS = 15.0, 0.1
"""How long after a container began to serve kubelet may take to say that it runs."""
NODE_SECONDS = 120.0
"""Longest that the cluster's own tool may take to end or start a node."""


@dataclass(frozen=True, slots=True)
class Blows:
    """Hits what a test names; `is_own` where the cluster is the suite's own."""

    api: ClusterApi
    is_own: bool

    async def kill(self, pod: Object, container: str) -> str:
        """End a container, or where it is out of reach its whole pod, at once; what was done comes back.

        Raises:
            LookupError: nothing of the container runs.
        """
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if self.is_own:
            count = kill_container(await self._running(pod, container))
            return f"SIGKILL to {count} processes of {name}/{container}"
        await self.api.delete("pods", name, namespace, grace_seconds=0)
        return f"{name} deleted without grace"

    async def _running(self, pod: Object, container: str) -> str:
        """The container's id. It may serve before kubelet has told that it runs."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        end = asyncio.get_running_loop().time() + TOLD_SECONDS
        while True:
            try:
                return container_id(pod, container)
            except LookupError:
                if asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(POLL_SECONDS)
            pod = await self.api.get("pods", name, namespace)

    async def restart_kubelet(self, node: str) -> None:
        """End a node's kubelet and start it anew; its containers are left alone."""
        await _cluster_tool("restart-kubelet", node)

    async def kill_node(self, node: str) -> None:
        """End all that runs on a node."""
        await _cluster_tool("kill-node", node)

    async def start_node(self, node: str) -> None:
        """Start a node that was ended."""
        await _cluster_tool("start-node", node)


def container_id(pod: Object, container: str) -> str:
    """The id of a container that runs, as the node's processes carry it in their control groups.

    Raises:
        LookupError: it does not run.
    """
    status = pod.get("status") or {}
    for each in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        if each["name"] == container and "running" in each["state"]:
            return str(each["containerID"]).rpartition("/")[2]
    raise LookupError(f"{pod['metadata']['name']}: its container {container} does not run")


def kill_container(identity: str, processes: Path = PROCESSES) -> int:
    """SIGKILL to each process of a container; how many there were.

    A process is held by a descriptor before it is looked at, so that its number cannot have gone to another one.

    Raises:
        LookupError: none was found.
    """
    count = 0
    for entry in processes.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            count += _kill_member(int(entry.name), entry, identity)
    if not count:
        raise LookupError(f"no process belongs to container {identity}")
    return count


def _kill_member(number: int, entry: Path, identity: str) -> bool:
    held = os.pidfd_open(number)
    try:
        if identity not in (entry / "cgroup").read_text(encoding="utf-8"):
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    finally:
        os.close(held)
    return True


async def _cluster_tool(*words: str) -> None:
    """Run a command of the suite's own cluster."""
    environment = {"PYTHONPATH": str(TESTS), **os.environ}
    command = [sys.executable, "-m", "cluster", *words]
    await asyncio.to_thread(run_command, command, NODE_SECONDS, environment=environment)
