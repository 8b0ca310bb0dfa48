"""How a worker leaves: it finishes the one it has, then is out of the queue."""

import asyncio

from aiohttp import web
from support.worker_scene import ENDPOINT, StageHand, echo, eventually


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
