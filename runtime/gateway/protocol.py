"""uvicorn's HTTP protocol with one write an answer: head and body of a small one leave in one packet.

uvicorn writes the head and each piece of the body by itself, and uvloop sends each at once: two system
calls for a small answer, and a client that wakes up twice.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_JOINED_BYTES = 64 * 1024


class JoinedWrites:
    """A transport that sends at the end of the loop's turn what was written during it; else as it is."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the bytes before this turn of the loop is over.

        Many are sent at once: only the transport can tell whoever writes on without a pause to wait.
        """
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > MOST_JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        """Close when everything is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pending:
            pending, self._pending, self._pending_bytes = self._pending, [], 0
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))


class JoiningProtocol(HttpToolsProtocol):
    """What uvicorn uses for each connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol.connection_made`."""
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
