"""Images unpacked once: what a node gets of a store."""

from pathlib import Path

import pytest
from cluster.image_store import DATABASES, _replace, copy_store
from cluster.sites import Site
from cluster.topology import NODES

NODE, _ = NODES
LAYER = "io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/usr/bin/python"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One file of an image, and the databases."""
    folder = tmp_path / "stores" / "abc"
    for name in (LAYER, *DATABASES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("as it was filled")
    return folder


async def test_files_of_images_are_links(store: Path, tmp_path: Path) -> None:
    """They take no time and no room."""
    site = Site(tmp_path / "run", {}, "pause")

    await copy_store(store, site, NODE)

    assert (tmp_path / "run/node1/lib/containerd" / LAYER).samefile(store / LAYER)


async def test_databases_are_a_nodes_own(store: Path, tmp_path: Path) -> None:
    """What one node writes must not reach the store or another node."""
    site = Site(tmp_path / "run", {}, "pause")

    await copy_store(store, site, NODE)
    for name in DATABASES:
        (tmp_path / "run/node1/lib/containerd" / name).write_text("written to")

    assert {(store / name).read_text() for name in DATABASES} == {"as it was filled"}


def test_new_store_takes_the_place_of_others_without_configuration(store: Path, tmp_path: Path) -> None:
    """Each takes most of a gigabyte; and a node would write its configuration through a link."""
    filled = tmp_path / "filled"
    (filled / "io.containerd.content.v1.content").mkdir(parents=True)
    (filled / "config.toml").write_text("version = 2")
    fresh = store.with_name("def")

    _replace(store.parent, filled, fresh)

    assert [path.name for path in fresh.iterdir()] == ["io.containerd.content.v1.content"]
    assert list(store.parent.iterdir()) == [fresh]
