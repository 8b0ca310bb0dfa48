"""Every queue: what the scaler reads, and who is woken when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.queue_stage import CALLER, Stage, eventually

from runtime.queue.port import MAX_FAULTS, ReplicaState


@asynccontextmanager
async def following(stage: Stage) -> AsyncIterator[list[str]]:
    """The endpoints signalled from now on; another endpoint shows that the follower has begun."""
    heard: list[str] = []
    probe = Stage(stage.queue)

    async def follow() -> None:
        async for endpoint in stage.queue.demands():
            heard.append(endpoint)  # noqa: PERF401 - a comprehension would never end

    async def has_begun() -> bool:
        await stage.queue.nudge(probe.endpoint)
        return probe.endpoint in heard

    async with asyncio.TaskGroup() as group:
        follower = group.create_task(follow())
        await eventually(has_begun)
        yield heard
        follower.cancel()


async def signals(stage: Stage, heard: list[str]) -> int:
    """How often the stage was signalled, once a later signal of another endpoint has come through."""
    last = Stage(stage.queue)
    await stage.queue.nudge(last.endpoint)

    async def has_come() -> bool:
        return last.endpoint in heard

    await eventually(has_come)
    return heard.count(stage.endpoint)


async def test_look_at_an_unknown_endpoint_is_empty(stage: Stage) -> None:
    """Nothing waits, nothing was ever needed."""
    view = await stage.view()

    assert (view.waiting, view.running, view.waiting_bytes, view.dead, view.desired) == (0, 0, 0, 0, 0)
    assert (view.oldest_enqueued_at, view.run_seconds, view.start_seconds) == (None, None, None)
    assert (dict(view.needed), list(view.replicas), view.cause) == ({}, [], "")


async def test_demand_is_what_waits_and_what_runs(stage: Stage) -> None:
    """Two wait, one runs."""
    for _ in range(3):
        await stage.enqueue()
    await stage.ready("r1")
    await stage.take()

    view = await stage.view()
    assert (view.waiting, view.running, view.demand) == (2, 1, 3)


async def test_oldest_is_the_first_that_waits(stage: Stage) -> None:
    """When it came in."""
    first = await stage.enqueue()
    await stage.pass_time(0.02)
    await stage.enqueue()

    assert (await stage.view()).oldest_enqueued_at == (await stage.found(first)).enqueued_at


async def test_enqueue_notes_no_need(stage: Stage) -> None:
    """Demand itself tells it; needs are about what is over."""
    await stage.enqueue()

    assert dict((await stage.view()).needed) == {}


async def test_finish_notes_the_demand_before_it(stage: Stage) -> None:
    """Two were needed until now."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.pass_time(0.02)
    await stage.enqueue()
    taken = await stage.take()
    before = (await stage.view()).now

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)

    assert (await stage.view()).needed[2] >= before


async def test_fail_notes_the_demand_before_it(stage: Stage) -> None:
    """As finish does."""
    for _ in range(2):
        await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "too long")

    assert 2 in (await stage.view()).needed


async def test_cancel_notes_the_demand_before_it(stage: Stage) -> None:
    """Three waited until now."""
    ids = [await stage.enqueue() for _ in range(3)]

    await stage.queue.cancel(ids[0])

    assert set((await stage.view()).needed) == {3}


async def test_expiry_notes_the_demand_before_it(stage: Stage) -> None:
    """Each one that expires."""
    for _ in range(2):
        await stage.enqueue(queue_seconds=0.02)
    await stage.pass_time(0.04)

    await stage.queue.sweep(stage.endpoint)

    assert set((await stage.view()).needed) == {1, 2}


async def test_dead_letter_notes_the_demand_before_it(stage: Stage) -> None:
    """The last fault lowers demand."""
    for _ in range(2):
        await stage.enqueue()
    await stage.ready("r1")

    for _ in range(MAX_FAULTS):
        await stage.fault()

    assert 2 in (await stage.view()).needed


async def test_first_readiness_notes_the_serving_replicas(stage: Stage) -> None:
    """A replica is needed from the moment it can serve, so its idle time starts then."""
    await stage.queue.set_desired(stage.endpoint, 2, 2, "", 60)
    await stage.ready("r1", "r2")
    before = await stage.view()
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.FAILING)
    await stage.pass_time(0.02)

    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)

    assert set(before.needed) == {1, 2}
    assert (await stage.view()).needed == before.needed


async def test_first_readiness_of_more_than_are_wanted_notes_no_need_of_them(stage: Stage) -> None:
    """During a rollout the old replica and the new one serve beside each other for a while."""
    await stage.queue.set_desired(stage.endpoint, 1, 4, "", 60)

    await stage.ready("old", "new")

    assert set((await stage.view()).needed) == {1}


async def test_nudge_notes_that_one_is_needed(stage: Stage) -> None:
    """Without a request."""
    await stage.queue.nudge(stage.endpoint)

    view = await stage.view()
    assert (set(view.needed), view.demand) == ({1}, 0)


async def test_decision_of_the_scaler_is_kept(stage: Stage) -> None:
    """Desired number and cause, the last one."""
    await stage.queue.set_desired(stage.endpoint, 1, 4, "behind 3", 60)
    await stage.queue.set_desired(stage.endpoint, 2, 4, "starting", 60)

    view = await stage.view()
    assert (view.desired, view.cause) == (2, "starting")


async def test_old_needs_are_forgotten(stage: Stage) -> None:
    """Those that hold nothing up any more; fresh ones stay."""
    ids = [await stage.enqueue() for _ in range(2)]
    await stage.queue.cancel(ids[0])
    await stage.pass_time(0.3)
    await stage.queue.nudge(stage.endpoint)

    await stage.queue.set_desired(stage.endpoint, 1, 4, "", 0.2)

    assert set((await stage.view()).needed) == {1}


async def test_run_seconds_start_with_the_first_run(stage: Stage) -> None:
    """And move by a fifth with the next."""
    await stage.ready("r1")
    runs = []
    for seconds in (0.3, 0.05):
        await stage.enqueue()
        taken = await stage.take()
        await stage.pass_time(seconds)
        await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, None)
        runs.append((await stage.view()).run_seconds or 0)

    assert 0.29 < runs[0] < 5
    assert 0.79 * runs[0] < runs[1] < runs[0]


async def test_start_seconds_run_from_join_to_first_readiness(stage: Stage) -> None:
    """A later recovery does not count."""
    await stage.queue.join(stage.endpoint, "r1", "rev-1")
    await stage.pass_time(0.15)
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    first = (await stage.view()).start_seconds or 0
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.STARTING)

    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)

    assert 0.09 < first < 5
    assert (await stage.view()).start_seconds == first


async def test_replica_that_joins_anew_says_nothing_of_starts(stage: Stage) -> None:
    """Its model was up all the while: it is ready in the moment it joins."""
    await stage.queue.join(stage.endpoint, "r1", "rev-1")
    await stage.pass_time(0.2)
    await stage.queue.beat(stage.endpoint, "r1", ReplicaState.READY)
    first = (await stage.view()).start_seconds or 0

    await stage.ready("r1", "r2")

    assert first > 0
    assert (await stage.view()).start_seconds == first


async def test_first_request_at_zero_signals_demand(stage: Stage) -> None:
    """Before any scaler has said anything."""
    async with following(stage) as heard:
        await stage.enqueue()

        assert await signals(stage, heard) == 1


async def test_enqueue_within_the_desired_number_is_silent(stage: Stage) -> None:
    """The second of two, where two are desired; the third is not."""
    await stage.queue.set_desired(stage.endpoint, 2, 4, "", 60)
    async with following(stage) as heard:
        counts = []
        for _ in range(3):
            await stage.enqueue()
            counts.append(await signals(stage, heard))

        assert counts == [0, 0, 1]


async def test_enqueue_at_the_ceiling_is_silent(stage: Stage) -> None:
    """There is nothing to be done about it."""
    await stage.queue.set_desired(stage.endpoint, 1, 1, "", 60)
    async with following(stage) as heard:
        for _ in range(3):
            await stage.enqueue()

        assert await signals(stage, heard) == 0


async def test_nudge_signals_only_at_zero(stage: Stage) -> None:
    """With one desired, nobody needs to be woken."""
    async with following(stage) as heard:
        await stage.queue.nudge(stage.endpoint)
        at_zero = await signals(stage, heard)
        await stage.queue.set_desired(stage.endpoint, 1, 1, "", 60)
        await stage.queue.nudge(stage.endpoint)

        assert (at_zero, await signals(stage, heard)) == (1, 1)


async def test_give_back_signals_demand(stage: Stage) -> None:
    """Its replica may be gone."""
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    async with following(stage) as heard:
        await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)

        assert await signals(stage, heard) == 1


async def test_every_follower_hears_demand(stage: Stage) -> None:
    """Two scalers run; either may lead."""
    async with following(stage) as first, following(stage) as second:
        await stage.enqueue()

        assert (await signals(stage, first), await signals(stage, second)) == (1, 1)


async def test_enqueue_wakes_a_waiting_worker(stage: Stage) -> None:
    """Long before its second is over."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stage.queue.wait_for_work(stage.endpoint, 1))
        await asyncio.sleep(0.05)
        await stage.enqueue(caller=CALLER)
        await waiting

    assert time.monotonic() - started < 0.6


async def test_enqueue_just_before_the_wait_is_not_lost(stage: Stage) -> None:
    """Between an empty take and the wait, something may come in."""
    await stage.ready("r1")
    await stage.try_take()
    await stage.enqueue()
    started = time.monotonic()

    await stage.queue.wait_for_work(stage.endpoint, 1)

    assert time.monotonic() - started < 0.6


async def test_give_back_wakes_a_waiting_worker(stage: Stage) -> None:
    """Another replica takes it over without a poll."""
    await stage.enqueue()
    await stage.ready("r1", "r2")
    taken = await stage.take("r1")
    await stage.try_take("r2")
    started = time.monotonic()

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)
    await stage.queue.wait_for_work(stage.endpoint, 1)

    assert time.monotonic() - started < 0.6


async def test_ready_replica_is_woken_for_what_waits(stage: Stage) -> None:
    """Whoever was woken before may not have been able to take."""
    await stage.enqueue()
    await stage.queue.wait_for_work(stage.endpoint, 1)
    await stage.ready("r1")
    started = time.monotonic()

    await stage.queue.wait_for_work(stage.endpoint, 1)

    assert time.monotonic() - started < 0.6


async def test_wait_ends_by_itself(stage: Stage) -> None:
    """After the seconds that were given, with nothing there."""
    started = time.monotonic()

    await stage.queue.wait_for_work(stage.endpoint, 0.1)

    assert 0.08 < time.monotonic() - started < 2


async def test_wait_is_never_longer_than_a_second(stage: Stage) -> None:
    """So that a lost wake-up costs no more."""
    started = time.monotonic()

    await stage.queue.wait_for_work(stage.endpoint, 30)

    assert time.monotonic() - started < 3


async def test_worker_without_work_does_not_spin(stage: Stage) -> None:
    """Wake-ups of requests that others took are gone once a take came back empty."""
    await stage.ready("r1")
    for _ in range(5):
        await stage.enqueue()
    await stage.take_all()
    started = time.monotonic()

    await stage.queue.wait_for_work(stage.endpoint, 0.2)

    assert time.monotonic() - started > 0.15


async def test_ping_answers(stage: Stage) -> None:
    """No error means that the queue is there."""
    await stage.queue.ping()
