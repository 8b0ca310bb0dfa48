"""Every queue: what is said twice under one idempotency key runs once."""

from collections.abc import Awaitable, Callable

import pytest
from support.queue_stage import CALLER, LASTS_LONG, Stage

from runtime.queue.port import (
    HOLD_SECONDS,
    Answer,
    Bounds,
    Enqueued,
    IdempotencyKey,
    KeyConflictError,
    QueueFullError,
)
from runtime.wire import AnswerHead, RequestState

KEY = IdempotencyKey("d" * 64, "f" * 64)
OTHER_REQUEST = IdempotencyKey(KEY.digest, "e" * 64)
OTHER_KEY = IdempotencyKey("c" * 64, KEY.fingerprint)
ANSWER = Answer(AnswerHead(200, ()), b"[]")


async def taken(stage: Stage) -> None:
    """It runs."""
    await stage.ready("r1")
    await stage.take()


async def completed(stage: Stage) -> None:
    """It was answered."""
    await stage.ready("r1")
    first = await stage.take()
    await stage.queue.finish(stage.endpoint, first.id, first.attempt, ANSWER)


async def failed(stage: Stage) -> None:
    """It ran too long."""
    await stage.ready("r1")
    first = await stage.take()
    await stage.queue.fail(stage.endpoint, first.id, first.attempt, "too long")


async def dead(stage: Stage) -> None:
    """Its model died under it again and again."""
    await stage.kill()


KNOWN = {"running": taken, "completed": completed, "failed": failed, "dead": dead}


async def test_key_said_twice_gives_the_first_request(stage: Stage) -> None:
    """The second is stored nowhere."""
    first = await stage.say(KEY)

    again = await stage.say(KEY)

    assert (first.is_repeat, first.position) == (False, 0)
    assert again == Enqueued(first.request_id, 0, is_repeat=True)
    assert (await stage.view()).waiting == 1


@pytest.mark.parametrize("state", KNOWN)
async def test_key_is_known_in_every_state(stage: Stage, state: str) -> None:
    """A repeat waits nowhere, so it has no position."""
    first = await stage.say(KEY)
    await KNOWN[state](stage)

    again = await stage.say(KEY)

    assert again == Enqueued(first.request_id, None, is_repeat=True)
    assert (await stage.found(first.request_id)).state == state


@pytest.mark.parametrize("state", [None, *KNOWN])
async def test_key_with_another_request_is_a_conflict(stage: Stage, state: str | None) -> None:
    """Nothing is stored, the first stays as it is."""
    first = await stage.say(KEY)
    if state is not None:
        await KNOWN[state](stage)
    before = (await stage.found(first.request_id)).state

    with pytest.raises(KeyConflictError):
        await stage.say(OTHER_REQUEST)

    assert (await stage.found(first.request_id)).state is before
    assert (await stage.view()).waiting == (1 if state is None else 0)


async def test_other_keys_and_other_endpoints_are_other_requests(stage: Stage) -> None:
    """Whatever is in the request."""
    first = await stage.say(KEY)
    other = Stage(stage.queue)

    answers = [await stage.say(OTHER_KEY), await other.say(KEY), await other.say(OTHER_KEY)]

    assert [each.is_repeat for each in answers] == [False] * 3
    assert len({first.request_id, *(each.request_id for each in answers)}) == 4


async def test_repeat_is_let_in_by_a_full_queue(stage: Stage) -> None:
    """It takes no room."""
    tight = Bounds(waiting=1, waiting_bytes=1000)
    first = await stage.say(KEY, tight)

    again = await stage.say(KEY, tight)

    assert (again.request_id, again.is_repeat) == (first.request_id, True)


async def test_refused_request_leaves_its_key_free(stage: Stage) -> None:
    """Nothing of it was stored."""
    with pytest.raises(QueueFullError):
        await stage.say(KEY, Bounds(waiting=0, waiting_bytes=1000))

    assert (await stage.say(OTHER_REQUEST)).is_repeat is False


async def cancelled_waiting(stage: Stage, request_id: str) -> None:
    """Nobody wanted it any more."""
    await stage.queue.cancel(request_id)


async def cancelled_running(stage: Stage, request_id: str) -> None:
    """Nobody wanted it any more, and then it finished."""
    await stage.ready("r1")
    first = await stage.take()
    await stage.queue.cancel(request_id)
    await stage.queue.finish(stage.endpoint, request_id, first.attempt, ANSWER)


@pytest.mark.parametrize("end", [cancelled_waiting, cancelled_running])
async def test_cancelled_request_frees_its_key(
    stage: Stage, end: Callable[[Stage, str], Awaitable[None]]
) -> None:
    """A retry runs."""
    first = await stage.say(KEY)
    await end(stage, first.request_id)

    again = await stage.say(KEY)

    assert (again.is_repeat, again.request_id != first.request_id) == (False, True)
    assert (await stage.found(first.request_id)).state is RequestState.CANCELLED


async def test_expired_request_frees_its_key(stage: Stage) -> None:
    """At once, without a sweep in between."""
    request_id = await stage.enqueue(key=KEY, queue_seconds=0.02)
    await stage.pass_time(0.04)

    again = await stage.say(KEY)

    assert again.is_repeat is False
    assert (await stage.found(request_id)).state is RequestState.EXPIRED


async def test_end_of_a_retry_does_not_touch_the_first(stage: Stage) -> None:
    """The key means the retry from then on."""
    first = await stage.say(KEY)
    await stage.queue.cancel(first.request_id)
    retry = await stage.say(KEY)

    await completed(stage)

    assert (await stage.say(KEY)).request_id == retry.request_id
    assert (await stage.found(first.request_id)).state is RequestState.CANCELLED


async def test_keyed_sync_request_has_caller_and_kept_answer(stage: Stage) -> None:
    """The worker streams it and stores it."""
    request_id = await stage.enqueue(caller=CALLER, key=KEY)
    await stage.ready("r1")
    first = await stage.take()

    await stage.queue.finish(stage.endpoint, request_id, first.attempt, ANSWER)

    view = await stage.found(request_id)
    assert (first.caller, first.keeps_answer) == (CALLER, True)
    assert (view.state, view.answer, view.caller_kind) == (RequestState.COMPLETED, ANSWER, "sync")


async def test_only_unkeyed_sync_requests_keep_no_answer(stage: Stage) -> None:
    """What `take` says of the four kinds."""
    ids = [
        await stage.enqueue(caller=caller, key=key)
        for caller, key in ((None, None), (CALLER, None), (None, KEY), (CALLER, OTHER_KEY))
    ]
    await stage.ready("r1", "r2", "r3", "r4")

    kinds = {one.id: one.keeps_answer for one in [await stage.take(f"r{each}") for each in (1, 2, 3, 4)]}

    assert [kinds[each] for each in ids] == [True, False, True, True]


async def test_cancelled_keyed_sync_request_is_remembered(stage: Stage) -> None:
    """Whoever said it again may ask what became of it."""
    request_id = await stage.enqueue(caller=CALLER, key=KEY)

    await stage.queue.cancel(request_id)

    assert (await stage.found(request_id)).state is RequestState.CANCELLED


async def test_stored_answer_is_told_to_a_gateway_that_never_got_it(stage: Stage) -> None:
    """Its worker could not reach it: `hold` names the request, `find` has the answer."""
    request_id = await stage.enqueue(caller=CALLER, key=KEY)
    await completed(stage)

    gone = await stage.queue.hold(stage.endpoint, CALLER.gateway, [request_id], 6)

    assert gone == [request_id]
    assert (await stage.found(request_id)).answer == ANSWER


@LASTS_LONG
async def test_keyed_sync_request_outlives_its_gateway(stage: Stage) -> None:
    """While it waits, and when its worker is lost too."""
    request_id = await stage.enqueue(caller=CALLER, key=KEY)
    await stage.pass_time(HOLD_SECONDS + 0.1)
    first = await stage.lose("r1")

    await stage.ready("r2")
    second = await stage.take("r2")

    assert (first.id, second.id, second.attempt) == (request_id, request_id, 2)
