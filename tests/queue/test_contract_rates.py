"""Every queue: rate limits that all gateways share, and what views tell of waiting."""

import asyncio

import pytest
from support.queue_stage import CALLER, Stage

from runtime.queue.port import Allowance


@pytest.fixture
def bucket(stage: Stage) -> str:
    """One that no other test uses."""
    return f"token:{stage.endpoint}"


async def test_full_bucket_allows_its_count(stage: Stage, bucket: str) -> None:
    """And tells how many are left."""
    told = [await stage.queue.allow(bucket, 3, 600) for _ in range(4)]

    assert [each.is_allowed for each in told] == [True, True, True, False]
    assert [each.remaining for each in told] == [2, 1, 0, 0]
    assert [each.retry_seconds > 0 for each in told] == [False, False, False, True]


async def test_first_of_a_bucket_tells_when_it_is_full_again(stage: Stage, bucket: str) -> None:
    """One of three refills in a third of the time."""
    assert await stage.queue.allow(bucket, 3, 600) == Allowance(
        is_allowed=True, remaining=2, reset_seconds=200.0, retry_seconds=0.0
    )


async def test_refused_one_hears_when_to_come_again(stage: Stage, bucket: str) -> None:
    """When one has refilled; asking did not cost anything."""
    for _ in range(3):
        await stage.queue.allow(bucket, 3, 600)

    told = [await stage.queue.allow(bucket, 3, 600) for _ in range(2)]

    assert [each.retry_seconds for each in told] == pytest.approx([200, 200], abs=5)
    assert [each.reset_seconds for each in told] == pytest.approx([600, 600], abs=5)


async def test_bucket_refills_evenly(stage: Stage, bucket: str) -> None:
    """One at a time, not all at the end."""
    for _ in range(2):
        await stage.queue.allow(bucket, 2, 0.8)
    await stage.pass_time(0.45)

    told = [await stage.queue.allow(bucket, 2, 0.8) for _ in range(2)]

    assert [each.is_allowed for each in told] == [True, False]


async def test_bucket_never_holds_more_than_its_count(stage: Stage, bucket: str) -> None:
    """However long nobody came."""
    await stage.queue.allow(bucket, 2, 0.1)
    await stage.pass_time(0.3)

    told = [await stage.queue.allow(bucket, 2, 600) for _ in range(3)]

    assert [each.is_allowed for each in told] == [True, True, False]


async def test_buckets_do_not_share(stage: Stage, bucket: str) -> None:
    """Another caller's use costs this one nothing."""
    await stage.queue.allow(bucket, 1, 600)

    assert (await stage.queue.allow(f"{bucket}:other", 1, 600)).is_allowed


async def test_lowered_rate_does_not_lock_anybody_out_for_longer(stage: Stage, bucket: str) -> None:
    """An empty bucket of a day is at worst an empty bucket of a minute."""
    await stage.queue.allow(bucket, 1, 86400)

    told = await stage.queue.allow(bucket, 1, 60)

    assert not told.is_allowed
    assert told.retry_seconds == pytest.approx(60, abs=1)


async def test_concurrent_calls_are_counted_one_by_one(stage: Stage, bucket: str) -> None:
    """Fifty gateways at once, ten allowances."""
    told = await asyncio.gather(*(stage.queue.allow(bucket, 10, 600) for _ in range(50)))

    assert sum(each.is_allowed for each in told) == 10


async def test_request_tells_what_it_is(stage: Stage) -> None:
    """Priority, kind, name of its body."""
    sync = await stage.found(await stage.enqueue(caller=CALLER, priority=0))
    other = await stage.found(await stage.enqueue(priority=2, body_ref="bodies/1", body_bytes=9))

    assert (sync.priority, sync.caller_kind, sync.body_ref) == (0, "sync", None)
    assert (other.priority, other.caller_kind, other.body_ref) == (2, "async", "bodies/1")


async def test_waited_seconds_grow_until_the_take(stage: Stage) -> None:
    """Running is not waiting."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.pass_time(0.1)
    waiting = (await stage.found(request_id)).waited_seconds

    taken = await stage.take()
    await stage.pass_time(0.1)

    running = (await stage.found(request_id)).waited_seconds
    assert 0.1 <= waiting <= running < 5
    assert running == pytest.approx(taken.waited_seconds, abs=1e-5)


async def test_waited_seconds_of_one_that_never_ran_end_with_it(stage: Stage) -> None:
    """Nor do they grow afterwards."""
    request_id = await stage.enqueue()
    await stage.pass_time(0.05)
    await stage.queue.cancel(request_id)
    await stage.pass_time(0.05)

    view = await stage.found(request_id)

    assert view.finished_at is not None
    assert view.waited_seconds == pytest.approx(view.finished_at - view.enqueued_at, abs=1e-5)


async def test_wait_seconds_start_with_the_first_take(stage: Stage) -> None:
    """And move by a fifth with the next."""
    await stage.enqueue()
    await stage.ready("r1", "r2")
    before = (await stage.view()).wait_seconds
    await stage.pass_time(0.2)
    first = (await stage.take("r1")).waited_seconds
    after_first = (await stage.view()).wait_seconds
    await stage.enqueue()

    second = (await stage.take("r2")).waited_seconds

    assert before is None
    assert after_first == pytest.approx(first, abs=0.002)
    assert (await stage.view()).wait_seconds == pytest.approx(0.8 * first + 0.2 * second, abs=0.002)


async def test_oldest_is_the_longest_waiting_of_all_priorities(stage: Stage) -> None:
    """Not the next to be taken."""
    oldest = await stage.enqueue(priority=2)
    await stage.pass_time(0.02)
    await stage.enqueue(priority=0)

    assert (await stage.view()).oldest_enqueued_at == (await stage.found(oldest)).enqueued_at
