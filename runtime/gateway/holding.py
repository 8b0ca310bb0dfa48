"""Telling the queue, again and again, that this gateway's clients still wait; and hearing who waits in vain."""

import asyncio

import structlog

from runtime.gateway.errors import CancelledByUserError, GatewayError
from runtime.gateway.looks import QUEUE_SECONDS
from runtime.gateway.outcome import is_final, lost, why_no_answer
from runtime.gateway.waiters import Waiters
from runtime.queue.port import HOLD_SECONDS, Queue, QueueError, RequestView

RENEW_SECONDS = 1.5
"""How often; a quarter of HOLD_SECONDS, so that three may fail."""


class Holding:
    """Renews the holds of one gateway."""

    def __init__(
        self,
        queue: Queue,
        gateway: str,
        waiters: Waiters,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._queue = queue
        self._gateway = gateway
        self._waiters = waiters
        self._log = log

    async def follow(self) -> None:
        """Renew for ever."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew every endpoint's hold once; clients that wait in vain get their error."""
        async with asyncio.TaskGroup() as group:
            for endpoint, request_ids in self._waiters.queued().items():
                group.create_task(self._renew_one(endpoint, request_ids))

    async def _renew_one(self, endpoint: str, request_ids: list[str]) -> None:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                hopeless = await self._queue.hold(endpoint, self._gateway, request_ids, HOLD_SECONDS)
                for request_id in hopeless:
                    await self._tell(request_id)
        except (QueueError, TimeoutError) as exc:
            self._log.warning("hold failed", endpoint=endpoint, fault=type(exc).__name__)

    async def _tell(self, request_id: str) -> None:
        view = await self._queue.find(request_id)
        waiter = self._waiters.find(request_id)
        if waiter is None:
            return
        if view is not None and view.answer is not None:
            waiter.turn_to_stored()
        else:
            waiter.refuse(_why_in_vain(view))


def _why_in_vain(view: RequestView | None) -> GatewayError:
    if view is None:
        return lost()
    if not is_final(view.state):
        # It still runs, but its answer is not wanted: it was cancelled in the middle.
        return CancelledByUserError("The request was cancelled.")
    return why_no_answer(view)
