"""Layers of images on disk, each made once for all that it depends on."""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from cluster.oci import Blob, walk, write_layer

KEY_DIGITS = 16
"""Short, for an overlay of twenty layers must fit into one page."""
UNUSED_DAYS = 14
"""After so long without use a layer is removed."""
UNFINISHED = ".making-"


@dataclass(frozen=True, slots=True)
class Layer:
    """A folder that holds what one step added; nobody changes it any more."""

    folder: Path

    @property
    def key(self) -> str:
        """Changes with all that it was made from."""
        return self.folder.name

    @property
    def tree(self) -> Path:
        """Its files, as below the root of an image."""
        return self.folder / "tree"

    @property
    def work(self) -> Path:
        """What an overlay file system needs beside the tree while it is made."""
        return self.folder / "work"

    def has(self, path: str) -> bool:
        """Whether it holds, or removes, an absolute path."""
        return os.path.lexists(self.tree / path.lstrip("/"))

    def blob(self) -> Blob:
        """The layer as a file of an archive, written the first time it is asked for; its name is its digest."""
        for path in self.folder.glob("*.tar"):
            return Blob(path, f"sha256:{path.stem}", path.stat().st_size)
        unfinished = self.folder / f"unfinished-{os.getpid()}"
        write_layer(self.tree, unfinished)
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = unfinished.rename(self.folder / f"{digest}.tar")
        return Blob(path, f"sha256:{digest}", path.stat().st_size)


@dataclass(frozen=True, slots=True)
class LayerStore:
    """The folder of all layers. Several processes may use it: a layer is there whole or not at all."""

    folder: Path

    def find(self, key: str) -> Layer | None:
        """A layer that was made before."""
        layer = Layer(self.folder / key)
        if not layer.folder.is_dir():
            return None
        # The time of its last use, for `remove_unused`.
        os.utime(layer.folder)
        return layer

    @contextmanager
    def draft(self) -> Iterator[Layer]:
        """An empty layer to be filled; it goes at the end of the block unless it was kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        layer = Layer(Path(mkdtemp(prefix=UNFINISHED, dir=self.folder)))
        layer.tree.mkdir()
        layer.work.mkdir()
        try:
            yield layer
        finally:
            shutil.rmtree(layer.folder, ignore_errors=True)

    def keep(self, draft: Layer, key: str) -> Layer:
        """A filled draft under its key. What is there by then came from the same and stays."""
        shutil.rmtree(draft.work)
        if found := self.find(key):
            return found
        try:
            draft.folder.rename(self.folder / key)
        except OSError:
            if not (self.folder / key).is_dir():
                raise
        return Layer(self.folder / key)

    def remove_unused(self) -> None:
        """Layers that nobody used for long, and what ended processes left half made."""
        if not self.folder.is_dir():
            return
        oldest = time.time() - UNUSED_DAYS * 86_400
        for path in self.folder.iterdir():
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)


def key_of(*parts: str) -> str:
    """A key that changes with each of the parts and their order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part.encode())}:{part}".encode())
    return digest.hexdigest()[:KEY_DIGITS]


def tree_digest(tree: Path) -> str:
    """Changes with the names, modes, links and contents below a folder, not with its times."""
    digest = hashlib.sha256()
    for path in walk(tree):
        mode = path.lstat().st_mode
        digest.update(f"{path.relative_to(tree).as_posix()}\0{mode:o}\0".encode())
        if stat.S_ISLNK(mode):
            digest.update(f"{path.readlink()}\0".encode())
        elif stat.S_ISREG(mode):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
