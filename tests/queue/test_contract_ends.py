"""Every queue: how requests end, who hears of it, and what is remembered."""

import pytest
from support.queue_stage import CALLER, LASTS_LONG, Stage

from runtime.queue.port import HOLD_SECONDS, MAX_FAULTS, Answer, Caller, ReplicaState
from runtime.wire import AnswerHead, RequestState, new_request_id

ANSWER = Answer(AnswerHead(200, ()), b"[]")


async def hold(stage: Stage, *request_ids: str) -> list[str]:
    """Say for the stage's caller that its clients still wait."""
    return await stage.queue.hold(stage.endpoint, CALLER.gateway, request_ids, 6)


async def test_async_answer_is_kept(stage: Stage) -> None:
    """With its times, in order."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)

    view = await stage.found(request_id)
    assert (view.state, view.answer, view.error) == (RequestState.COMPLETED, ANSWER, None)
    assert view.started_at is not None
    assert view.finished_at is not None
    assert view.enqueued_at <= view.started_at <= view.finished_at


async def test_sync_request_is_forgotten_when_finished(stage: Stage) -> None:
    """Its answer went straight to the gateway."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)

    assert await stage.queue.find(request_id) is None


async def test_unknown_request_is_not_found(stage: Stage) -> None:
    """None, for `find` and for `cancel`."""
    request_id = new_request_id(stage.endpoint)

    assert await stage.queue.find(request_id) is None
    assert await stage.queue.cancel(request_id) is None


@pytest.mark.parametrize("caller", [None, CALLER])
async def test_failed_request_tells_why(stage: Stage, caller: Caller | None) -> None:
    """Sync ones too, so that their gateway can say it."""
    request_id = await stage.enqueue(caller=caller)
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "ran longer than 900 s")

    view = await stage.found(request_id)
    assert (view.state, view.error) == (RequestState.FAILED, "ran longer than 900 s")
    assert (await stage.view()).demand == 0


async def test_request_that_waited_too_long_expires(stage: Stage) -> None:
    """Its error says that it waited; it is never handed out."""
    request_id = await stage.enqueue(queue_seconds=0.03)
    await stage.ready("r1")
    await stage.pass_time(0.05)

    taken = await stage.try_take()

    view = await stage.found(request_id)
    assert (taken, view.state) == (None, RequestState.EXPIRED)
    assert (view.error or "").startswith("waited ")


async def test_sweep_expires_without_any_replica(stage: Stage) -> None:
    """Only those past their deadline."""
    expired = await stage.enqueue(queue_seconds=0.03)
    patient = await stage.enqueue()
    await stage.pass_time(0.05)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.found(expired)).state is RequestState.EXPIRED
    assert (await stage.found(patient)).position == 0


async def test_running_does_not_use_up_the_patience(stage: Stage) -> None:
    """Given back after its waiting deadline, a request waits again."""
    request_id = await stage.enqueue(queue_seconds=0.3)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.pass_time(0.4)

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)
    await stage.queue.sweep(stage.endpoint)

    assert (await stage.found(request_id)).state is RequestState.WAITING


async def test_given_back_request_still_expires(stage: Stage) -> None:
    """When what was left of its patience, a second at least, is over."""
    request_id = await stage.enqueue(queue_seconds=0.5)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)
    await stage.pass_time(1.1)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.found(request_id)).state is RequestState.EXPIRED


async def test_cancelled_waiting_request_is_removed_at_once(stage: Stage) -> None:
    """The others move up, and its state is kept."""
    cancelled, other = await stage.enqueue(), await stage.enqueue()

    state = await stage.queue.cancel(cancelled)

    assert state is RequestState.CANCELLED
    assert (await stage.found(cancelled)).state is RequestState.CANCELLED
    assert (await stage.found(other)).position == 0


async def test_cancelled_waiting_sync_request_is_told_to_its_gateway(stage: Stage) -> None:
    """Another process may have cancelled it, and its client still waits."""
    request_id = await stage.enqueue(caller=CALLER)

    state = await stage.queue.cancel(request_id)

    assert (state, await hold(stage, request_id)) == (RequestState.CANCELLED, [request_id])
    assert (await stage.found(request_id)).state is RequestState.CANCELLED
    assert (await stage.view()).demand == 0


@pytest.mark.parametrize("fault", [None, "it died"])
async def test_cancelled_sync_request_that_comes_back_is_told_to_its_gateway(
    stage: Stage, fault: str | None
) -> None:
    """It was cancelled while it ran, and its gateway has not asked since."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.cancel(request_id)

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=fault)

    assert (await stage.found(request_id)).state is RequestState.CANCELLED


async def test_cancelled_sync_request_that_finishes_is_forgotten(stage: Stage) -> None:
    """Its answer went to its gateway; nobody will ask."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.cancel(request_id)

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)

    assert await stage.queue.find(request_id) is None


async def test_cancelled_running_request_keeps_its_replica(stage: Stage) -> None:
    """The slot is free when the model has finished, not when the client has gone."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take()

    state = await stage.queue.cancel(request_id)

    assert state is RequestState.RUNNING
    assert (await stage.replica()).state is ReplicaState.BUSY
    assert (await stage.view()).running == 1


async def test_cancelled_running_request_ends_without_its_answer(stage: Stage) -> None:
    """CANCELLED, though the model finished."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.cancel(request_id)

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)

    view = await stage.found(request_id)
    assert (view.state, view.answer) == (RequestState.CANCELLED, None)


@pytest.mark.parametrize("fault", [None, "died"])
async def test_cancelled_running_request_does_not_go_back(stage: Stage, fault: str | None) -> None:
    """It is never run again."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.cancel(request_id)

    state = await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=fault)

    assert state is RequestState.CANCELLED
    assert (await stage.found(request_id)).state is RequestState.CANCELLED
    assert (await stage.view()).demand == 0


async def test_cancelled_running_request_ends_with_its_lease(stage: Stage) -> None:
    """A dead worker does not bring it back."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take(lease_seconds=0.05)
    await stage.queue.cancel(request_id)
    await stage.pass_time(0.07)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.found(request_id)).state is RequestState.CANCELLED


async def test_cancel_of_an_ended_request_changes_nothing(stage: Stage) -> None:
    """It tells how the request ended."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)

    state = await stage.queue.cancel(request_id)

    assert state is RequestState.COMPLETED
    assert (await stage.found(request_id)).answer == ANSWER


async def test_hold_reports_nothing_while_all_is_well(stage: Stage) -> None:
    """One waits, one runs."""
    ids = [await stage.enqueue(caller=CALLER) for _ in range(2)]
    await stage.ready("r1")
    await stage.take()

    assert await hold(stage, *ids) == []


async def test_hold_reports_what_is_unknown(stage: Stage) -> None:
    """A gateway must not wait for it."""
    unknown = new_request_id(stage.endpoint)

    assert await hold(stage, unknown) == [unknown]


async def test_hold_reports_what_expired(stage: Stage) -> None:
    """And `find` tells its gateway why."""
    request_id = await stage.enqueue(caller=CALLER, queue_seconds=0.03)
    await stage.pass_time(0.05)
    await stage.queue.sweep(stage.endpoint)

    assert await hold(stage, request_id) == [request_id]
    assert (await stage.found(request_id)).state is RequestState.EXPIRED


async def test_hold_reports_what_failed(stage: Stage) -> None:
    """Its worker may not have reached the gateway."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "broken off")

    assert await hold(stage, request_id) == [request_id]


async def test_hold_reports_dead_letters(stage: Stage) -> None:
    """A dead sync request tells its error to its gateway."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    for _ in range(MAX_FAULTS):
        await stage.fault()

    assert await hold(stage, request_id) == [request_id]
    assert (await stage.found(request_id)).state is RequestState.DEAD


async def test_hold_reports_what_was_cancelled_while_it_ran(stage: Stage) -> None:
    """It will not be answered, though it still runs."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    await stage.take()
    await stage.queue.cancel(request_id)

    assert await hold(stage, request_id) == [request_id]


async def test_hold_never_shortens_what_the_enqueue_promised(stage: Stage) -> None:
    """A gateway that says a short time still has its first six seconds."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")

    await stage.queue.hold(stage.endpoint, CALLER.gateway, [request_id], 0.01)
    await stage.pass_time(0.05)

    assert (await stage.take()).id == request_id


@LASTS_LONG
async def test_sync_request_without_its_gateway_is_dropped(stage: Stage) -> None:
    """The next is taken in its place; an async one waits for no gateway."""
    abandoned = await stage.enqueue(caller=CALLER)
    kept = await stage.enqueue()
    await stage.ready("r1")
    await stage.pass_time(HOLD_SECONDS + 0.1)

    taken = await stage.take()

    assert taken.id == kept
    assert await stage.queue.find(abandoned) is None


@LASTS_LONG
async def test_held_sync_request_is_taken(stage: Stage) -> None:
    """Its gateway said in time that its client still waits."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.queue.hold(stage.endpoint, CALLER.gateway, [request_id], 3 * HOLD_SECONDS)
    await stage.ready("r1")
    await stage.pass_time(HOLD_SECONDS + 0.1)

    assert (await stage.take()).id == request_id


@LASTS_LONG
async def test_lost_sync_request_without_its_gateway_does_not_go_back(stage: Stage) -> None:
    """Worker and gateway are both gone: nobody is left to answer."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    await stage.take(lease_seconds=HOLD_SECONDS)
    await stage.pass_time(HOLD_SECONDS + 0.1)

    await stage.queue.sweep(stage.endpoint)

    assert await stage.queue.find(request_id) is None
    assert (await stage.view()).demand == 0


@LASTS_LONG
async def test_sweep_drops_what_waits_for_a_silent_gateway(stage: Stage) -> None:
    """Without a free replica too: it asks for none any more."""
    await stage.enqueue(caller=CALLER)
    kept = await stage.enqueue()
    await stage.pass_time(HOLD_SECONDS + 0.1)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.view()).waiting == 1
    assert (await stage.found(kept)).state is RequestState.WAITING
