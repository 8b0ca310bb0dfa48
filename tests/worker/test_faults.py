"""What a worker does when a model, a lease or its own time runs out."""

import asyncio

from aiohttp import web
from support.worker_scene import ENDPOINT, ROOMY, Scene, StageHand, echo, eventually

from runtime.queue.memory import MemoryQueue
from runtime.queue.port import NewRequest, ReplicaState
from runtime.wire import RequestHead, RequestState, new_request_id


async def drop(request: web.Request) -> web.Response:
    """A model that dies under a request: the connection breaks without an answer."""
    assert request.transport is not None
    request.transport.close()
    await asyncio.sleep(0.05)
    return web.Response()


async def test_three_deaths_of_the_model_make_a_dead_letter(stage_hand: StageHand) -> None:
    """Exactly three takes, then a clear error to the one who waits."""
    tries = 0

    async def die(request: web.Request) -> web.Response:
        nonlocal tries
        tries += 1
        return await drop(request)

    scene = await stage_hand.build(die)

    await scene.submit()

    heard = (await scene.hear())[0]
    assert (tries, heard.head.status) == (3, 502)
    assert b"dead-letter" in heard.body


async def test_other_requests_go_on_after_a_poisonous_one(stage_hand: StageHand) -> None:
    """Poison harms itself only."""

    async def picky(request: web.Request) -> web.Response:
        return await drop(request) if await request.read() == b"poison" else await echo(request)

    scene = await stage_hand.build(picky)

    poison = await scene.submit(body=b"poison", is_async=True)
    good = await scene.submit(body=b"good", is_async=True)

    assert (await scene.end_of(good)).state is RequestState.COMPLETED
    assert (await scene.end_of(poison)).state is RequestState.DEAD


async def test_answer_that_breaks_off_is_broken_off_and_never_run_again(stage_hand: StageHand) -> None:
    """The client saw the first bytes; a second run could contradict them."""
    runs = 0

    async def break_off(request: web.Request) -> web.StreamResponse:
        nonlocal runs
        runs += 1
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.close()
        return response

    scene = await stage_hand.build(break_off)
    request_id = await scene.submit()

    heard = (await scene.hear())[0]
    view = await scene.end_of(request_id)

    assert (heard.is_whole, runs, view.state) == (False, 1, RequestState.FAILED)


async def test_request_past_its_seconds_fails_and_asks_for_a_restart(stage_hand: StageHand) -> None:
    """The model may hang for ever: only a restart frees the replica."""

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    scene = await stage_hand.build(hang, request_seconds=0.2)
    await scene.submit()

    heard = (await scene.hear())[0]
    await eventually(lambda: not scene.condition.is_busy)

    assert heard.head.status == 504
    assert scene.condition.restart_reason is not None
    assert not scene.condition.may_take


async def test_restarted_model_is_given_requests_again(stage_hand: StageHand) -> None:
    """The startup probe is the sign that the restart has happened."""
    scene = await stage_hand.build(echo)
    await eventually(lambda: scene.condition.may_take)
    scene.condition.want_restart("a test")
    await scene.submit()

    scene.condition.note_started()

    assert (await scene.hear())[0].head.status == 200


async def test_worker_that_finds_an_old_lease_waits_for_a_fresh_model(stage_hand: StageHand) -> None:
    """The model may still be at work for the worker that died: a second request would overlap it."""
    queue = MemoryQueue()
    await queue.join(ENDPOINT, "r1", "v1")
    await queue.beat(ENDPOINT, "r1", ReplicaState.READY)
    request = NewRequest(new_request_id(ENDPOINT), RequestHead("POST", "/infer", ()), b"{}", 60)
    await queue.enqueue(request, ROOMY)
    assert await queue.take(ENDPOINT, "r1", 30) is not None

    scene = await stage_hand.build(echo, queue=queue)
    await eventually(lambda: scene.condition.restart_reason is not None)
    assert (await queue.look(ENDPOINT)).waiting == 1
    scene.condition.note_started()

    assert (await scene.end_of(request.id)).state is RequestState.COMPLETED


async def test_long_request_keeps_its_lease(stage_hand: StageHand) -> None:
    """It runs three leases long and is never taken over."""
    runs = 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.9)
        return web.Response()

    scene = await stage_hand.build(slow, lease_seconds=0.3)
    await scene.submit()

    await scene.hear()

    assert runs == 1


async def test_late_worker_hears_its_model_out_and_changes_nothing(stage_hand: StageHand) -> None:
    """Its lease was taken over while it was away; the other attempt's answer counts."""
    queue = MemoryQueue()
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        began.set()
        await go_on.wait()
        return web.Response(text="late")

    scene = await stage_hand.build(slow, lease_seconds=0.3, queue=queue)
    request_id = await scene.submit(is_async=True)
    await began.wait()
    await queue.give_back(ENDPOINT, request_id, 1, fault=None)
    await queue.join(ENDPOINT, "r2", "v1")
    await queue.beat(ENDPOINT, "r2", ReplicaState.READY)
    assert await queue.take(ENDPOINT, "r2", 30) is not None

    go_on.set()
    await eventually(lambda: not scene.condition.is_busy)

    view = await queue.find(request_id)
    assert view is not None
    assert (view.state, view.attempt, view.answer) == (RequestState.RUNNING, 2, None)


async def test_model_that_was_gone_before_the_request_came_is_not_its_fault(stage_hand: StageHand) -> None:
    """Nothing was sent: however often, it makes no dead letter before ten takes."""
    scene = await stage_hand.build(echo)
    await eventually(lambda: scene.condition.may_take)
    await stage_hand.stop_model()
    request_id = await scene.submit(is_async=True)
    await eventually(lambda: not scene.condition.is_up)

    view = await scene.queue.find(request_id)
    assert view is not None
    assert view.state is RequestState.WAITING
    assert await dies_of_faults(scene, request_id) == 3


async def dies_of_faults(scene: Scene, request_id: str) -> int:
    """How many more faults it takes until the request is a dead letter: all of them if none was counted."""
    for faults in range(1, 10):
        await scene.queue.beat(ENDPOINT, "r1", ReplicaState.READY)
        taken = await scene.queue.take(ENDPOINT, "r1", 30)
        assert taken is not None
        if await scene.queue.give_back(ENDPOINT, request_id, taken.attempt, fault="x") is RequestState.DEAD:
            return faults
    raise AssertionError("it never died")
