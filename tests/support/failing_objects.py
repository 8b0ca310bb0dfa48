"""An object store that fails as a test wants it to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from runtime.objects import FolderObjects, ObjectError


class FailingObjects(FolderObjects):
    """A folder's store until `fault` is set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fault: ObjectError | None = None
        self.never: asyncio.Event | None = None
        """Where set, nothing is removed before it is."""

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """See `Objects.write`."""
        self._fail()
        return await super().write(name, chunks)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See `Objects.read`."""
        self._fail()
        async for chunk in super().read(name):
            yield chunk

    async def size(self, name: str) -> int:
        """See `Objects.size`."""
        self._fail()
        return await super().size(name)

    async def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        self._fail()
        if self.never is not None:
            await self.never.wait()
        await super().remove(name)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
