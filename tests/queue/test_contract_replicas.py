"""Every queue: what replicas report, which of them may take, and which are forgotten."""

import pytest
from support.queue_stage import LASTS_LONG, Stage

from runtime.queue.port import SILENT_SECONDS, ReplicaState
from runtime.wire import RequestState


async def beat(stage: Stage, state: ReplicaState, detail: str = "") -> bool:
    """Report the state of r1."""
    return await stage.queue.beat(stage.endpoint, "r1", state, detail)


async def test_joined_replica_is_starting(stage: Stage) -> None:
    """With its revision, never ready, not idle."""
    await stage.queue.join(stage.endpoint, "r1", "rev-7")

    replica = await stage.replica()
    assert (replica.id, replica.state, replica.revision) == ("r1", ReplicaState.STARTING, "rev-7")
    assert (replica.ready_at, replica.idle_since, replica.request) == (None, None, None)
    assert replica.joined_at <= replica.beat_at


async def test_ready_replica_is_idle_from_that_moment(stage: Stage) -> None:
    """Its idle clock starts with its first readiness."""
    await stage.ready("r1")

    replica = await stage.replica()
    assert replica.state is ReplicaState.READY
    assert replica.ready_at == replica.idle_since is not None


async def test_taking_makes_a_replica_busy(stage: Stage) -> None:
    """It shows what it runs and is not idle."""
    request_id = await stage.enqueue()
    await stage.ready("r1")

    await stage.take()

    replica = await stage.replica()
    assert (replica.state, replica.request, replica.idle_since) == (ReplicaState.BUSY, request_id, None)


async def test_finishing_makes_a_replica_idle_again(stage: Stage) -> None:
    """Idle since the end of its last request."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.pass_time(0.02)

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)

    replica = await stage.replica()
    assert (replica.state, replica.request) == (ReplicaState.READY, None)
    assert replica.ready_at is not None
    assert replica.idle_since is not None
    assert replica.idle_since > replica.ready_at


async def test_failing_a_request_makes_its_replica_unready(stage: Stage) -> None:
    """Its model is restarted; it takes nothing until it says ready."""
    await stage.enqueue()
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "too long")

    replica = await stage.replica()
    assert (replica.state, replica.request, replica.idle_since) == (ReplicaState.STARTING, None, None)
    assert await stage.try_take() is None


async def test_fault_makes_a_replica_unready_but_not_new(stage: Stage) -> None:
    """It was ready once; that is not forgotten."""
    await stage.enqueue()
    await stage.ready("r1")

    await stage.fault()

    replica = await stage.replica()
    assert (replica.state, replica.request) == (ReplicaState.STARTING, None)
    assert replica.ready_at is not None


async def test_drained_replica_is_free(stage: Stage) -> None:
    """Given back without a fault, the replica holds nothing."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)

    assert (await stage.replica()).request is None


@pytest.mark.parametrize("state", [ReplicaState.STARTING, ReplicaState.FAILING])
async def test_unready_report_outlives_the_end_of_the_request(stage: Stage, state: ReplicaState) -> None:
    """What the worker said meanwhile is true: finishing does not make it ready."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await beat(stage, state, "the model ended")

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)

    assert (await stage.replica()).state is state


@pytest.mark.parametrize("state", [ReplicaState.STARTING, ReplicaState.FAILING])
async def test_unready_replica_takes_nothing(stage: Stage, state: ReplicaState) -> None:
    """And the queue holds the words that say why."""
    await stage.enqueue()
    await stage.ready("r1")

    await beat(stage, state, "exit status 1")

    replica = await stage.replica()
    assert await stage.try_take() is None
    assert (replica.state, replica.detail, replica.idle_since) == (state, "exit status 1", None)


async def test_recovered_replica_takes_again(stage: Stage) -> None:
    """Failing, then ready: the words are gone, the first readiness is not."""
    await stage.enqueue()
    await stage.ready("r1")
    first = (await stage.replica()).ready_at
    await beat(stage, ReplicaState.FAILING, "exit status 1")
    await stage.pass_time(0.02)

    await beat(stage, ReplicaState.READY)

    replica = await stage.replica()
    assert (replica.ready_at, replica.detail) == (first, "")
    assert replica.idle_since is not None
    assert await stage.try_take() is not None


async def test_busy_replica_takes_no_second_request(stage: Stage) -> None:
    """One at a time, ever."""
    await stage.enqueue()
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take()

    assert await stage.try_take() is None


async def test_busy_replica_stays_busy_though_it_says_ready(stage: Stage) -> None:
    """A late heartbeat does not free a slot."""
    await stage.enqueue()
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take()

    await beat(stage, ReplicaState.READY)

    assert (await stage.replica()).state is ReplicaState.BUSY
    assert await stage.try_take() is None


async def test_busy_report_only_shows_that_the_worker_lives(stage: Stage) -> None:
    """Only a take makes a replica busy."""
    await stage.ready("r1")
    before = await stage.replica()
    await stage.pass_time(0.02)

    await beat(stage, ReplicaState.BUSY)

    after = await stage.replica()
    assert (after.state, after.idle_since) == (ReplicaState.READY, before.idle_since)
    assert after.beat_at > before.beat_at


async def test_ready_heartbeats_do_not_restart_the_idle_clock(stage: Stage) -> None:
    """Else no replica would ever be idle for long."""
    await stage.ready("r1")
    before = (await stage.replica()).idle_since
    await stage.pass_time(0.02)

    await beat(stage, ReplicaState.READY)

    assert (await stage.replica()).idle_since == before


async def test_unknown_replica_takes_nothing(stage: Stage) -> None:
    """It must join first."""
    await stage.enqueue()

    assert await stage.try_take("nobody") is None


async def test_heartbeat_of_an_unknown_replica_says_so(stage: Stage) -> None:
    """True for a known one."""
    unknown = await beat(stage, ReplicaState.READY)
    await stage.queue.join(stage.endpoint, "r1", "rev-1")

    known = await beat(stage, ReplicaState.READY)

    assert (unknown, known) == (False, True)


async def test_replica_that_leaves_is_forgotten(stage: Stage) -> None:
    """The others stay."""
    await stage.ready("r1", "r2")

    await stage.queue.leave(stage.endpoint, "r1")

    assert await stage.replicas() == {"r2"}


async def test_joining_again_starts_anew(stage: Stage) -> None:
    """A new worker knows nothing of its model: never ready yet."""
    await stage.ready("r1")

    await stage.queue.join(stage.endpoint, "r1", "rev-2")

    replica = await stage.replica()
    assert (replica.state, replica.revision) == (ReplicaState.STARTING, "rev-2")
    assert (replica.ready_at, replica.idle_since) == (None, None)


async def test_retired_replica_takes_nothing(stage: Stage) -> None:
    """Though it reports itself ready."""
    request_id = await stage.enqueue()
    await stage.ready("r1")

    retired = await stage.queue.retire(stage.endpoint, ["r1"])
    await beat(stage, ReplicaState.READY)

    assert retired == ["r1"]
    assert await stage.try_take() is None
    assert (await stage.found(request_id)).state is RequestState.WAITING


@pytest.mark.parametrize("state", [ReplicaState.STARTING, ReplicaState.FAILING])
async def test_retired_replica_stays_so_whatever_it_reports(stage: Stage, state: ReplicaState) -> None:
    """Else a restart of its model would bring back what is about to be removed."""
    await stage.ready("r1")
    await stage.queue.retire(stage.endpoint, ["r1"])

    await beat(stage, state)

    assert (await stage.replica()).state is ReplicaState.RETIRED


async def test_retired_replica_stays_so_when_its_worker_starts_anew(stage: Stage) -> None:
    """Its number may be lowered already, and what it took now would run in a pod that is being deleted."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.queue.retire(stage.endpoint, ["r1"])

    held = await stage.queue.join(stage.endpoint, "r1", "rev-1")
    await beat(stage, ReplicaState.READY)

    assert held is None
    assert (await stage.replica()).state is ReplicaState.RETIRED
    assert await stage.try_take() is None


async def test_what_a_former_worker_left_is_told_until_the_model_is_ready(stage: Stage) -> None:
    """The first answer may have been lost; else the model would be given a second request beside it."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take()

    told = [await stage.queue.join(stage.endpoint, "r1", "rev-1") for _ in range(2)]
    await beat(stage, ReplicaState.READY)
    told.append(await stage.queue.join(stage.endpoint, "r1", "rev-1"))

    assert told == [request_id, request_id, None]
    assert (await stage.found(request_id)).state is RequestState.WAITING


async def test_busy_replica_is_not_retired(stage: Stage) -> None:
    """Only those that may go come back; a starting one may, an unknown one is nobody."""
    await stage.enqueue()
    await stage.ready("busy", "idle")
    await stage.queue.join(stage.endpoint, "starting", "rev-1")
    await stage.take("busy")

    retired = await stage.queue.retire(stage.endpoint, ["busy", "idle", "starting", "nobody"])

    assert sorted(retired) == ["idle", "starting"]
    assert (await stage.replica("busy")).state is ReplicaState.BUSY
    assert (await stage.replica("starting")).state is ReplicaState.RETIRED


async def test_retire_said_twice_answers_the_same(stage: Stage) -> None:
    """A scaler that lost the first answer loses no replica."""
    await stage.ready("r1")

    answers = [await stage.queue.retire(stage.endpoint, ["r1"]) for _ in range(2)]

    assert answers == [["r1"], ["r1"]]


async def test_unretired_replica_takes_again(stage: Stage) -> None:
    """It was ready, so it is."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.queue.retire(stage.endpoint, ["r1"])

    await stage.queue.unretire(stage.endpoint, ["r1", "nobody"])

    assert (await stage.replica()).state is ReplicaState.READY
    assert await stage.try_take() is not None


async def test_unretired_replica_that_never_was_ready_is_starting(stage: Stage) -> None:
    """It must still say that its model answers."""
    await stage.queue.join(stage.endpoint, "r1", "rev-1")
    await stage.queue.retire(stage.endpoint, ["r1"])
    await beat(stage, ReplicaState.READY)

    await stage.queue.unretire(stage.endpoint, ["r1"])

    assert (await stage.replica()).state is ReplicaState.STARTING


async def test_unretire_leaves_the_others_alone(stage: Stage) -> None:
    """A failing replica stays failing."""
    await stage.ready("r1")
    await beat(stage, ReplicaState.FAILING, "exit status 1")

    await stage.queue.unretire(stage.endpoint, ["r1"])

    assert (await stage.replica()).state is ReplicaState.FAILING


@LASTS_LONG
@pytest.mark.timeout(60)
async def test_silent_replica_is_forgotten(stage: Stage) -> None:
    """One that holds a live lease is not, nor one that beats or renews."""
    await stage.enqueue()
    await stage.enqueue()
    await stage.ready("silent", "holds", "renews", "beats")
    await stage.take("holds", lease_seconds=4 * SILENT_SECONDS)
    renewed = await stage.take("renews")
    await stage.pass_time(SILENT_SECONDS - 2)
    await stage.queue.renew(stage.endpoint, renewed.id, renewed.attempt, 30)
    await stage.queue.beat(stage.endpoint, "beats", ReplicaState.READY)
    await stage.pass_time(2.2)

    await stage.queue.sweep(stage.endpoint)

    assert await stage.replicas() == {"holds", "renews", "beats"}


async def test_crash_looping_replica_stays_so_until_it_is_ready(stage: Stage) -> None:
    """Its worker, which only sees that the model is not up, reports starting all the while."""
    await stage.queue.join(stage.endpoint, "r1", "rev")
    await beat(stage, ReplicaState.FAILING, "exit status 1")

    await beat(stage, ReplicaState.STARTING)
    assert (await stage.replica()).detail == "exit status 1"
    await beat(stage, ReplicaState.READY)

    assert (await stage.replica()).state is ReplicaState.READY


@pytest.mark.parametrize("state", [ReplicaState.STARTING, ReplicaState.FAILING])
async def test_recovered_replica_with_a_request_in_hand_is_busy(stage: Stage, state: ReplicaState) -> None:
    """One at a time: it is free when it gives the request back, not when its model answers again."""
    await stage.enqueue()
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await beat(stage, state, "the model ended")

    await beat(stage, ReplicaState.READY)

    replica = await stage.replica()
    assert (replica.state, replica.request) == (ReplicaState.BUSY, taken.id)
    assert (replica.idle_since, replica.detail) == (None, "")
    assert await stage.try_take() is None


@pytest.mark.parametrize("state", [ReplicaState.STARTING, ReplicaState.FAILING])
async def test_unready_replica_with_a_request_in_hand_is_not_retired(
    stage: Stage, state: ReplicaState
) -> None:
    """Its request is still its own."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take()
    await beat(stage, state)

    assert await stage.queue.retire(stage.endpoint, ["r1"]) == []
    assert (await stage.replica()).state is state


async def test_unretired_replica_that_was_failing_is_starting(stage: Stage) -> None:
    """It was ready once, but not when it was retired."""
    await stage.enqueue()
    await stage.ready("r1")
    await beat(stage, ReplicaState.FAILING, "exit status 1")
    await stage.queue.retire(stage.endpoint, ["r1"])

    await stage.queue.unretire(stage.endpoint, ["r1"])

    assert (await stage.replica()).state is ReplicaState.STARTING
    assert await stage.try_take() is None


@pytest.mark.parametrize("fault", [None, "exit status 137"])
async def test_giving_back_is_a_sign_of_life(stage: Stage, fault: str | None) -> None:
    """As a heartbeat is."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    before = (await stage.replica()).beat_at
    await stage.pass_time(0.02)

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=fault)

    assert (await stage.replica()).beat_at > before


async def test_crash_looping_replica_stays_so_when_its_request_fails(stage: Stage) -> None:
    """Who saw it crash again and again knows more than the end of one request."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await beat(stage, ReplicaState.FAILING, "exit status 1")

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "broken off")

    replica = await stage.replica()
    assert (replica.state, replica.detail, replica.request) == (ReplicaState.FAILING, "exit status 1", None)


async def test_replicas_are_seen_in_the_order_of_their_ids(stage: Stage) -> None:
    """Whoever beat last."""
    await stage.ready("r2", "r1", "r3")
    await stage.pass_time(0.005)
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)

    assert [each.id for each in (await stage.view()).replicas] == ["r1", "r2", "r3"]
