"""A Valkey that is out of memory: it takes nothing more in and loses nothing that it has."""

from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from support.queue_stage import Stage
from support.valkey_server import ValkeyServer

from runtime.queue.port import Answer, QueueUnavailableError, ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead, RequestState

ANSWER = Answer(AnswerHead(200, ()), b"[]")
LARGE = bytes(100_000)
MOST_REQUESTS = 200
"""More than fit into the memory that the server is given."""


class TightServer(ValkeyServer):
    """One with 8 MiB, some of which it needs itself."""

    def _command(self) -> Sequence[str]:
        return [*super()._command(), "--maxmemory", "8mb"]


@pytest.fixture(scope="module")
def tight_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TightServer]:
    """It fills up once."""
    with TightServer(tmp_path_factory.mktemp("tight")) as server:
        yield server


async def fill(stage: Stage) -> list[str]:
    """Enqueue until the server refuses; the ids of those that it took."""
    ids: list[str] = []
    try:
        while len(ids) < MOST_REQUESTS:
            ids.append(await stage.enqueue(LARGE))
    except QueueUnavailableError:
        return ids
    pytest.fail("the server never ran out of memory")


@pytest.fixture
async def stage(tight_server: TightServer) -> AsyncIterator[Stage]:
    """An endpoint with a ready replica; whatever a test leaves is gone afterwards."""
    queue = ValkeyQueue.connect(tight_server.url)
    try:
        stage = Stage(queue)
        await stage.ready("r1", "r2")
        yield stage
        await queue._client.flushall()
    finally:
        await queue.close()


async def test_refused_request_is_stored_nowhere(stage: Stage) -> None:
    """All that were taken in wait, and no more; they are handed out in order."""
    ids = await fill(stage)

    view = await stage.view()

    assert len(ids) > 10
    assert (view.waiting, view.waiting_bytes) == (len(ids), len(ids) * len(LARGE))
    assert await stage.take_all() == ids


async def test_moves_of_running_requests_still_work(stage: Stage) -> None:
    """Take, renew, finish with an answer, fail, give back and cancel."""
    ids = await fill(stage)
    queue, endpoint = stage.queue, stage.endpoint

    first, second = await stage.take("r1"), await stage.take("r2")
    await queue.renew(endpoint, first.id, first.attempt, 30)
    await queue.finish(endpoint, first.id, first.attempt, ANSWER)
    await queue.fail(endpoint, second.id, second.attempt, "too long")
    third = await stage.take("r1")
    await queue.give_back(endpoint, third.id, third.attempt, fault=None)
    await queue.cancel(ids[3])

    states = [(await stage.found(each)).state for each in ids[:5]]
    assert states == ["completed", "failed", "waiting", "cancelled", "waiting"]
    assert (await stage.found(first.id)).answer == ANSWER


async def test_what_keeps_the_endpoint_going_still_works(stage: Stage) -> None:
    """Heartbeats, holds, sweeps, the scaler's word, dead letters and rate limits."""
    ids = await fill(stage)
    queue, endpoint = stage.queue, stage.endpoint

    await queue.set_desired(endpoint, 1, 2, "behind 3", 60)
    await queue.sweep(endpoint)
    held = await queue.hold(endpoint, "gateway-1", ids[:1], 6)
    dead = await stage.kill("r3")
    await queue.replay(dead)
    allowed = await queue.allow(f"token:{endpoint}", 3, 60)

    assert (held, dead, allowed.is_allowed) == ([], ids[0], True)
    assert (await stage.found(dead)).position == len(ids) - 1
    assert await queue.beat(endpoint, "r1", ReplicaState.READY)


async def test_room_that_is_made_is_used_again(stage: Stage) -> None:
    """Once requests have gone, others come in."""
    ids = await fill(stage)
    for request_id in ids[:5]:
        await stage.queue.cancel(request_id)

    fresh = await stage.enqueue(LARGE)

    assert (await stage.found(fresh)).state is RequestState.WAITING
