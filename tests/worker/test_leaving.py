"""How a worker leaves: it finishes the one it has, then is out of the queue."""

import asyncio
import time

from aiohttp import web
from support.worker_scene import ENDPOINT, StageHand, echo, eventually

from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Taken


async def test_busy_worker_that_is_told_to_leave_finishes_first(stage_hand: StageHand) -> None:
    """SIGTERM loses nothing, whenever it comes."""
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await go_on.wait()
        return await echo(request)

    scene = await stage_hand.build(slow)
    await scene.submit()
    await eventually(lambda: scene.condition.is_busy)

    scene.condition.leave()
    await asyncio.sleep(0)
    go_on.set()

    assert (await scene.hear())[0].is_whole
    await stage_hand.strike()
    assert (await scene.queue.look(ENDPOINT)).replicas == ()


async def test_idle_worker_leaves_at_once(stage_hand: StageHand) -> None:
    """It does not sleep its nap out."""
    scene = await stage_hand.build(echo)
    await eventually(lambda: scene.condition.may_take)
    began = asyncio.get_running_loop().time()

    await stage_hand.strike()

    assert asyncio.get_running_loop().time() - began < 0.9


async def test_leaving_worker_takes_nothing_more(stage_hand: StageHand) -> None:
    """What waits is another's."""
    scene = await stage_hand.build(echo)
    await eventually(lambda: scene.condition.may_take)
    scene.condition.leave()

    await scene.submit()
    await stage_hand.strike()

    assert scene.gateway.heard == []
    assert (await scene.queue.look(ENDPOINT)).waiting == 1


class SlowQueue(MemoryQueue):
    """One whose answer to a take is on its way for as long as the test wants."""

    def __init__(self) -> None:
        super().__init__(time.time)
        self.go_on = asyncio.Event()

    async def take(self, endpoint: str, replica: str, lease_seconds: float) -> Taken | None:
        """See the port."""
        taken = await super().take(endpoint, replica, lease_seconds)
        if taken is not None:
            await self.go_on.wait()
        return taken


async def test_drain_sees_a_request_that_is_on_its_way(stage_hand: StageHand) -> None:
    """Else the model would be stopped just as the request reaches it, and be blamed for dying."""
    queue = SlowQueue()
    scene = await stage_hand.build(echo, queue=queue)
    request_id = await scene.submit()
    await eventually(lambda: scene.condition.is_taking and scene.condition.may_take)
    async with asyncio.timeout(5):
        while not (await queue.look(ENDPOINT)).running:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)

    scene.condition.drain()
    idle = asyncio.create_task(scene.condition.wait_idle())
    await asyncio.sleep(0)
    assert not idle.done()
    queue.go_on.set()
    await idle

    assert (await scene.hear())[0].request_id == request_id
    assert (await queue.look(ENDPOINT)).running == 0
