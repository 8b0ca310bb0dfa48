"""Writes images as archives that containerd and Docker read; the same content gives the same bytes.

An archive is an OCI layout with Docker's older `manifest.json` beside it, as `docker save` writes it. Layers are not
compressed: they go to a node of the same machine. Times of files are dropped: compiled modules must not depend on them
(`PYC_INVALIDATION_MODE` of our Dockerfiles).
"""

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MTIME = 946_684_800
"""Of all files: the year 2000. Some programs refuse files from before 1980."""
CREATED = "2000-01-01T00:00:00Z"
TAG_DIGITS = 12
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TYPES = "application/vnd.oci.image"
WHITEOUT = ".wh."
"""Begins the name of what a layer removes."""
OPAQUE = f"{WHITEOUT}{WHITEOUT}.opq"
"""Stands in a folder of which a layer removes all that was there."""
OVERLAY_OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file by its digest, `sha256:…`."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about how it is run; empty means that it says nothing."""

    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""


def write_layer(tree: Path, target: Path) -> None:
    """A folder as a layer, owners, modes, links and removals included.

    What an overlay file system notes as removed (a device 0/0, an opaque folder) becomes a whiteout. Sockets and
    device nodes are left out: a container gets its own.
    """
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in walk(tree):
            name = path.relative_to(tree).as_posix()
            if entry := _entry(tar, path, name):
                with path.open("rb") if entry.isreg() and entry.size else io.BytesIO() as content:
                    tar.addfile(entry, content)
                if entry.isdir() and _is_opaque(path):
                    tar.addfile(_timeless(tarfile.TarInfo(f"{name}/{OPAQUE}")))


def walk(tree: Path) -> Iterator[Path]:
    """All below a folder in a fixed order, each folder before what it holds; links are not followed."""
    for path in sorted(tree.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)


def _entry(tar: tarfile.TarFile, path: Path, name: str) -> tarfile.TarInfo | None:
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return _timeless(tarfile.TarInfo((Path(name).parent / f"{WHITEOUT}{path.name}").as_posix()))
    entry = tar.gettarinfo(path, name)
    # None for a socket, whatever its type says.
    return None if not entry or entry.isdev() else _timeless(entry)


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = MTIME
    # Owners count by number: the names are those of this machine.
    entry.uname = entry.gname = ""
    return entry


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, OVERLAY_OPAQUE) == b"y"
    except OSError:
        return False


def image_tag(config: ImageConfig, layers: Sequence[Blob]) -> str:
    """Twelve hexadecimal digits that change with all that is in an image."""
    return hashlib.sha256(_config(config, layers)).hexdigest()[:TAG_DIGITS]


def write_archive(target: Path, name: str, config: ImageConfig, layers: Sequence[Blob]) -> None:
    """An image by its full name, `docker.io/moorage/model:0123456789ab`, as a file that is there whole or not at all."""
    documents = _documents(name, config, layers)
    unfinished = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
            for path, document in documents.items():
                _add(tar, path, io.BytesIO(document), len(document))
            # Two steps may have made the same, such as nothing.
            for digest, blob in {blob.digest: blob for blob in layers}.items():
                with blob.path.open("rb") as content:
                    _add(tar, _place(digest), content, blob.size)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _documents(name: str, config: ImageConfig, layers: Sequence[Blob]) -> dict[str, bytes]:
    """Path in the archive to content: all but the layers."""
    described = _config(config, layers)
    manifest = _manifest(described, layers)
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "mediaType": f"{TYPES}.index.v1+json",
        "manifests": [{**_descriptor("manifest.v1+json", manifest), "annotations": names}],
    }
    old = [
        {
            "Config": _place(_digest(described)),
            "RepoTags": [name],
            "Layers": [_place(layer.digest) for layer in layers],
        }
    ]
    return {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json(old),
        _place(_digest(described)): described,
        _place(_digest(manifest)): manifest,
    }


def _config(config: ImageConfig, layers: Sequence[Blob]) -> bytes:
    said = {
        "User": config.user,
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "WorkingDir": config.workdir,
    }
    return _json(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": CREATED,
            "config": {name: value for name, value in said.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )


def _manifest(config: bytes, layers: Sequence[Blob]) -> bytes:
    kind = f"{TYPES}.layer.v1.tar"
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{TYPES}.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [{"mediaType": kind, "digest": layer.digest, "size": layer.size} for layer in layers],
        }
    )


def _descriptor(kind: str, document: bytes) -> dict[str, object]:
    return {"mediaType": f"{TYPES}.{kind}", "digest": _digest(document), "size": len(document)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = _timeless(tarfile.TarInfo(name))
    entry.size = size
    tar.addfile(entry, content)
