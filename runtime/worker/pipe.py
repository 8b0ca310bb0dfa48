"""A bounded buffer between a model and the client of its answer.

The model must not wait for a slow client: its replica is free when it has finished. So what it says goes
into the pipe, and whoever reads the pipe may still be reading when the replica serves the next request.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

PIPE_BYTES = 8 * 1024 * 1024
"""Most bytes in a pipe; past it the model waits for its reader."""


class BrokenOffError(Exception):
    """The writer cannot go on: what was written is not the whole."""


class Pipe:
    """Bytes from one writer to one reader, in order.

    The chunk that completes `whole_bytes` is held back until `close`, so that whoever counts does not take
    the answer for whole before its writer says so.
    """

    def __init__(self, most_bytes: int = PIPE_BYTES, whole_bytes: int | None = None) -> None:
        self._most_bytes = most_bytes
        self._missing_bytes = whole_bytes
        self._last = b""
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._is_closed = False
        self._is_broken = False
        self._is_abandoned = False
        self._moved = asyncio.Event()

    async def write(self, chunk: bytes) -> None:
        """Add a chunk; waits while the pipe is full. Dropped when nobody reads any more."""
        while self._size >= self._most_bytes and not self._is_abandoned:
            await self._wait()
        if self._missing_bytes is not None:
            self._missing_bytes -= len(chunk)
        if self._missing_bytes == 0:
            self._last = chunk
        elif not self._is_abandoned:
            self._add(chunk)

    def close(self) -> None:
        """That was all; what was held back follows."""
        if self._last and not self._is_abandoned and not self._is_closed:
            self._add(self._last)
        self._is_closed = True
        self._moved.set()

    def break_off(self) -> None:
        """There is more, but it will never come: the reader hears an error after what is there.

        Nothing happens once it was closed.
        """
        self._is_broken = self._is_broken or not self._is_closed
        self._is_closed = True
        self._moved.set()

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._is_abandoned = True
        self._chunks.clear()
        self._size = 0
        self._moved.set()

    async def read(self) -> AsyncIterator[bytes]:
        """All that is written, as it comes.

        Raises:
            BrokenOffError: the writer broke off.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                self._moved.set()
                yield chunk
            if self._is_closed:
                break
            await self._wait()
        if self._is_broken:
            raise BrokenOffError

    def _add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._moved.set()

    async def _wait(self) -> None:
        self._moved.clear()
        await self._moved.wait()
