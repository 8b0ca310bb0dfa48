"""Every queue: a take is a lease, an attempt number fences it, and nothing is run once too often."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from support.queue_stage import CALLER, Stage

from runtime.queue.port import MAX_FAULTS, MAX_TAKES, Answer, Caller, LeaseLostError, ReplicaState
from runtime.wire import AnswerHead, RequestState

ANSWER = Answer(AnswerHead(200, ()), b"[]")

LATE_MOVES: dict[str, Callable[[Stage, str], Awaitable[object]]] = {
    "renew": lambda stage, late: stage.queue.renew(stage.endpoint, late, 1, 30),
    "finish": lambda stage, late: stage.queue.finish(stage.endpoint, late, 1, ANSWER),
    "fail": lambda stage, late: stage.queue.fail(stage.endpoint, late, 1, "too slow"),
    "give_back": lambda stage, late: stage.queue.give_back(stage.endpoint, late, 1, fault=None),
}


@pytest.mark.parametrize("move", LATE_MOVES)
async def test_late_worker_changes_nothing(stage: Stage, move: str) -> None:
    """The second attempt runs; every move of the first is refused and leaves it running."""
    await stage.enqueue()
    late = await stage.lose("r1")
    await stage.ready("r2")
    await stage.take("r2")

    with pytest.raises(LeaseLostError):
        await LATE_MOVES[move](stage, late.id)

    view = await stage.found(late.id)
    assert (view.state, view.attempt, view.answer) == (RequestState.RUNNING, 2, None)
    assert (await stage.replica("r2")).state is ReplicaState.BUSY


@pytest.mark.parametrize("move", LATE_MOVES)
async def test_request_that_waits_again_is_held_by_nobody(stage: Stage, move: str) -> None:
    """The attempt number alone does not make a lease."""
    await stage.enqueue()
    late = await stage.lose("r1")

    with pytest.raises(LeaseLostError):
        await LATE_MOVES[move](stage, late.id)

    assert (await stage.found(late.id)).state is RequestState.WAITING


@pytest.mark.parametrize("move", LATE_MOVES)
async def test_finished_request_is_held_by_nobody(stage: Stage, move: str) -> None:
    """Ending twice is refused; the first end stands."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.finish(stage.endpoint, taken.id, 1, ANSWER)

    with pytest.raises(LeaseLostError):
        await LATE_MOVES[move](stage, taken.id)

    view = await stage.found(taken.id)
    assert (view.state, view.answer) == (RequestState.COMPLETED, ANSWER)


async def test_expired_lease_is_taken_over_by_another_replica(stage: Stage) -> None:
    """With the next attempt number, and without a fault."""
    request_id = await stage.enqueue()
    await stage.ready("r1", "r2")
    await stage.take("r1", lease_seconds=0.05)
    await stage.pass_time(0.07)

    taken = await stage.take("r2")

    assert (taken.id, taken.attempt) == (request_id, 2)


async def test_running_request_is_not_handed_out_again(stage: Stage) -> None:
    """While its lease is live."""
    await stage.enqueue()
    await stage.ready("r1", "r2")
    await stage.take("r1")

    assert await stage.try_take("r2") is None


async def test_renewed_lease_holds_longer(stage: Stage) -> None:
    """From the moment of the renewal."""
    await stage.enqueue()
    await stage.ready("r1", "r2")
    taken = await stage.take("r1", lease_seconds=0.2)

    await stage.queue.renew(stage.endpoint, taken.id, taken.attempt, 30)
    await stage.pass_time(0.25)

    assert await stage.try_take("r2") is None
    assert (await stage.found(taken.id)).state is RequestState.RUNNING


async def test_holder_of_an_expired_lease_is_forgotten(stage: Stage) -> None:
    """Its worker must join again, and says so to nobody's harm."""
    await stage.enqueue()

    await stage.lose("r1")

    assert await stage.replicas() == set()
    assert await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY) is False


async def test_request_goes_back_at_once_when_its_worker_joins_again(stage: Stage) -> None:
    """`join` names it, for the model may still be working on it."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take("r1")

    held = await stage.queue.join(stage.endpoint, "r1", "rev-1")

    assert held == request_id
    assert (await stage.found(request_id)).state is RequestState.WAITING
    assert (await stage.replica("r1")).state is ReplicaState.STARTING


async def test_join_of_a_free_replica_gives_nothing_back(stage: Stage) -> None:
    """Neither the first time nor after it finished its last request."""
    await stage.enqueue()
    first = await stage.queue.join(stage.endpoint, "r1", "rev-1")
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    await stage.take_all()

    again = await stage.queue.join(stage.endpoint, "r1", "rev-1")

    assert (first, again) == (None, None)


async def test_third_fault_makes_a_dead_letter(stage: Stage) -> None:
    """Not the second; its error tells how the model died, and it is counted."""
    request_id = await stage.enqueue()
    await stage.ready("r1")

    states = []
    for _ in range(MAX_FAULTS):
        await stage.fault("r1")
        states.append((await stage.found(request_id)).state)

    assert states == [RequestState.WAITING, RequestState.WAITING, RequestState.DEAD]
    assert "exit status 137" in ((await stage.found(request_id)).error or "")
    assert (await stage.view()).dead == 1


async def test_give_back_tells_where_the_request_went(stage: Stage) -> None:
    """WAITING twice, then DEAD."""
    await stage.enqueue()
    await stage.ready("r1")

    states = []
    for _ in range(MAX_FAULTS):
        await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
        taken = await stage.take("r1")
        states.append(await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault="died"))

    assert states == [RequestState.WAITING, RequestState.WAITING, RequestState.DEAD]


async def test_dead_letter_is_not_handed_out(stage: Stage) -> None:
    """The next in order is."""
    await stage.enqueue()
    second = await stage.enqueue()
    await stage.ready("r1")
    for _ in range(MAX_FAULTS):
        await stage.fault("r1")
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)

    assert (await stage.take("r1")).id == second


async def test_drains_do_not_count_as_faults(stage: Stage) -> None:
    """More of them than faults are allowed, and it still waits."""
    request_id = await stage.enqueue()
    await stage.ready("r1")

    for _ in range(MAX_FAULTS + 2):
        taken = await stage.take("r1")
        await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)

    assert (await stage.found(request_id)).state is RequestState.WAITING


async def test_lost_leases_do_not_count_as_faults(stage: Stage) -> None:
    """A node that went away is not the request's doing."""
    request_id = await stage.enqueue()

    for number in range(MAX_FAULTS + 1):
        await stage.lose(f"r{number}")

    assert (await stage.found(request_id)).state is RequestState.WAITING


async def test_tenth_take_that_is_given_back_makes_a_dead_letter(stage: Stage) -> None:
    """Not the ninth; whatever ended the takes."""
    request_id = await stage.enqueue()
    await stage.ready("r1")

    states = []
    for _ in range(MAX_TAKES):
        taken = await stage.take("r1")
        await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)
        states.append((await stage.found(request_id)).state)

    assert states == [RequestState.WAITING] * (MAX_TAKES - 1) + [RequestState.DEAD]
    assert (await stage.found(request_id)).error


async def test_tenth_lost_lease_makes_a_dead_letter(stage: Stage) -> None:
    """A request that takes its node with it does not go round for ever."""
    request_id = await stage.enqueue()

    for number in range(MAX_TAKES):
        await stage.lose(f"r{number}")

    assert (await stage.found(request_id)).state is RequestState.DEAD


async def test_tenth_take_may_still_finish(stage: Stage) -> None:
    """Only its loss is the end."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    for _ in range(MAX_TAKES - 1):
        taken = await stage.take("r1")
        await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)

    last = await stage.take("r1")
    await stage.queue.finish(stage.endpoint, last.id, last.attempt, ANSWER)

    assert (await stage.found(request_id)).state is RequestState.COMPLETED


async def test_dead_letters_of_expired_leases_are_counted(stage: Stage) -> None:
    """`look` counts them, and demand does not."""
    await stage.enqueue()

    for number in range(MAX_TAKES):
        await stage.lose(f"r{number}")

    view = await stage.view()
    assert (view.dead, view.demand) == (1, 0)


async def test_replica_that_joins_after_a_take_over_hears_what_it_may_still_run(stage: Stage) -> None:
    """Its model may be at work on a request that is another's by now."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take("r1", lease_seconds=0.05)
    await stage.pass_time(0.1)
    await stage.queue.sweep(stage.endpoint)

    assert await stage.queue.join(stage.endpoint, "r1", "rev") == request_id
    assert (await stage.view()).waiting == 1


async def test_replica_that_left_with_a_request_in_hand_hears_of_it(stage: Stage) -> None:
    """Leaving does not end what the model runs."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take("r1")
    await stage.queue.leave(stage.endpoint, "r1")

    assert await stage.queue.join(stage.endpoint, "r1", "rev") == request_id
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    assert await stage.queue.join(stage.endpoint, "r1", "rev") is None


async def test_old_lease_does_not_forget_the_replica_that_came_after(stage: Stage) -> None:
    """Only who still holds the request goes with its lease."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take("r1", lease_seconds=0.05)
    await stage.queue.join(stage.endpoint, "r1", "rev")
    await stage.pass_time(0.1)

    await stage.queue.sweep(stage.endpoint)

    assert [replica.id for replica in (await stage.view()).replicas] == ["r1"]


@pytest.mark.parametrize("caller", [None, CALLER])
async def test_cancelled_request_that_fails_is_cancelled(stage: Stage, caller: Caller | None) -> None:
    """Nobody waits for its error; its gateway may not have asked yet."""
    request_id = await stage.enqueue(caller=caller)
    await stage.ready("r1")
    taken = await stage.take("r1")
    await stage.queue.cancel(request_id)

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "late")

    found = await stage.queue.find(request_id)
    assert found is not None
    assert found.state is RequestState.CANCELLED


async def test_text_that_is_no_id_is_unknown(stage: Stage) -> None:
    """Neither found nor cancelled, and no fault."""
    assert await stage.queue.find("../etc/passwd") is None
    assert await stage.queue.cancel("x") is None


async def test_retired_replica_is_not_kept_awake(stage: Stage) -> None:
    """Its worker sleeps between its looks although something waits that it may not take."""
    await stage.ready("r1")
    await stage.queue.retire(stage.endpoint, ["r1"])
    await stage.enqueue()

    looks = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                looks += 1
                await stage.queue.take(stage.endpoint, "r1", 1)
                await stage.queue.wait_for_work(stage.endpoint, 1)

    assert looks < 5


async def test_finish_takes_the_next_in_the_same_step(stage: Stage) -> None:
    """The replica is not idle while work waits."""
    await stage.enqueue()
    second = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take("r1")

    upcoming = await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None, next_lease_seconds=30)

    assert upcoming is not None
    assert (upcoming.id, upcoming.attempt) == (second, 1)
    assert (await stage.replica()).request == second


async def test_finish_without_a_next_leaves_the_replica_idle(stage: Stage) -> None:
    """Nothing waits."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take("r1")

    upcoming = await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None, next_lease_seconds=30)

    assert upcoming is None
    assert (await stage.replica()).state is ReplicaState.READY


async def test_worker_of_a_forgotten_replica_keeps_its_lease(stage: Stage) -> None:
    """Renewing holds the request; the replica stays forgotten."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take("r1")
    await stage.queue.leave(stage.endpoint, "r1")

    await stage.queue.renew(stage.endpoint, taken.id, taken.attempt, 30)

    view = await stage.view()
    assert (view.running, list(view.replicas)) == (1, [])
