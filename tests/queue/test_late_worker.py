"""What the attempt check is for: a late worker, once without the check and once with it.

A worker stalls, its request is taken over, and then its model finishes after all.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.queue_stage import Stage
from support.valkey_server import ValkeyServer

from runtime.queue.moves import read_move
from runtime.queue.port import Answer, LeaseLostError, ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead, RequestState

CHECK = " and found[2] == attempt"
LATE = Answer(AnswerHead(200, ()), b"late")


def read_unchecked(name: str) -> str:
    """A move that takes any attempt for the one that holds the lease."""
    script = read_move(name)
    assert script.count(CHECK) == 1
    return script.replace(CHECK, "")


@asynccontextmanager
async def taken_over(
    server: ValkeyServer, read_script: Callable[[str], str]
) -> AsyncIterator[tuple[Stage, str]]:
    """r1's take of the request is late, r2 runs it as its second attempt, another request waits."""
    queue = ValkeyQueue.connect(server.url, read_script)
    try:
        stage = Stage(queue)
        request_id = await stage.enqueue()
        await stage.lose("r1")
        await stage.ready("r2")
        await stage.take("r2")
        await stage.enqueue()
        yield stage, request_id
    finally:
        await queue.close()


async def test_without_the_check_a_late_finish_makes_two_requests_overlap(
    alone_server: ValkeyServer,
) -> None:
    """It ends the request under r2, whose model still works on it while r2 is handed the next."""
    async with taken_over(alone_server, read_unchecked) as (stage, request_id):
        await stage.queue.finish(stage.endpoint, request_id, 1, LATE)

        view = await stage.found(request_id)
        assert (view.state, view.answer) == (RequestState.COMPLETED, LATE)
        assert (await stage.replica("r2")).state is ReplicaState.READY
        assert (await stage.take("r2")).id != request_id


async def test_with_the_check_a_late_finish_changes_nothing(alone_server: ValkeyServer) -> None:
    """r2 keeps its request and gets no second one; its own finish counts."""
    async with taken_over(alone_server, read_move) as (stage, request_id):
        with pytest.raises(LeaseLostError):
            await stage.queue.finish(stage.endpoint, request_id, 1, LATE)

        view = await stage.found(request_id)
        assert (view.state, view.attempt, view.answer) == (RequestState.RUNNING, 2, None)
        assert (await stage.replica("r2")).state is ReplicaState.BUSY
        assert await stage.try_take("r2") is None
        await stage.queue.finish(stage.endpoint, request_id, 2, None)


@pytest.mark.parametrize("is_checked", [False, True])
async def test_only_the_check_keeps_a_late_worker_from_renewing(
    alone_server: ValkeyServer, is_checked: bool
) -> None:
    """Without it, a worker that lost its request goes on as if it had not."""
    async with taken_over(alone_server, read_move if is_checked else read_unchecked) as (stage, request_id):
        is_refused = False
        try:
            await stage.queue.renew(stage.endpoint, request_id, 1, 30)
        except LeaseLostError:
            is_refused = True

        assert is_refused is is_checked
