"""Hashes of what a folder holds, so that an edit of the code is a new revision."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

MOST_FILES = 2_000
MOST_BYTES = 512 * 1024 * 1024
"""Of all files of a folder together; models larger than this belong into a volume or an image."""
CHUNK_BYTES = 1024 * 1024


class FolderTooLargeError(Exception):
    """The folder has more files or bytes than one service has."""


class OutsideLinkError(Exception):
    """A link points out of the folder; `path` is the link's, from the folder."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


def content_hash(folder: Path) -> str:
    """SHA-256 over the names, modes and bytes of a folder's files, in hex.

    Files and folders that begin with a dot, `__pycache__` and compiled files do not count.

    Raises:
        FolderTooLargeError: past `MOST_FILES` or `MOST_BYTES`.
        OutsideLinkError: a link leaves the folder.
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    left = MOST_BYTES
    for count, path in enumerate(_files(folder), start=1):
        left -= path.lstat().st_size
        if count > MOST_FILES or left < 0:
            raise FolderTooLargeError
        name = path.relative_to(folder).as_posix()
        executable = os.access(path, os.X_OK)
        digest.update(f"{name}\0{int(executable)}\0".encode() + _file_digest(path))
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Files that count, sorted by path; a link counts as what it points to inside the folder."""
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _counts(name))
        for name in sorted([*files, *(name for name in folders if Path(parent, name).is_symlink())]):
            path = Path(parent, name)
            if not _counts(name):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise OutsideLinkError(path.relative_to(folder).as_posix())
            if path.is_file():
                yield path


def _counts(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__" and not name.endswith(".pyc")


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
