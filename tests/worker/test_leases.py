"""A healthy request is never stolen: whatever stands still for less than a lease."""

import asyncio
import time

import pytest
from aiohttp import web
from support.worker_scene import ENDPOINT, Scene, StageHand, echo

from runtime.queue.port import Queue, ReplicaState

LEASE_SECONDS = 1.0


async def rival_takes(queue: Queue) -> bool:
    """Whether another ready replica gets anything."""
    await queue.join(ENDPOINT, "rival", "v1")
    await queue.beat(ENDPOINT, "rival", ReplicaState.READY)
    return await queue.take(ENDPOINT, "rival", 30) is not None


async def run_long(stage_hand: StageHand, seconds: float) -> tuple[Scene, str]:
    """A request that runs so long, begun."""
    began = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        began.set()
        await asyncio.sleep(seconds)
        return await echo(request)

    scene = await stage_hand.build(slow, lease_seconds=LEASE_SECONDS, request_seconds=60)
    request_id = await scene.submit(is_async=True)
    await began.wait()
    return scene, request_id


async def test_request_of_many_leases_stays_with_its_worker(stage_hand: StageHand) -> None:
    """It is renewed on a third of the lease."""
    scene, request_id = await run_long(stage_hand, 4 * LEASE_SECONDS)

    stolen = []
    for _ in range(35):
        stolen.append(await rival_takes(scene.queue))
        await asyncio.sleep(LEASE_SECONDS / 10)

    assert not any(stolen)
    assert (await scene.end_of(request_id)).attempt == 1


async def test_event_loop_that_stalls_for_less_than_a_lease_loses_nothing(stage_hand: StageHand) -> None:
    """As a long garbage collection or a SIGSTOP would do."""
    scene, request_id = await run_long(stage_hand, 2 * LEASE_SECONDS)
    await asyncio.sleep(LEASE_SECONDS / 2)

    time.sleep(0.6 * LEASE_SECONDS)  # noqa: ASYNC251 - the stall

    assert not await rival_takes(scene.queue)
    assert (await scene.end_of(request_id)).attempt == 1


async def test_stopped_wall_clock_loses_nothing(
    stage_hand: StageHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases run on the queue's clock, renewals on the loop's; neither reads this machine's wall clock."""
    queue_clock = time.monotonic
    stage_hand.queue_clock = queue_clock
    frozen = time.time()
    monkeypatch.setattr(time, "time", lambda: frozen)
    scene, request_id = await run_long(stage_hand, 2.5 * LEASE_SECONDS)

    await asyncio.sleep(1.5 * LEASE_SECONDS)

    assert not await rival_takes(scene.queue)
    assert (await scene.end_of(request_id)).attempt == 1
