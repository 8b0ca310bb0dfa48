"""Pushed demands, passed on to whoever listens for an endpoint's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.queue.port import Queue

RETRY_SECONDS = 1.0


class Signals:
    """Tells open streams of pushed demands."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._listeners: dict[str, set[asyncio.Event]] = {}

    async def run(self) -> None:
        """Pass demands on; never returns."""
        while True:
            async for endpoint in self._queue.demands():
                self.tell(endpoint)
            await asyncio.sleep(RETRY_SECONDS)

    def tell(self, endpoint: str) -> None:
        """Something has changed about an endpoint."""
        for event in self._listeners.get(endpoint, ()):
            event.set()

    @asynccontextmanager
    async def listening(self, endpoint: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set at each signal while the block runs."""
        event = asyncio.Event()
        self._listeners.setdefault(endpoint, set()).add(event)
        try:
            yield event
        finally:
            self._listeners[endpoint].discard(event)
            if not self._listeners[endpoint]:
                del self._listeners[endpoint]
