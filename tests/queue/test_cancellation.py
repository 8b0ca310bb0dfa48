"""A task that waits for the server can be cancelled, whatever it waits for."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from support.queue_stage import Stage
from support.valkey_server import ValkeyServer

from runtime.queue.valkey import ValkeyQueue

TIMES = 20
MOVES: dict[str, Callable[[Stage], Awaitable[object]]] = {
    "take": lambda stage: stage.queue.take(stage.endpoint, "r1", 1),
    "look": lambda stage: stage.queue.look(stage.endpoint),
    "wait_for_work": lambda stage: stage.queue.wait_for_work(stage.endpoint, 1),
}


@pytest.mark.parametrize("move", MOVES)
async def test_no_cancellation_is_lost(alone_server: ValkeyServer, move: str) -> None:
    """A loop of moves ends when it is cancelled, at whichever moment that comes."""
    queue = ValkeyQueue.connect(alone_server.url)
    stage = Stage(queue)
    await MOVES["look"](stage)
    lost = 0

    async def go_on() -> None:
        while True:
            await MOVES[move](stage)

    for number in range(TIMES):
        task = asyncio.create_task(go_on())
        await asyncio.sleep(0.0003 * (number + 1))
        task.cancel()
        await asyncio.wait([task], timeout=0.2)
        lost += not task.done()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.01)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await queue.close()

    assert lost == 0
