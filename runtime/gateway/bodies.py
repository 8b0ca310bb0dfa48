"""Reading a request's body, bounded: a small one into memory, a large one into the object store as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.types import Receive

from runtime.gateway.errors import BodyTimeoutError, BodyTooLargeError
from runtime.objects import Objects, body_name

INLINE_BYTES = 256 * 1024
"""A larger body does not stand in the queue but in the object store."""
SILENCE_SECONDS = 60.0
"""How long a client may send nothing in the middle of its body."""


class ClientGoneError(Exception):
    """The client closed its connection; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read whole."""

    data: bytes
    ref: str | None
    """Name in the object store, where it is too large for `data`."""
    size: int


@dataclass(slots=True)
class BodyReader:
    """Reads one request's body; `is_read` tells whether the client has sent all of it."""

    receive: Receive
    most_bytes: int = 0
    is_read: bool = False
    listeners: list[Callable[[bytes], None]] = field(default_factory=list)
    """Told every piece as it comes."""

    async def read(
        self,
        request_id: str,
        declared: int | None,
        objects: Objects,
        before_large: Callable[[], Awaitable[None]],
    ) -> Body:
        """The body; `before_large` may refuse before more than INLINE_BYTES are read.

        Raises:
            BodyTooLargeError: it is, or says it will be, larger than allowed.
            BodyTimeoutError: the client fell silent.
            ClientGoneError: the client went away.
        """
        if declared is not None and declared > self.most_bytes:
            raise self._too_large()
        if declared is not None and declared > INLINE_BYTES:
            await before_large()
        first = await self._read_up_to(INLINE_BYTES)
        if len(first) > self.most_bytes:
            raise self._too_large()
        if self.is_read and len(first) <= INLINE_BYTES:
            return Body(first, None, len(first))
        if declared is None:
            await before_large()
        name = body_name(request_id)
        size = await objects.write(name, self._rest(first))
        return Body(b"", name, size)

    async def drop_rest(self, most: int) -> None:
        """Read what is left, up to so many bytes, and forget it.

        Raises:
            BodyTimeoutError: the client fell silent.
            ClientGoneError: the client went away.
        """
        self.listeners.clear()
        dropped = 0
        while not self.is_read and dropped < most:
            dropped += len(await self._next())

    async def _read_up_to(self, most: int) -> bytes:
        """The body's beginning: all of it, or as soon as it is more than `most` bytes."""
        chunks: list[bytes] = []
        size = 0
        while not self.is_read and size <= most:
            chunk = await self._next()
            size += len(chunk)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _rest(self, first: bytes) -> AsyncIterator[bytes]:
        size = len(first)
        yield first
        while not self.is_read:
            chunk = await self._next()
            size += len(chunk)
            if size > self.most_bytes:
                raise self._too_large()
            yield chunk

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self.receive()
        except TimeoutError as exc:
            raise BodyTimeoutError(f"No byte of the body came for {SILENCE_SECONDS:.0f} s.") from exc
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        self.is_read = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        for listener in self.listeners:
            listener(body)
        return body

    def _too_large(self) -> BodyTooLargeError:
        mib = self.most_bytes // (1024 * 1024)
        return BodyTooLargeError(
            f"The body is larger than this endpoint takes: {mib} MiB (limits.body_mib in endpoints.yaml)."
        )
