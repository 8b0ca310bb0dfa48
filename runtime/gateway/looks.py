"""Looking at endpoints: at this moment, or shared by all who ask within a second."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from runtime.gateway.errors import QueueAwayError
from runtime.queue.port import EndpointView, Queue, QueueError

QUEUE_SECONDS = 5.0
"""Longest wait for one move of the queue."""
QUEUE_RETRY_SECONDS = 2.0
"""Retry-After while the queue is away: a restart takes about that long."""
RECENT_SECONDS = 1.0
"""How old a shared look may be, so that a flood of askers costs the queue one look a second."""


class Looks:
    """Views of endpoints."""

    def __init__(self, queue: Queue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._clock = clock
        self._recent: dict[str, tuple[float, EndpointView]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def now(self, endpoint: str) -> EndpointView:
        """The endpoint at this moment.

        Raises:
            QueueAwayError: the queue is away.
        """
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                view = await self._queue.look(endpoint)
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc
        self._recent[endpoint] = self._clock(), view
        return view

    async def recent(self, endpoint: str) -> EndpointView:
        """The endpoint as it was within the last second; whoever asks meanwhile shares the look.

        Raises:
            QueueAwayError: the queue is away.
        """
        async with self._turns.setdefault(endpoint, asyncio.Lock()):
            taken_at, view = self._recent.get(endpoint, (0.0, None))
            if view is None or self._clock() - taken_at >= RECENT_SECONDS:
                view = await self.now(endpoint)
        return view

    async def recent_if_any(self, endpoint: str) -> EndpointView | None:
        """As `recent`; None while the queue is away."""
        with suppress(QueueAwayError):
            return await self.recent(endpoint)
        return None


def queue_away() -> QueueAwayError:
    """The refusal while the queue is away."""
    return QueueAwayError(
        "The queue cannot be reached or has no memory left, so nothing was accepted. Try again shortly.",
        retry_after=QUEUE_RETRY_SECONDS,
    )
