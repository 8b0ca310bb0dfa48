"""Answers on their way to slow clients, while the replica that gave them serves the next request."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

MOST_DELIVERIES = 8
"""Answers under way at one time; with more, the next answer waits for one of them."""
DELIVERY_SECONDS = 900.0
"""Longest that one answer may be under way, in seconds: the client is too slow then, and is cut off."""
SMALL_SECONDS = 60.0
"""The same of a small one, which its gateway reads at once or not at all."""

_log = logging.getLogger(__name__)


class Deliveries:
    """The deliveries of one worker."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._room = asyncio.Semaphore(MOST_DELIVERIES)

    @property
    def has_room(self) -> bool:
        """Whether another one would begin at once."""
        return not self._room.locked()

    async def start(self, delivery: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin a delivery, once there is room for it."""
        try:
            await self._room.acquire()
        except BaseException:
            delivery.close()
            raise
        return self._tasks.create_task(self._deliver_large(delivery))

    def start_small(self, delivery: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin a delivery that needs no room: of an answer of some KiB, and whoever begins it waits for its end a while."""
        return self._tasks.create_task(self._deliver(delivery, SMALL_SECONDS))

    async def _deliver_large(self, delivery: Coroutine[Any, Any, None]) -> None:
        try:
            await self._deliver(delivery, DELIVERY_SECONDS)
        finally:
            self._room.release()

    async def _deliver(self, delivery: Coroutine[Any, Any, None], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await delivery
        except TimeoutError:
            return
        except Exception:  # noqa: BLE001 - the edge of a task; another one would end the worker
            _log.exception("an answer could not be handed over")


@asynccontextmanager
async def open_deliveries() -> AsyncIterator[Deliveries]:
    """Deliveries that are through, or cut off, when the block has ended."""
    async with asyncio.TaskGroup() as tasks:
        yield Deliveries(tasks)
