"""Object store for what is too large to stand in the queue: request bodies and stored answers.

`FolderObjects` keeps one file an object. A name is a request id and what it holds, so that no name can
leave the folder; a half-written object is never seen, for it appears by a rename.
"""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from runtime.wire import is_request_id

Kind = Literal["body", "answer"]
CHUNK_BYTES = 256 * 1024
"""How much is read or written at a time: the memory one transfer costs."""

_NAME = re.compile(r"(?P<id>.+?)\.(?:body|[1-9][0-9]{0,2}\.answer)")


class ObjectError(Exception):
    """The object store refused; subclasses say why."""


class BadNameError(ObjectError, ValueError):
    """The text is no object name: a request id and `.body` or `.<attempt>.answer`."""


class NoObjectError(ObjectError, LookupError):
    """There is no such object (any more)."""


def body_name(request_id: str) -> str:
    """Where a request's body is kept."""
    return f"{request_id}.body"


def answer_name(request_id: str, attempt: int) -> str:
    """Where an attempt's answer is kept; one a take, so that a late worker cannot overwrite another's."""
    return f"{request_id}.{attempt}.answer"


class Objects(Protocol):
    """Named, write-once byte strings of any size. Every method raises BadNameError for a bad name."""

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store all chunks under the name, whole or not at all; its size in bytes comes back."""
        ...

    def read(self, name: str) -> AsyncIterator[bytes]:
        """The object, in chunks of at most 256 KiB.

        Raises:
            NoObjectError: at the first chunk, when there is none.
        """
        ...

    async def size(self, name: str) -> int:
        """Its size in bytes.

        Raises:
            NoObjectError: there is none.
        """
        ...

    async def remove(self, name: str) -> None:
        """Forget the object; no fault where there is none."""
        ...

    async def remove_older_than(self, seconds: float, now: float, kind: Kind) -> int:
        """Forget objects of a kind written so long before `now` (epoch seconds); how many comes back."""
        ...


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
        match = _NAME.fullmatch(name)
        if match is None or not is_request_id(match["id"]):
            raise BadNameError(f"{name!r} is no object name")
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
