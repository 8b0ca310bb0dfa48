"""A Valkey that journals every write, killed and started again: what it accepted is still there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.queue_stage import CALLER, HEAD, Stage
from support.valkey_server import ValkeyServer

from runtime.queue.port import Answer, QueueUnavailableError, ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead, RequestState

EVERY_BYTE = bytes(range(256))
ANSWER = Answer(AnswerHead(200, (("content-type", "application/octet-stream"),)), EVERY_BYTE)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """One that has the journal on disk before it answers."""
    with ValkeyServer(tmp_path, fsync="always") as server:
        yield server


@pytest.fixture
async def stage(server: ValkeyServer) -> AsyncIterator[Stage]:
    """An endpoint on it."""
    queue = ValkeyQueue.connect(server.url)
    try:
        yield Stage(queue)
    finally:
        await queue.close()


def crash(server: ValkeyServer) -> None:
    """SIGKILL it and start it on the same folder."""
    server.kill()
    server.start()


async def test_waiting_requests_outlive_a_crash(server: ValkeyServer, stage: Stage) -> None:
    """In their order, with head and body."""
    ids = [await stage.enqueue(EVERY_BYTE, priority=priority) for priority in (1, 1, 0)]
    await stage.ready("r1")

    crash(server)

    taken = await stage.take()
    assert (taken.id, taken.head, taken.body) == (ids[2], HEAD, EVERY_BYTE)
    assert await stage.found_positions(*ids[:2]) == [0, 1]


async def test_running_request_outlives_a_crash(server: ValkeyServer, stage: Stage) -> None:
    """Its worker renews and finishes as if nothing had happened."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()

    crash(server)
    await stage.queue.renew(stage.endpoint, taken.id, taken.attempt, 30)
    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)

    assert (await stage.found(request_id)).answer == ANSWER
    assert (await stage.replica()).state is ReplicaState.READY


async def test_lease_runs_out_over_a_crash(server: ValkeyServer, stage: Stage) -> None:
    """A worker that died with the queue does not keep its request."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take(lease_seconds=0.05)

    crash(server)
    await stage.pass_time(0.07)
    await stage.ready("r2")

    taken = await stage.take("r2")
    assert (taken.id, taken.attempt) == (request_id, 2)


async def test_results_outlive_a_crash(server: ValkeyServer, stage: Stage) -> None:
    """Answers, and why others have none."""
    answered, cancelled = await stage.enqueue(), await stage.enqueue()
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)
    await stage.queue.cancel(cancelled)

    crash(server)

    assert (await stage.found(answered)).answer == ANSWER
    assert (await stage.found(cancelled)).state is RequestState.CANCELLED


async def test_what_the_scaler_reads_outlives_a_crash(server: ValkeyServer, stage: Stage) -> None:
    """A new leader goes on where the old one stopped."""
    await stage.enqueue(caller=CALLER)
    await stage.ready("r1")
    await stage.queue.set_desired(stage.endpoint, 2, 4, "behind 1", 60)
    before = await stage.view()

    crash(server)

    after = await stage.view()
    assert (after.desired, after.cause, after.waiting) == (2, "behind 1", 1)
    assert (after.needed, after.replicas) == (before.needed, before.replicas)
    assert (after.start_seconds, after.waiting_bytes) == (before.start_seconds, before.waiting_bytes)


async def test_queue_that_is_away_says_so(server: ValkeyServer, stage: Stage) -> None:
    """The error of the port, not the client's own."""
    server.kill()

    with pytest.raises(QueueUnavailableError):
        await stage.enqueue()
    with pytest.raises(QueueUnavailableError):
        await stage.queue.ping()
