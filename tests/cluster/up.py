"""Brings a cluster up: all that does not wait for something else starts at the same time."""

import asyncio
from asyncio import Task, TaskGroup
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster import network
from cluster.certificates import identities, make_keys
from cluster.containers import Archive, import_images, push_image
from cluster.control_plane import ROOM, start_api, start_controllers
from cluster.dns import start_dns
from cluster.errors import ClusterError
from cluster.fake_nodes import start_fake_nodes
from cluster.image_store import copy_store, get_store
from cluster.kubeconfigs import write_kubeconfig
from cluster.leftovers import BEFORE, snapshot, write_snapshot
from cluster.node import join_cluster, open_node, room_of, wait_ready
from cluster.private_registry import Login, start_registry, write_login
from cluster.progress import Tell
from cluster.rooms import Room, open_room
from cluster.sites import Site
from cluster.stopwatch import Stopwatch
from cluster.storage import add_storage
from cluster.topology import NETWORK, NODES, NodePlan

UP_SECONDS = 240.0
"""For all of it; each step has a deadline of its own besides."""


@dataclass(frozen=True, slots=True)
class Images:
    """What the nodes have without asking a registry."""

    pause: Archive
    others: tuple[Archive, ...]
    told: Mapping[str, str]
    """What the tests call those that they need to know: `runtime`, `model`, `sentiment`."""
    private: Archive
    """The one of the others that is pushed to the registry."""

    @property
    def archives(self) -> tuple[Archive, ...]:
        """All of them."""
        return (self.pause, *self.others)

    @property
    def names(self) -> set[str]:
        """Of all of them."""
        return {archive.name for archive in self.archives}


async def bring_up(site: Site, images: Images, say: Tell) -> None:
    """A cluster with both nodes Ready and all images on them.

    Raises:
        ClusterError: something did not come up; with the last lines of its log.
        ExceptionGroup: of ClusterErrors, where several things failed.
    """
    watch = Stopwatch(say)
    site.save()
    write_snapshot(await snapshot(), site.run / BEFORE)
    try:
        async with asyncio.timeout(UP_SECONDS):
            await _prepare(site)
            watch.tell("networks and keys")
            await _start(site, images, watch)
    except TimeoutError:
        raise ClusterError(f"The cluster is not up after {UP_SECONDS:g} s.") from None
    site.mark_up(images.told, images.names)


async def refresh(site: Site, images: Images, say: Tell) -> None:
    """Bring a cluster that is up the images that were made since; its daemons stay as they are.

    Raises:
        ClusterError: a node is not running.
        ExceptionGroup: of ClusterErrors, where an image cannot be imported.
    """
    if not Site.load(site.run).is_like(site):
        say(
            "Its programs are not those of the sources any more. For new ones: python -m cluster down, then up"
        )
    known = site.known_images()
    fresh = [archive for archive in images.others if archive.name not in known]
    async with TaskGroup() as group:
        for node in NODES:
            group.create_task(import_images(room_of(site, node), fresh))
    site.mark_up(images.told, {*known, *images.names})
    say(f"New images: {', '.join(archive.name for archive in fresh) or 'none'}")


async def _prepare(site: Site) -> None:
    await network.make_networks()
    await make_keys(site.keys.folder)
    folder = site.folder("kubeconfigs")
    for name in identities():
        write_kubeconfig(site.keys, name, folder / name)


async def _start(site: Site, images: Images, watch: Stopwatch) -> None:
    control = await open_room(ROOM, NETWORK, site.processes, ":")
    async with TaskGroup() as group:
        api = group.create_task(_api(site, control, watch))
        group.create_task(_rest_of_control_plane(site, control, api, watch))
        login = group.create_task(start_registry(site, control))
        store = group.create_task(get_store(site, images.archives))
        rooms = [group.create_task(_room(site, node, store, watch)) for node in NODES]
        for node, room in zip(NODES, rooms, strict=True):
            group.create_task(_node(site, node, room, api, watch))
        group.create_task(_private_image(site, rooms[0], images, login))


async def _api(site: Site, room: Room, watch: Stopwatch) -> None:
    await start_api(site, room)
    watch.tell("API server ready")


async def _rest_of_control_plane(site: Site, room: Room, api: Task[None], watch: Stopwatch) -> None:
    await api
    async with TaskGroup() as group:
        group.create_task(start_controllers(site, room))
        group.create_task(start_dns(site, room))
        group.create_task(start_fake_nodes(site, room))
        group.create_task(add_storage(site))
    watch.tell("controllers, DNS and storage ready")


async def _room(site: Site, node: NodePlan, store: Task[Path], watch: Stopwatch) -> Room:
    await copy_store(await store, site, node)
    room = await open_node(site, node)
    watch.tell(f"images on {node.name}")
    return room


async def _node(site: Site, node: NodePlan, room: Task[Room], api: Task[None], watch: Stopwatch) -> None:
    await api
    await join_cluster(site, node, await room)
    await wait_ready(site, node)
    watch.tell(f"{node.name} ready, {node.gpus} GPUs")


async def _private_image(site: Site, room: Task[Room], images: Images, login: Task[Login]) -> None:
    entered = await login
    await push_image(await room, images.private.name, entered.image, entered.credentials)
    write_login(entered, site.login)
