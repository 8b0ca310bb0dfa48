"""Every queue: who goes first, how much may wait, and what arrives is what was sent."""

import asyncio

import pytest
from support.queue_stage import CALLER, HEAD, ROOMY, Stage

from runtime.queue.port import Answer, Bounds, Enqueued, NewRequest, QueueFullError
from runtime.wire import AnswerHead, RequestState, new_request_id

EVERY_BYTE = bytes(range(256))


async def test_equal_requests_are_taken_first_come_first_served(stage: Stage) -> None:
    """Tickets decide."""
    ids = [await stage.enqueue() for _ in range(20)]
    await stage.ready("r1")

    assert await stage.take_all() == ids


async def test_lower_priority_number_goes_first(stage: Stage) -> None:
    """0 before 1 before 2, whoever came first."""
    last, middle, first = [await stage.enqueue(priority=priority) for priority in (2, 1, 0)]
    await stage.ready("r1")

    assert await stage.take_all() == [first, middle, last]


async def test_enqueue_tells_how_many_wait_before(stage: Stage) -> None:
    """Position 0 is next, and a higher priority stands before the others."""

    async def position(priority: int) -> int | None:
        request = NewRequest(new_request_id(stage.endpoint), HEAD, b"", 60, priority=priority)
        return (await stage.queue.enqueue(request, ROOMY)).position

    assert [await position(priority) for priority in (1, 1, 0, 2)] == [0, 1, 0, 3]


async def test_position_moves_up_as_others_are_taken(stage: Stage) -> None:
    """`find` tells the rank of this moment."""
    ids = [await stage.enqueue() for _ in range(3)]
    await stage.ready("r1")
    before = [(await stage.found(each)).position for each in ids]

    await stage.take()

    after = [(await stage.found(each)).position for each in ids]
    assert (before, after) == ([0, 1, 2], [None, 0, 1])


async def test_enqueue_of_a_known_id_stores_it_once(stage: Stage) -> None:
    """A caller that lost the answer may say it again."""
    request = NewRequest(new_request_id(stage.endpoint), HEAD, b"{}", 60)

    told = [await stage.queue.enqueue(request, ROOMY) for _ in range(2)]

    assert told == [Enqueued(request.id, 0, is_repeat=False)] * 2
    assert (await stage.view()).waiting == 1


async def test_full_queue_refuses_by_count(stage: Stage) -> None:
    """The error names the bound and how many wait; nothing is stored."""
    bounds = Bounds(waiting=2, waiting_bytes=1000)
    for _ in range(2):
        await stage.enqueue(bounds=bounds)

    with pytest.raises(QueueFullError) as refusal:
        await stage.enqueue(bounds=bounds)

    assert (refusal.value.bound, refusal.value.waiting) == ("waiting", 2)
    assert (await stage.view()).waiting == 2


async def test_full_queue_refuses_by_bytes(stage: Stage) -> None:
    """What fits exactly is let in, one byte more is not."""
    bounds = Bounds(waiting=10, waiting_bytes=10)
    await stage.enqueue(b"1234567890", bounds=bounds)

    with pytest.raises(QueueFullError) as refusal:
        await stage.enqueue(b"1", bounds=bounds)

    assert (refusal.value.bound, refusal.value.waiting) == ("bytes", 1)
    assert (await stage.view()).waiting_bytes == 10


async def test_body_in_the_object_store_counts_by_its_size(stage: Stage) -> None:
    """Not by the empty body that stands in the queue."""
    await stage.enqueue(b"", body_ref="bodies/1", body_bytes=7)

    assert (await stage.view()).waiting_bytes == 7


async def test_running_requests_do_not_count_against_the_bounds(stage: Stage) -> None:
    """The bounds are on what waits."""
    bounds = Bounds(waiting=1, waiting_bytes=2)
    await stage.enqueue(bounds=bounds)
    await stage.ready("r1")
    await stage.take()

    await stage.enqueue(bounds=bounds)

    view = await stage.view()
    assert (view.waiting, view.running, view.waiting_bytes) == (1, 1, 2)


async def test_expired_requests_make_room(stage: Stage) -> None:
    """Enqueue sweeps before it counts."""
    bounds = Bounds(waiting=1, waiting_bytes=1000)
    await stage.enqueue(queue_seconds=0.02, bounds=bounds)
    await stage.pass_time(0.04)

    await stage.enqueue(bounds=bounds)

    assert (await stage.view()).waiting == 1


async def test_cancelled_and_taken_requests_give_their_bytes_back(stage: Stage) -> None:
    """The count of bytes ends where it began."""
    cancelled = await stage.enqueue(b"12345")
    await stage.enqueue(b"678")
    await stage.ready("r1")

    await stage.queue.cancel(cancelled)
    await stage.take_all()

    assert (await stage.view()).waiting_bytes == 0


async def test_given_back_request_returns_to_its_old_place(stage: Stage) -> None:
    """Before those that came after it, behind those that came before."""
    first, second, third = [await stage.enqueue() for _ in range(3)]
    await stage.ready("r1", "r2")
    await stage.take("r1")
    taken = await stage.take("r2")

    await stage.queue.give_back(stage.endpoint, taken.id, taken.attempt, fault=None)

    assert taken.id == second
    assert await stage.found_positions(first, second, third) == [None, 0, 1]


async def test_request_reaches_the_worker_as_it_was_sent(stage: Stage) -> None:
    """Head, body of every byte value, caller."""
    request_id = await stage.enqueue(EVERY_BYTE, caller=CALLER)
    await stage.ready("r1")

    taken = await stage.take()

    assert (taken.id, taken.attempt, taken.head, taken.body) == (request_id, 1, HEAD, EVERY_BYTE)
    assert (taken.caller, taken.body_ref) == (CALLER, None)


async def test_async_request_has_no_caller(stage: Stage) -> None:
    """Nor does it lose the name of its body."""
    await stage.enqueue(b"", body_ref="bodies/1", body_bytes=7)
    await stage.ready("r1")

    taken = await stage.take()

    assert (taken.caller, taken.body_ref, taken.body) == (None, "bodies/1", b"")


async def test_large_body_comes_through(stage: Stage) -> None:
    """8 MiB, every byte value in it."""
    body = EVERY_BYTE * (8 << 12)
    await stage.enqueue(body)
    await stage.ready("r1")

    assert (await stage.take()).body == body


async def test_answer_is_kept_as_the_model_gave_it(stage: Stage) -> None:
    """Status, repeated headers and every byte value."""
    answer = Answer(AnswerHead(418, (("x-a", "1"), ("x-a", "é"))), EVERY_BYTE, "results/1")
    await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, answer)

    assert (await stage.found(taken.id)).answer == answer


async def test_waited_seconds_count_from_the_enqueue(stage: Stage) -> None:
    """In seconds, not in milliseconds."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.pass_time(0.1)

    waited = (await stage.take()).waited_seconds

    assert 0.09 < waited < 5


async def test_fifty_concurrent_takers_share_the_requests_out(stage: Stage) -> None:
    """No request twice, none left, one for each replica."""
    ids = {await stage.enqueue() for _ in range(40)}
    replicas = [f"r{number}" for number in range(50)]
    await stage.ready(*replicas)

    taken = await asyncio.gather(*(stage.try_take(replica) for replica in replicas))

    handed_out = [each.id for each in taken if each is not None]
    assert len(handed_out) == 40
    assert set(handed_out) == ids


async def test_endpoints_do_not_see_each_other(stage: Stage) -> None:
    """Another endpoint's replica takes nothing of this one."""
    request_id = await stage.enqueue()
    other = Stage(stage.queue)
    await other.ready("r1")

    taken = await other.try_take("r1")

    assert taken is None
    assert (await stage.found(request_id)).state is RequestState.WAITING
