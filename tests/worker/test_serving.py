"""What a worker does with a request while everybody lives."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from support.worker_scene import ENDPOINT, ROOMY, StageHand, echo, eventually

from runtime.objects import body_name
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import NewRequest, Taken
from runtime.wire import RequestHead, RequestState, new_request_id
from runtime.worker import errand


async def test_request_reaches_the_model_as_it_was_sent(stage_hand: StageHand) -> None:
    """Method, target with its escapes, repeated headers and body."""
    scene = await stage_hand.build(echo)

    await scene.submit(body=b"abc", target="/a%2Fb?q=%20&q=2", method="PUT")

    heard = (await scene.hear())[0]
    said = json.loads(heard.body)
    assert said == {
        "method": "PUT",
        "target": "/a%2Fb?q=%20&q=2",
        "two": ["a", "b"],
        "size": 3,
        "length": "3",
    }
    assert ("x-model", "yes") in heard.head.headers


async def test_answer_carries_attempt_and_secret(stage_hand: StageHand) -> None:
    """So the gateway can tell a late worker from the right one."""
    scene = await stage_hand.build(echo)

    request_id = await scene.submit()

    heard = (await scene.hear())[0]
    assert (heard.request_id, heard.attempt, heard.secret) == (request_id, 1, "s3cret")


async def test_requests_run_one_at_a_time(stage_hand: StageHand) -> None:
    """The model never sees two."""
    inside = 0
    most = 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.02)
        inside -= 1
        return web.Response()

    scene = await stage_hand.build(slow)

    for _ in range(10):
        await scene.submit()
    await scene.hear(10)

    assert most == 1


async def test_chunks_reach_the_gateway_as_the_model_makes_them(stage_hand: StageHand) -> None:
    """The worker holds nothing back."""
    go_on = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await go_on.wait()
        await response.write(b"data: 2\n\n")
        return response

    scene = await stage_hand.build(stream)
    await scene.submit()

    await eventually(lambda: b"data: 1" in scene.gateway.arrived)
    assert b"data: 2" not in scene.gateway.arrived
    go_on.set()

    await eventually(lambda: b"data: 2" in scene.gateway.arrived)


async def test_async_answer_is_stored(stage_hand: StageHand) -> None:
    """Whoever asks later finds status, headers and body."""
    scene = await stage_hand.build(echo)

    view = await scene.end_of(await scene.submit(is_async=True))

    assert view.state is RequestState.COMPLETED
    assert view.answer is not None
    assert (view.answer.head.status, json.loads(view.answer.body)["method"]) == (200, "POST")


async def test_large_async_answer_is_stored_by_reference(stage_hand: StageHand) -> None:
    """It does not stand in the queue."""
    big = b"x" * 1_000_000

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=big)

    scene = await stage_hand.build(answer)

    view = await scene.end_of(await scene.submit(is_async=True))

    assert view.answer is not None
    assert view.answer.body_ref is not None
    assert b"".join([chunk async for chunk in scene.objects.read(view.answer.body_ref)]) == big


async def test_body_by_reference_is_replayed_with_its_length_and_forgotten(stage_hand: StageHand) -> None:
    """A large upload looks to the model like any other."""
    scene = await stage_hand.build(echo)
    request_id = new_request_id(ENDPOINT)
    name = body_name(request_id)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"y" * 100_000

    await scene.objects.write(name, chunks())
    request = NewRequest(
        request_id, RequestHead("POST", "/infer", ()), b"", 60, body_ref=name, body_bytes=1_000_000
    )
    await scene.queue.enqueue(request, ROOMY)
    view = await scene.end_of(request_id)

    assert view.answer is not None
    assert json.loads(view.answer.body)["length"] == "1000000"


async def test_model_error_status_is_an_answer(stage_hand: StageHand) -> None:
    """A 500 of the model is the model's word, no fault of the platform."""

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500, text="Internal Server Error")

    scene = await stage_hand.build(fail)

    await scene.submit()

    assert (await scene.hear())[0].head.status == 500
    assert (await scene.queue.look(ENDPOINT)).running == 0


async def test_client_gone_does_not_free_the_slot(stage_hand: StageHand) -> None:
    """The replica is busy until its model has finished."""
    finished = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b"data: x\n\n")
            await asyncio.sleep(0.02)
        finished.set()
        return response

    scene = await stage_hand.build(stream)
    scene.gateway.refuse = 410
    await scene.submit()
    await eventually(lambda: scene.condition.is_busy)

    await eventually(lambda: not scene.condition.is_busy)

    assert finished.is_set()


async def test_slow_client_does_not_hold_the_replica(stage_hand: StageHand) -> None:
    """The model has finished: the next request runs while the first answer is still on its way."""
    read_on = asyncio.Event()
    big = b"x" * 2_000_000

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=big) if await request.read() == b"big" else await echo(request)

    scene = await stage_hand.build(answer)
    scene.gateway.pause = read_on
    await scene.submit(body=b"big")
    second = await scene.submit(body=b"small", is_async=True)

    assert (await scene.end_of(second)).state is RequestState.COMPLETED
    assert scene.gateway.heard == []
    read_on.set()

    assert (await scene.hear())[0].body == big


async def test_a_gateway_that_takes_nothing_in_holds_up_no_replica(
    stage_hand: StageHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine is gone without a word: nobody's request_seconds are used up by it, and no model is restarted."""
    monkeypatch.setattr(errand, "HAND_OVER_SECONDS", 0.05)
    scene = await stage_hand.build(echo, request_seconds=1)
    scene.gateway.pause = asyncio.Event()
    await scene.submit(body=b"for it")
    second = await scene.submit(is_async=True)

    assert (await scene.end_of(second)).state is RequestState.COMPLETED
    await asyncio.sleep(1.2)
    assert scene.condition.restart_reason is None
    scene.gateway.pause.set()
    assert (await scene.hear())[0].is_whole


async def test_answer_says_how_long_its_request_waited(stage_hand: StageHand) -> None:
    """The gateway tells waiting from running by it."""
    scene = await stage_hand.build(echo)

    await scene.submit()

    assert 0 <= (await scene.hear())[0].waited < 5


@pytest.mark.parametrize("size", [10, 300_000])
async def test_keyed_answer_is_sent_and_kept(stage_hand: StageHand, size: int) -> None:
    """Whoever asks again with the key gets the same answer."""
    big = b"k" * size

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=big)

    scene = await stage_hand.build(answer)

    request_id = await scene.submit(is_keyed=True)

    assert (await scene.hear())[0].body == big
    view = await scene.end_of(request_id)
    assert view.answer is not None
    assert await scene.stored(view.answer) == big


@pytest.mark.parametrize("size", [10, 300_000])
async def test_keyed_answer_is_not_whole_before_it_is_stored(stage_hand: StageHand, size: int) -> None:
    """Else a worker that died in between would let a second run give another answer."""
    big = b"k" * size

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=big)

    class Watching(MemoryQueue):
        arrived = b""

        async def finish(self, *args: Any, **more: Any) -> Taken | None:
            await asyncio.sleep(0.2)  # what is on its way arrives
            self.arrived = bytes(scene.gateway.arrived)
            return await super().finish(*args, **more)

    queue = Watching()
    scene = await stage_hand.build(answer, queue=queue)

    await scene.submit(is_keyed=True)

    assert (await scene.hear())[0].body == big
    assert queue.arrived.count(b"k") < size


async def test_keyed_request_runs_again_when_its_model_died_in_the_middle_of_the_answer(
    stage_hand: StageHand,
) -> None:
    """Its first client saw the answer break off; whoever asks again with the key gets a whole one."""
    runs = 0

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal runs
        runs += 1
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        if runs == 1 and request.transport is not None:
            request.transport.close()
        else:
            await response.write(b" and half")
        return response

    scene = await stage_hand.build(stream)

    view = await scene.end_of(await scene.submit(is_keyed=True))

    assert view.answer is not None
    assert (runs, view.answer.body) == (2, b"half and half")
    assert not scene.gateway.heard[0].is_whole


async def test_keyed_answer_is_kept_when_its_gateway_is_gone(stage_hand: StageHand) -> None:
    """The client will ask another one."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"data: x\n\n")
            await asyncio.sleep(0.02)
        return response

    scene = await stage_hand.build(stream)
    scene.gateway.refuse = 410

    view = await scene.end_of(await scene.submit(is_keyed=True))

    assert view.answer is not None
    assert view.answer.body == b"data: x\n\n" * 3
