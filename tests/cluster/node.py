"""A real node: a room with containerd, kubelet, kube-proxy and a device plugin in it."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from cluster import cgroups, network
from cluster.containers import start_containerd, write_configuration
from cluster.errors import ClusterError
from cluster.kubelet import (
    KERNEL_SETTINGS,
    PROXY_PORT,
    kubelet_arguments,
    kubelet_configuration,
    proxy_configuration,
)
from cluster.processes import Program
from cluster.rooms import Room, find_room, open_room
from cluster.sites import Site
from cluster.topology import GPU_RESOURCE, NodePlan
from cluster.waiting import until

READY_SECONDS = 60.0
KUBELET_STOP_SECONDS = 10.0
EVER = datetime.min.replace(tzinfo=UTC)
DAEMONS = ("containerd", "kubelet", "kube-proxy", "device-plugin")


async def open_node(site: Site, node: NodePlan) -> Room:
    """Its room, with containerd running.

    Raises:
        ClusterError: the machine does not let us, or containerd does not start.
    """
    cgroups.make(node.cgroup)
    return await open_room_with_containerd(site, node)


async def open_room_with_containerd(site: Site, node: NodePlan) -> Room:
    """A node's room without what makes it a node.

    Raises:
        ClusterError: the machine does not let us, or containerd does not start.
    """
    var_lib = site.folder(node.name, "lib")
    config = write_configuration(node, var_lib, site.pause)
    room = await open_room(node.name, node.network, site.processes, _mounts(site, node))
    await start_containerd(site, room, node, config)
    return room


async def join_cluster(site: Site, node: NodePlan, room: Room) -> None:
    """Start kubelet, kube-proxy and device plugin; the API server must be ready. Returns at once.

    Raises:
        ClusterError: one of them does not start.
    """
    await start_kubelet(site, node, room)
    config = _write(site, node, "kube-proxy", proxy_configuration(node, site.kubeconfig_of("kube-proxy")))
    proxy = (str(site.program("kubernetes", "kube-proxy")), f"--config={config}")
    await site.processes.start(Program(f"{node.name}-kube-proxy", proxy, room.door))
    plugin = (str(site.program("device_plugin")), "-resource", GPU_RESOURCE, "-count", str(node.gpus))
    await site.processes.start(Program(f"{node.name}-device-plugin", plugin, room.door))


async def start_kubelet(site: Site, node: NodePlan, room: Room) -> None:
    """Start the kubelet; returns at once.

    Raises:
        ClusterError: it does not start.
    """
    resolv_conf = site.folder(node.name) / "resolv.conf"
    resolv_conf.write_text("")  # nobody outside answers
    config = _write(site, node, "kubelet", kubelet_configuration(node, site.keys, resolv_conf))
    arguments = kubelet_arguments(node, config, site.kubeconfig_of(node.name))
    argv: tuple[str | Path, ...] = (site.program("kubernetes", "kubelet"), *arguments)
    await site.processes.start(Program(f"{node.name}-kubelet", argv, room.door))


async def restart_kubelet(site: Site, node: NodePlan) -> None:
    """End the kubelet and start it again; pods run on meanwhile. Returns when the node is Ready.

    Raises:
        ClusterError: the node is not running, or does not become Ready.
    """
    room = room_of(site, node)
    await site.processes.stop([f"{node.name}-kubelet"], KUBELET_STOP_SECONDS)
    since = await next_second()
    await start_kubelet(site, node, room)
    await wait_ready(site, node, since)


async def kill_node(site: Site, node: NodePlan) -> None:
    """Cut its power: its network falls silent, then every process on it ends at once.

    Raises:
        ClusterError: it is not running.
    """
    room = room_of(site, node)
    if not node.shares_control_plane:
        await network.pull_out(node)
    await room.close()
    # As on a machine that starts anew; for each that was left the next kubelet would spend seconds.
    await cgroups.remove(node.cgroup)
    for daemon in ("room", *DAEMONS):
        site.processes.forget(f"{node.name}-{daemon}")


async def start_node(site: Site, node: NodePlan) -> None:
    """Switch it on again, with the disk that it had; returns when it is Ready.

    Raises:
        ClusterError: it is running, or does not become Ready.
    """
    if find_room(node.name, site.processes) is not None:
        raise ClusterError(f"{node.name} is running already.")
    since = await next_second()
    await network.plug_in(node)
    room = await open_node(site, node)
    await join_cluster(site, node, room)
    await wait_ready(site, node, since)


async def next_second() -> datetime:
    """Kubelets tell their times in whole seconds: what one says from now on is later than what was said before."""
    now = datetime.now(UTC)
    following = now.replace(microsecond=0) + timedelta(seconds=1)
    await asyncio.sleep((following - now).total_seconds())
    return following


async def wait_ready(site: Site, node: NodePlan, since: datetime = EVER) -> None:
    """Return when a kubelet that was started since then has the node Ready, with GPUs and ways to services.

    Raises:
        ClusterError: it is not in time.
    """
    room = room_of(site, node)
    watched = [f"{node.name}-{daemon}" for daemon in DAEMONS]

    async def ready() -> bool:
        if not await room.answers(PROXY_PORT, "/healthz"):
            return False
        words = ("get", "node", node.name, "--ignore-not-found", "--output=json")
        found = json.loads(await site.kubectl(*words) or "{}")
        return is_ready(found, node.gpus, since)

    await until(f"{node.name} is Ready", ready, READY_SECONDS, site.processes, watched)


def is_ready(found: Mapping[str, Any], gpus: int, since: datetime) -> bool:
    """Whether a Node is Ready with so many GPUs, as its kubelet said since then and not before."""
    status = found.get("status", {})
    said = [
        condition
        for condition in status.get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]
    fresh = any(datetime.fromisoformat(condition["lastHeartbeatTime"]) >= since for condition in said)
    return fresh and status.get("allocatable", {}).get(GPU_RESOURCE) == str(gpus)


def room_of(site: Site, node: NodePlan) -> Room:
    """Its room.

    Raises:
        ClusterError: it is not running.
    """
    room = find_room(node.name, site.processes)
    if room is None:
        raise ClusterError(f"{node.name} is not running. Start it: python -m cluster start-node {node.name}")
    return room


def _write(site: Site, node: NodePlan, name: str, content: Mapping[str, Any]) -> Path:
    path = site.folder(node.name) / f"{name}.json"
    path.write_text(json.dumps(content, indent=1))
    return path


def _mounts(site: Site, node: NodePlan) -> str:
    """The script by which a node's room sees folders of its own, where programs insist on the machine's."""
    settings = site.folder(node.name, "kernel")
    lines = [f"echo {node.name} > /proc/sys/kernel/hostname"]
    for name, value in KERNEL_SETTINGS.items():
        file = settings / name.replace("/", ".")
        file.write_text(f"{value}\n")
        lines.append(f"mount --bind {quote(str(file))} /proc/sys/{name}")
    folders = (site.folder(node.name, name) for name in ("lib", "log"))
    lines += [f"mount --bind {quote(str(folder))} /var/{folder.name}" for folder in folders]
    # Sockets and locks; empty after each start, as on a machine.
    lines += ["mount -t tmpfs -o mode=755 tmpfs /run", "mkdir /run/lock"]
    return "\n".join(lines)
