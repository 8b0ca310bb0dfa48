"""Objects as files of one folder: one machine's store. A half-written one is never seen: it appears by a rename."""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from runtime.objects.port import CHUNK_BYTES, Kind, NoObjectError, ObjectsFullError, check_name


class FolderObjects:
    """Objects as files of one folder, which is made (mode 0700) at the first write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """See `Objects.write`; on disk (fsync) before it returns."""
        place = self._place(name)
        unfinished = self._folder / f".{name}.{secrets.token_hex(4)}"
        file = await asyncio.to_thread(self._create, unfinished)
        try:
            with _full_disk_named():
                size = await _pour(chunks, file)
                await asyncio.to_thread(_commit, file, unfinished, place)
        except BaseException:
            file.close()
            unfinished.unlink(missing_ok=True)
            raise
        return size

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See `Objects.read`."""
        place = self._place(name)
        try:
            file = await asyncio.to_thread(place.open, "rb", buffering=0)
        except FileNotFoundError as exc:
            raise NoObjectError(name) from exc
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def size(self, name: str) -> int:
        """See `Objects.size`."""
        try:
            status = await asyncio.to_thread(self._place(name).stat)
        except FileNotFoundError as exc:
            raise NoObjectError(name) from exc
        return status.st_size

    async def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        await asyncio.to_thread(self._place(name).unlink, missing_ok=True)

    async def used_bytes(self) -> int:
        """How many bytes all objects take, unfinished ones too."""
        return await asyncio.to_thread(_bytes_in, self._folder)

    async def remove_older_than(self, seconds: float, now: float, kind: Kind) -> int:
        """See `Objects.remove_older_than`; unfinished files count too, for their writer was killed."""
        return await asyncio.to_thread(self._remove_older_than, now - seconds, f".{kind}")

    def _place(self, name: str) -> Path:
        check_name(name)
        return self._folder / name

    def _create(self, path: Path) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path.open("xb", buffering=0)

    def _remove_older_than(self, moment: float, suffix: str) -> int:
        removed = 0
        for path in self._folder.glob(f"*{suffix}*"):
            try:
                if path.stat().st_mtime < moment:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed


@contextmanager
def _full_disk_named() -> Iterator[None]:
    """A disk without room is a full store."""
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ObjectsFullError("the disk is full") from exc
        raise


async def _pour(chunks: AsyncIterator[bytes], file: BinaryIO) -> int:
    """Write chunks of any size in steps of CHUNK_BYTES, each in a thread; how many bytes it was."""
    size = 0
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        if len(pending) >= CHUNK_BYTES:
            size += len(pending)
            await asyncio.to_thread(_write_all, file, bytes(pending))
            pending.clear()
    await asyncio.to_thread(_write_all, file, bytes(pending))
    return size + len(pending)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        # An unbuffered file may take less than it was given.
        view = view[file.write(view) :]


def _commit(file: BinaryIO, unfinished: Path, place: Path) -> None:
    os.fsync(file.fileno())
    file.close()
    unfinished.rename(place)


def _bytes_in(folder: Path) -> int:
    """Sum of the files' sizes; one that goes meanwhile counts nothing."""
    total = 0
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return 0
    for entry in entries:
        try:
            total += entry.stat().st_size
        except FileNotFoundError:
            continue
    return total
