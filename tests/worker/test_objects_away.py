"""A worker whose object store is full or away."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from support.chunks import chunks_of
from support.failing_objects import FailingObjects
from support.worker_scene import ENDPOINT, ROOMY, StageHand, echo

from runtime.objects import ObjectsAwayError, ObjectsFullError, body_name
from runtime.queue.port import NewRequest
from runtime.wire import RequestHead, RequestState, new_request_id
from runtime.worker import errand

LARGE = b"x" * (300 * 1024)


async def large(_: web.Request) -> web.Response:
    """An answer that does not fit into the queue."""
    return web.Response(body=LARGE)


async def test_answer_without_room_fails_with_the_reason(stage_hand: StageHand, tmp_path: Path) -> None:
    """Running it again would not help."""
    objects = FailingObjects(tmp_path / "objects")
    objects.fault = ObjectsFullError("full")
    scene = await stage_hand.build(large, objects=objects)

    view = await scene.end_of(await scene.submit(is_async=True))

    assert (view.state, view.error) == (RequestState.FAILED, "the object store had no room for the answer")
    assert view.attempt == 1


async def test_answer_that_the_store_missed_is_made_again(stage_hand: StageHand, tmp_path: Path) -> None:
    """Nothing accepted is lost, and the model is not blamed."""
    objects = FailingObjects(tmp_path / "objects")
    runs = 0

    async def heal_at_the_second(request: web.Request) -> web.Response:
        nonlocal runs
        runs += 1
        objects.fault = ObjectsAwayError("away") if runs == 1 else None
        return await large(request)

    scene = await stage_hand.build(heal_at_the_second, objects=objects)
    view = await scene.end_of(await scene.submit(is_async=True))

    assert (view.state, view.attempt, runs) == (RequestState.COMPLETED, 2, 2)
    assert view.answer is not None
    assert await scene.stored(view.answer) == LARGE
    assert scene.condition.restart_reason is None


async def test_body_that_cannot_be_read_yet_is_tried_again(
    stage_hand: StageHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times in all, as any request that is never finished; then it is a dead letter."""
    objects = FailingObjects(tmp_path / "objects")
    request_id = new_request_id(ENDPOINT)
    name = body_name(request_id)
    await objects.write(name, chunks_of(LARGE))
    objects.fault = ObjectsAwayError("away")
    monkeypatch.setattr(errand, "MOST_STORE_PAUSE_SECONDS", 0.01)
    scene = await stage_hand.build(echo, objects=objects)
    head = RequestHead("POST", "/infer", ())

    await scene.queue.enqueue(
        NewRequest(request_id, head, b"", 60, body_ref=name, body_bytes=len(LARGE)), ROOMY
    )
    view = await scene.end_of(request_id)

    assert (view.state, view.attempt) == (RequestState.DEAD, 10)


async def test_a_store_that_refuses_at_once_uses_up_no_takes(stage_hand: StageHand, tmp_path: Path) -> None:
    """The request stays in the replica's hands for a while, for longer after each try."""
    objects = FailingObjects(tmp_path / "objects")
    request_id = new_request_id(ENDPOINT)
    name = body_name(request_id)
    await objects.write(name, chunks_of(LARGE))
    objects.fault = ObjectsAwayError("refused")
    scene = await stage_hand.build(echo, objects=objects)
    head = RequestHead("POST", "/infer", ())

    await scene.queue.enqueue(
        NewRequest(request_id, head, b"", 60, body_ref=name, body_bytes=len(LARGE)), ROOMY
    )
    await asyncio.sleep(1)
    view = await scene.queue.find(request_id)

    assert view is not None
    assert (view.state, view.attempt) == (RequestState.RUNNING, 1)


async def test_removal_of_a_body_holds_nobody_up(
    stage_hand: StageHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that answers slowly: the next request is in hand already, and its lease runs."""
    monkeypatch.setattr(errand, "FORGET_SECONDS", 0.05)
    objects = FailingObjects(tmp_path / "objects")
    objects.never = asyncio.Event()
    scene = await stage_hand.build(echo, objects=objects)
    head = RequestHead("POST", "/infer", ())
    for number in range(2):
        request_id = new_request_id(ENDPOINT)
        await objects.write(body_name(request_id), chunks_of(LARGE))
        new = NewRequest(request_id, head, b"", 60, body_ref=body_name(request_id), body_bytes=len(LARGE))
        await scene.queue.enqueue(new, ROOMY)

        view = await scene.end_of(request_id)

        assert (view.state, view.attempt) == (RequestState.COMPLETED, 1), number


async def test_store_that_is_away_does_not_hold_up_an_answer(stage_hand: StageHand, tmp_path: Path) -> None:
    """What is left of the body goes by its age."""
    objects = FailingObjects(tmp_path / "objects")
    request_id = new_request_id(ENDPOINT)
    name = body_name(request_id)
    await objects.write(name, chunks_of(LARGE))

    async def away_then_echo(request: web.Request) -> web.Response:
        answer = await echo(request)
        objects.fault = ObjectsAwayError("away")
        return answer

    scene = await stage_hand.build(away_then_echo, objects=objects)
    head = RequestHead("POST", "/infer", ())

    await scene.queue.enqueue(
        NewRequest(request_id, head, b"", 60, body_ref=name, body_bytes=len(LARGE)), ROOMY
    )

    assert (await scene.end_of(request_id)).state is RequestState.COMPLETED
