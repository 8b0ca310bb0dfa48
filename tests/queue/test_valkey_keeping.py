"""In Valkey, whatever has ended goes away by itself, when the port says and no sooner."""

from collections.abc import AsyncIterator

import pytest
from redis import Redis
from support.queue_stage import CALLER, Stage
from support.valkey_server import ValkeyServer

from runtime.queue.port import (
    DEAD_SECONDS,
    RESULT_SECONDS,
    TOLD_SECONDS,
    Answer,
    Caller,
    IdempotencyKey,
)
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead

KEY = IdempotencyKey("d" * 64, "f" * 64)
ANSWER = Answer(AnswerHead(200, ()), b"[]")
FOR_EVER, UNKNOWN = -1, -2
"""What Valkey says in place of a key's milliseconds."""


@pytest.fixture
async def stage(alone_server: ValkeyServer) -> AsyncIterator[Stage]:
    """An endpoint with two ready replicas."""
    queue = ValkeyQueue.connect(alone_server.url)
    try:
        stage = Stage(queue)
        await stage.ready("r1", "r2")
        yield stage
    finally:
        await queue.close()


class Keeping:
    """How long the server keeps what belongs to an endpoint."""

    def __init__(self, server: ValkeyServer, stage: Stage) -> None:
        self._server = server
        self._base = f"moorage:{{{stage.endpoint}}}"

    def __call__(self, name: str) -> int:
        """Milliseconds; `name` is what follows the endpoint in the key."""
        with Redis(port=self._server.port) as client:
            ms = client.pttl(f"{self._base}:{name}")
        assert isinstance(ms, int)
        return ms


@pytest.fixture
def pttl(alone_server: ValkeyServer, stage: Stage) -> Keeping:
    """Of the stage's endpoint."""
    return Keeping(alone_server, stage)


def is_about(ms: int, seconds: float) -> bool:
    """Whether it was set a moment ago to so many seconds."""
    return (seconds - 10) * 1000 < ms <= seconds * 1000


async def finish(stage: Stage) -> None:
    """Run what waits."""
    taken = await stage.take()
    await stage.queue.finish(stage.endpoint, taken.id, taken.attempt, ANSWER)


async def test_waiting_and_running_requests_are_kept_for_ever(stage: Stage, pttl: Keeping) -> None:
    """Deadlines end them, not the server."""
    running = await stage.enqueue(key=KEY)
    await stage.take()
    waiting = await stage.enqueue()

    kept = {pttl(f"request:{running}"), pttl(f"request:{waiting}"), pttl(f"key:{KEY.digest}")}
    assert kept == {FOR_EVER}


@pytest.mark.parametrize(("caller", "key"), [(None, None), (None, KEY), (CALLER, KEY)])
async def test_answer_is_kept_for_a_day(
    stage: Stage, pttl: Keeping, caller: Caller | None, key: IdempotencyKey | None
) -> None:
    """Of an async request and of a keyed one, and its key no longer and no shorter."""
    request_id = await stage.enqueue(caller=caller, key=key)

    await finish(stage)

    assert is_about(pttl(f"request:{request_id}"), RESULT_SECONDS)
    if key is None:
        return
    assert abs(pttl(f"key:{key.digest}") - pttl(f"request:{request_id}")) < 100


@pytest.mark.parametrize(("key", "seconds"), [(None, TOLD_SECONDS), (KEY, RESULT_SECONDS)])
async def test_error_of_a_sync_request_is_kept_for_its_gateway(
    stage: Stage, pttl: Keeping, key: IdempotencyKey | None, seconds: int
) -> None:
    """A keyed one may be asked for by a repeat."""
    request_id = await stage.enqueue(caller=CALLER, key=key)
    taken = await stage.take()

    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "too long")

    assert is_about(pttl(f"request:{request_id}"), seconds)


@pytest.mark.parametrize("caller", [None, CALLER])
async def test_dead_letter_is_kept_for_a_week(stage: Stage, pttl: Keeping, caller: Caller | None) -> None:
    """A sync one too, for it can be replayed."""
    request_id = await stage.enqueue(caller=caller, key=KEY)

    await stage.kill()

    assert is_about(pttl(f"request:{request_id}"), DEAD_SECONDS)
    assert is_about(pttl(f"key:{KEY.digest}"), DEAD_SECONDS)


async def test_replayed_dead_letter_is_kept_for_ever_again(stage: Stage, pttl: Keeping) -> None:
    """Else it would vanish while it waits."""
    request_id = await stage.enqueue(key=KEY)
    await stage.kill()

    await stage.queue.replay(request_id)

    assert (pttl(f"request:{request_id}"), pttl(f"key:{KEY.digest}")) == (FOR_EVER, FOR_EVER)


async def test_ends_that_nobody_asks_for_are_not_kept(stage: Stage, pttl: Keeping) -> None:
    """A finished sync request, and the key of a cancelled one."""
    finished = await stage.enqueue(caller=CALLER)
    await finish(stage)
    cancelled = await stage.enqueue(key=KEY)
    await stage.queue.cancel(cancelled)

    assert (pttl(f"request:{finished}"), pttl(f"key:{KEY.digest}")) == (UNKNOWN, UNKNOWN)
    assert is_about(pttl(f"request:{cancelled}"), RESULT_SECONDS)


async def test_ended_request_holds_no_body(alone_server: ValkeyServer, stage: Stage) -> None:
    """But a dead letter does, for it can be replayed."""
    ended, dead = await stage.enqueue(), await stage.enqueue()
    await finish(stage)
    await stage.kill()

    with Redis(port=alone_server.port) as client:
        bodies = [
            client.hget(f"moorage:{{{stage.endpoint}}}:request:{each}", "body") for each in (ended, dead)
        ]

    assert bodies == [None, b"{}"]


async def test_what_a_lost_replica_had_in_hand_is_forgotten_in_the_end(stage: Stage, pttl: Keeping) -> None:
    """A replica that never comes back leaves nothing."""
    await stage.enqueue()
    await stage.take("r1")

    await stage.queue.leave(stage.endpoint, "r1")

    assert is_about(pttl("replica:r1"), RESULT_SECONDS)


async def test_bucket_is_kept_until_it_is_full(alone_server: ValkeyServer, stage: Stage) -> None:
    """One of three is missing: a third of the time."""
    bucket = f"token:{stage.endpoint}"

    await stage.queue.allow(bucket, 3, 600)

    with Redis(port=alone_server.port) as client:
        ms = client.pttl(f"moorage:{{rate:{bucket}}}")
    assert isinstance(ms, int)
    assert is_about(ms, 200)
