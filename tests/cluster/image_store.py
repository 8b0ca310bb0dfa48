"""Images as containerd keeps them, unpacked once for both nodes and for every cluster that follows.

To import half a gigabyte on each node of each cluster takes longer than all the rest, most of all where the disk is
slow. A store is a containerd folder of which each node gets a copy: hard links of the images' files, which nobody
writes to (a container gets a copy of what it changes), and copies of the databases.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from cluster.commands import command
from cluster.containers import STORE, Archive, import_images
from cluster.layers import key_of
from cluster.node import open_room_with_containerd
from cluster.sites import Site
from cluster.topology import ADDRESS, NETWORK, NodePlan

BUILDER = NodePlan("store", ADDRESS, NETWORK, "10.244.255.0/24", 0, {})
"""No node: the room in which a store is filled."""
DATABASES = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
)
"""Files that containerd writes to."""
STOP_SECONDS = 15.0
COPY_SECONDS = 120.0


async def get_store(site: Site, archives: Iterable[Archive]) -> Path:
    """A store of exactly these images; others are removed when one is made, as each takes a gigabyte.

    Raises:
        ClusterError: an archive is not there or not an image.
    """
    wanted = list(archives)
    version = await command("containerd", "--version", seconds=STOP_SECONDS)
    store = site.stores / key_of(version, *(f"{archive.name} {archive.path.name}" for archive in wanted))
    if not store.is_dir():
        filled = await _fill(site, wanted)
        _replace(site.stores, filled, store)
    return store


async def copy_store(store: Path, site: Site, node: NodePlan) -> None:
    """Give a node the images of a store, before its containerd starts.

    Raises:
        ClusterError: the store is on another disk than the run folder, or the disk is full.
    """
    folder = site.folder(node.name, "lib", Path(STORE).name)
    await command("cp", "-al", f"{store}/.", folder, seconds=COPY_SECONDS)
    for name in DATABASES:
        await command("cp", "--remove-destination", store / name, folder / name, seconds=COPY_SECONDS)


async def _fill(site: Site, archives: list[Archive]) -> Path:
    room = await open_room_with_containerd(site, BUILDER)
    await import_images(room, archives)
    # It must close its databases: what is copied later is what lies on the disk.
    await site.processes.stop([f"{BUILDER.name}-containerd"], STOP_SECONDS)
    await room.close()
    site.processes.forget(f"{BUILDER.name}-room")
    return site.folder(BUILDER.name, "lib", Path(STORE).name)


def _replace(stores: Path, filled: Path, store: Path) -> None:
    shutil.rmtree(stores, ignore_errors=True)
    stores.mkdir(parents=True)
    unfinished = stores / f"{store.name}.unfinished"
    unfinished.mkdir()
    # Not the configuration: each node has its own, and would write through a link.
    for path in filled.glob("io.containerd.*"):
        path.rename(unfinished / path.name)
    unfinished.rename(store)
