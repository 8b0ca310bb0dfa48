"""A GET of an endpoint's health path: answered here, never queued; it wakes an endpoint at zero."""

import asyncio

from runtime.gateway.errors import NotReadyError
from runtime.gateway.looks import QUEUE_SECONDS, Looks, queue_away
from runtime.gateway.metrics import count_replicas
from runtime.gateway.registry import Served
from runtime.queue.port import Queue, QueueError, ReplicaState
from runtime.waiting import explain

RETRY_SECONDS = 1.0
"""Least Retry-After while no replica is ready."""


class Health:
    """Tells whether an endpoint could answer now."""

    def __init__(self, queue: Queue, looks: Looks) -> None:
        self._queue = queue
        self._looks = looks

    async def check(self, served: Served) -> None:
        """Return when a replica is ready or busy.

        Raises:
            NotReadyError: none is; one has been asked for.
            QueueAwayError: the queue is away.
        """
        view = await self._looks.now(served.name)
        if count_replicas(view, ReplicaState.READY, ReplicaState.BUSY):
            return
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._queue.nudge(served.name)
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc
        why = explain(view, served.record.scaling)
        raise NotReadyError(
            f"No replica of {served.name!r} is ready yet: {why.cause or 'one is starting'}.",
            retry_after=max(RETRY_SECONDS, why.estimate_seconds or 0.0),
        )
