"""Every queue: dead letters are read, replayed and purged."""

import asyncio

import pytest
from support.queue_stage import CALLER, HEAD, Stage

from runtime.queue.port import (
    MAX_FAULTS,
    MAX_TAKES,
    Answer,
    IdempotencyKey,
    LeaseLostError,
    ReplicaState,
)
from runtime.wire import AnswerHead, RequestState, new_request_id

ANSWER = Answer(AnswerHead(200, ()), b"[]")
KEY = IdempotencyKey("d" * 64, "f" * 64)


async def killed(stage: Stage, count: int) -> list[str]:
    """So many dead letters, oldest first, that did not die in the same millisecond."""
    letters = []
    for _ in range(count):
        await stage.enqueue()
        letters.append(await stage.kill())
        await stage.pass_time(0.005)
    return letters


async def test_dead_letters_come_newest_first(stage: Stage) -> None:
    """At most as many as were asked for."""
    letters = await killed(stage, 3)

    every = await stage.queue.dead_letters(stage.endpoint)
    newest = await stage.queue.dead_letters(stage.endpoint, 2)

    assert [each.id for each in every] == letters[::-1]
    assert newest == every[:2]


async def test_dead_letter_tells_what_find_tells(stage: Stage) -> None:
    """Its error, priority and kind among it."""
    request_id = await stage.enqueue(priority=2, caller=CALLER)
    await stage.kill()

    (letter,) = await stage.queue.dead_letters(stage.endpoint)

    assert letter == await stage.found(request_id)
    assert (letter.state, letter.attempt, letter.priority) == (RequestState.DEAD, MAX_FAULTS, 2)
    assert (letter.caller_kind, letter.position) == ("sync", None)


async def test_endpoint_without_dead_letters_has_none(stage: Stage) -> None:
    """What waits or finished is none."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take_all()
    await stage.enqueue()

    assert await stage.queue.dead_letters(stage.endpoint) == []
    assert await stage.queue.purge(stage.endpoint) == []


async def test_replayed_dead_letter_is_run_with_head_and_body(stage: Stage) -> None:
    """As it came in, but for nobody who waits; its attempts go on."""
    request_id = await stage.enqueue(b"body", body_ref="bodies/1", caller=CALLER)
    await stage.kill()

    replayed = await stage.queue.replay(request_id)
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    taken = await stage.take()

    assert (replayed, taken.id, taken.attempt) == (True, request_id, MAX_FAULTS + 1)
    assert (taken.head, taken.body, taken.body_ref) == (HEAD, b"body", "bodies/1")
    assert (taken.caller, taken.keeps_answer) == (None, True)


@pytest.mark.parametrize("caller", [None, CALLER])
@pytest.mark.parametrize("key", [None, KEY])
async def test_answer_of_a_replayed_request_is_kept(
    stage: Stage, caller: None, key: IdempotencyKey | None
) -> None:
    """Whatever kind it was."""
    request_id = await stage.enqueue(caller=caller, key=key)
    await stage.kill()
    await stage.queue.replay(request_id)
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)

    taken = await stage.take()
    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)

    view = await stage.found(request_id)
    assert (view.state, view.answer, view.error) == (RequestState.COMPLETED, ANSWER, None)
    assert view.caller_kind == "async"


async def test_replayed_request_waits_behind_its_priority(stage: Stage) -> None:
    """Not in its old place; the lower priority stays behind it."""
    first = await stage.enqueue(b"12345")
    second, low = await stage.enqueue(b"67"), await stage.enqueue(b"8", priority=2)
    await stage.kill()

    await stage.queue.replay(first)

    assert await stage.found_positions(second, first, low) == [0, 1, 2]
    view = await stage.view()
    assert (view.waiting, view.waiting_bytes, view.dead) == (3, 8, 0)


async def test_replayed_request_waits_as_long_as_a_new_one(stage: Stage) -> None:
    """Its deadline and its times are anew, its error is gone."""
    request_id = await stage.enqueue(queue_seconds=0.3)
    await stage.kill()
    letter = await stage.found(request_id)
    await stage.pass_time(0.4)

    await stage.queue.replay(request_id)
    await stage.queue.sweep(stage.endpoint)
    waiting = await stage.found(request_id)
    await stage.pass_time(0.4)
    await stage.queue.sweep(stage.endpoint)

    assert (waiting.state, waiting.error) == (RequestState.WAITING, None)
    assert (waiting.started_at, waiting.finished_at) == (None, None)
    assert waiting.enqueued_at >= letter.enqueued_at + 0.4
    assert (await stage.found(request_id)).state is RequestState.EXPIRED


async def test_replayed_request_may_fault_as_often_as_a_new_one(stage: Stage) -> None:
    """Then it is a dead letter again."""
    request_id = await stage.enqueue()
    await stage.kill()
    await stage.queue.replay(request_id)

    states = []
    for _ in range(MAX_FAULTS):
        await stage.fault()
        states.append((await stage.found(request_id)).state)

    assert states == [RequestState.WAITING, RequestState.WAITING, RequestState.DEAD]
    assert (await stage.found(request_id)).attempt == 2 * MAX_FAULTS


async def test_replayed_request_may_be_taken_as_often_as_a_new_one(stage: Stage) -> None:
    """Though its attempt numbers are past the most takes."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    states = []
    for _ in range(2):
        for _ in range(MAX_TAKES):
            taken = await stage.take()
            await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)
        states.append(((await stage.found(request_id)).state, taken.attempt))
        await stage.queue.replay(request_id)

    assert states == [(RequestState.DEAD, MAX_TAKES), (RequestState.DEAD, 2 * MAX_TAKES)]


async def test_worker_from_before_the_replay_changes_nothing(stage: Stage) -> None:
    """Fencing holds over it."""
    request_id = await stage.enqueue()
    await stage.kill()
    await stage.queue.replay(request_id)
    await stage.ready("r2")
    await stage.take("r2")

    for attempt in range(1, MAX_FAULTS + 1):
        with pytest.raises(LeaseLostError):
            await stage.queue.finish(stage.endpoint, request_id, attempt, ANSWER)

    assert (await stage.found(request_id)).state is RequestState.RUNNING


async def test_only_dead_letters_are_replayed(stage: Stage) -> None:
    """Neither what waits, ran or is unknown; twice is once."""
    waiting, dead = await stage.enqueue(priority=2), await stage.enqueue(priority=0)
    await stage.kill()

    told = [await stage.queue.replay(each) for each in (waiting, dead, dead, "../x")]

    assert told == [False, True, False, False]
    assert await stage.queue.replay(new_request_id(stage.endpoint)) is False
    assert (await stage.view()).waiting == 2


async def test_replay_wakes_a_waiting_worker(stage: Stage) -> None:
    """Long before its second is over."""
    request_id = await stage.enqueue()
    await stage.kill()
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    await stage.try_take()

    async with asyncio.timeout(0.6), asyncio.TaskGroup() as group:
        group.create_task(stage.queue.wait_for_work(stage.endpoint, 1))
        await asyncio.sleep(0.05)
        await stage.queue.replay(request_id)


async def test_purged_dead_letter_is_forgotten(stage: Stage) -> None:
    """The others stay; its id comes back, so that its objects can go too."""
    first, second = await killed(stage, 2)

    purged = await stage.queue.purge(stage.endpoint, first)

    assert purged == [first]
    assert await stage.queue.find(first) is None
    assert [each.id for each in await stage.queue.dead_letters(stage.endpoint)] == [second]
    assert (await stage.view()).dead == 1


async def test_purge_of_all_forgets_all(stage: Stage) -> None:
    """And nothing else."""
    letters = await killed(stage, 2)
    waiting = await stage.enqueue()

    purged = await stage.queue.purge(stage.endpoint)

    assert sorted(purged) == sorted(letters)
    view = await stage.view()
    assert (view.dead, view.waiting) == (0, 1)
    assert (await stage.found(waiting)).state is RequestState.WAITING


async def test_purge_of_what_is_no_dead_letter_does_nothing(stage: Stage) -> None:
    """Neither what waits, nor another endpoint's, nor nonsense."""
    waiting = await stage.enqueue()
    other = Stage(stage.queue)
    await other.enqueue()
    letter = await other.kill()

    assert [await stage.queue.purge(stage.endpoint, each) for each in (waiting, letter, "../x")] == [[]] * 3
    assert (await stage.view()).waiting == 1
    assert (await other.view()).dead == 1


async def test_purge_frees_the_key(stage: Stage) -> None:
    """A retry runs."""
    request_id = await stage.enqueue(key=KEY)
    await stage.kill()
    await stage.queue.purge(stage.endpoint, request_id)

    assert (await stage.say(KEY)).is_repeat is False


async def test_replayed_request_keeps_its_key(stage: Stage) -> None:
    """The key was its own while it was dead, and is while it waits again."""
    request_id = await stage.enqueue(key=KEY)
    await stage.kill()
    await stage.queue.replay(request_id)

    again = await stage.say(KEY)

    assert (again.request_id, again.position, again.is_repeat) == (request_id, 0, True)
