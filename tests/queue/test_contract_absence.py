"""What the queue's own absence does to those who could not be heard meanwhile: nothing, if they are heard again."""

import pytest
from support.queue_stage import CALLER, LASTS_LONG, Stage

from runtime.queue.port import AWAY_SECONDS, HOLD_SECONDS, RETURN_SECONDS, SILENT_SECONDS, ReplicaState
from runtime.wire import RequestState


async def be_away(stage: Stage, seconds: float) -> None:
    """The queue was swept, is away for so long, and is swept again before anybody else speaks."""
    await stage.queue.sweep(stage.endpoint)
    await stage.let_pass(seconds)
    await stage.queue.sweep(stage.endpoint)


@LASTS_LONG
async def test_waiting_clients_outlive_an_absence(stage: Stage) -> None:
    """Their gateway renews its hold a moment after a worker has asked for the next."""
    request_id = await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    await be_away(stage, HOLD_SECONDS + 0.5)

    taken = await stage.take()

    assert taken.id == request_id


@LASTS_LONG
async def test_a_gateway_that_stays_silent_after_an_absence_is_given_up(stage: Stage) -> None:
    """Once it has had the time to be heard."""
    await stage.enqueue(caller=CALLER)
    await be_away(stage, HOLD_SECONDS + 0.5)
    await stage.pass_time(RETURN_SECONDS + 0.1)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.view()).demand == 0


@LASTS_LONG
async def test_running_requests_outlive_an_absence(stage: Stage) -> None:
    """A lease that ran out meanwhile is renewed by its worker, who never let go."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take(lease_seconds=5)
    await be_away(stage, 6)

    await stage.queue.renew(stage.endpoint, request_id, taken.attempt, 30)
    await stage.pass_time(RETURN_SECONDS + 0.1)
    await stage.queue.sweep(stage.endpoint)

    found = await stage.found(request_id)
    assert (found.state, found.attempt) == (RequestState.RUNNING, 1)


@LASTS_LONG
async def test_a_worker_that_stays_silent_after_an_absence_is_taken_over_from(stage: Stage) -> None:
    """Its request goes back once it has had the time to be heard."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take(lease_seconds=5)
    await be_away(stage, 6)
    assert (await stage.found(request_id)).state is RequestState.RUNNING
    await stage.pass_time(RETURN_SECONDS + 0.1)

    await stage.queue.sweep(stage.endpoint)

    assert (await stage.found(request_id)).state is RequestState.WAITING
    assert await stage.replicas() == set()


@LASTS_LONG
@pytest.mark.timeout(60)
async def test_idle_replicas_outlive_an_absence(stage: Stage) -> None:
    """They are known still, and whoever says nothing then is forgotten later."""
    await stage.ready("beats", "silent")
    await be_away(stage, SILENT_SECONDS + 1)
    assert await stage.replicas() == {"beats", "silent"}

    await stage.queue.beat(stage.endpoint, "beats", ReplicaState.READY)
    await stage.pass_time(RETURN_SECONDS + 0.1)
    await stage.queue.sweep(stage.endpoint)

    assert await stage.replicas() == {"beats"}


@LASTS_LONG
@pytest.mark.timeout(60)
async def test_slow_sweeps_find_a_silent_worker_all_the_same(stage: Stage) -> None:
    """Each comes later than an absence would be told from; a scaler with many endpoints may be so slow."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take(lease_seconds=5)

    for _ in range(3):
        await be_away(stage, AWAY_SECONDS + 0.5)

    assert (await stage.found(request_id)).state is RequestState.WAITING
