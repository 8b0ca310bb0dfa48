"""The one place in which a request is answered, and the bounded row of those who wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

WAITING_BOUND = 64
"""Requests that may wait. The platform sends one at a time, so only others ever do."""


class Slot:
    """Held by one request at a time, first come, first served."""

    def __init__(self, bound: int = WAITING_BOUND) -> None:
        self._lock = asyncio.Lock()
        self._bound = bound
        self._waiting = 0

    @property
    def full(self) -> bool:
        """Whether nobody more may wait."""
        return self._waiting >= self._bound

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Hold it for the block; gives whether it had to be waited for."""
        must_wait = self._lock.locked()
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            yield must_wait
        finally:
            self._lock.release()
