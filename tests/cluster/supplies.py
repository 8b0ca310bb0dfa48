"""What a cluster is made of, built where the cache has it not yet: programs and images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import build
from cluster.containers import Archive
from cluster.images import VALKEY, build_images
from cluster.places import Places
from cluster.sites import Site
from cluster.up import Images

KEDA = "keda"
MODULES = ("etcd", "kubernetes", "coredns", "registry", "kwok", "device_plugin", "pause", "model")
"""Go modules of every cluster, and of its images."""
TOLD = ("runtime", "model", "sentiment")
"""Images that the tests are told of."""
PRIVATE = "private"
"""The image that is pushed to the registry."""
KEDA_IMAGES = ("keda", "keda-adapter", "keda-admission-webhooks")


@dataclass(frozen=True, slots=True)
class Supplies:
    """A cluster that could be started."""

    site: Site
    images: Images


@dataclass(frozen=True, slots=True)
class KedaSupplies:
    """KEDA as it could be installed."""

    config: Path
    """Its own manifests."""
    images: Mapping[str, Archive]


def get_supplies(places: Places) -> Supplies:
    """Programs and images of a cluster; minutes the first time, a second later on.

    Raises:
        BuildError: a program cannot be built.
        ClusterError: an image cannot be made.
    """
    modules = build(MODULES)
    archives = build_images(modules, ("pause", VALKEY, PRIVATE, *TOLD))
    pause = archives["pause"]
    images = Images(
        pause=pause,
        others=tuple(archive for name, archive in archives.items() if name != "pause"),
        told={name: archives[name].name for name in TOLD},
        private=archives[PRIVATE],
    )
    return Supplies(Site(places.run, modules, pause.name), images)


def get_keda() -> KedaSupplies:
    """KEDA's manifests and images; minutes the first time.

    Raises:
        BuildError: a program cannot be built.
        ClusterError: an image cannot be made.
    """
    modules = build([KEDA])
    return KedaSupplies(modules[KEDA] / "config", build_images(modules, KEDA_IMAGES))
