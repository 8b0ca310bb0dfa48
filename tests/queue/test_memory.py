"""The in-memory queue keeps ends as long as the port says, by the clock it was given."""

import pytest
from support.queue_stage import CALLER, SkewedClock, Stage

from runtime.queue.memory import MemoryQueue
from runtime.queue.port import DEAD_SECONDS, MAX_FAULTS, RESULT_SECONDS, TOLD_SECONDS, Caller


@pytest.fixture
def stage() -> Stage:
    """An endpoint whose time the test moves."""
    clock = SkewedClock()
    return Stage(MemoryQueue(clock), clock.advance)


async def finished(stage: Stage) -> str:
    """A request that the model has answered."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    await stage.take_all()
    return request_id


async def failed(stage: Stage, caller: Caller | None = CALLER) -> str:
    """A request that ran and cannot be answered."""
    request_id = await stage.enqueue(caller=caller)
    await stage.ready("r1")
    taken = await stage.take()
    await stage.queue.fail(stage.endpoint, taken.id, taken.attempt, "too long")
    return request_id


async def dead(stage: Stage) -> str:
    """A dead letter."""
    request_id = await stage.enqueue()
    await stage.ready("r1")
    for _ in range(MAX_FAULTS):
        await stage.fault()
    return request_id


ENDS = {"answer": (finished, RESULT_SECONDS), "sync": (failed, TOLD_SECONDS), "dead": (dead, DEAD_SECONDS)}


@pytest.mark.parametrize("end", ENDS)
async def test_end_is_kept_as_long_as_the_port_says(stage: Stage, end: str) -> None:
    """A second before it is found, a second after it is forgotten."""
    bring_about, keep_seconds = ENDS[end]
    request_id = await bring_about(stage)

    await stage.pass_time(keep_seconds - 1)
    kept = await stage.queue.find(request_id)
    await stage.pass_time(2)

    assert kept is not None
    assert await stage.queue.find(request_id) is None


async def test_forgotten_dead_letter_is_not_counted(stage: Stage) -> None:
    """`look` counts those that are kept."""
    await dead(stage)

    await stage.pass_time(DEAD_SECONDS + 1)

    assert (await stage.view()).dead == 0


async def test_text_that_is_no_id_is_not_found(stage: Stage) -> None:
    """It opens no endpoint either."""
    assert await stage.queue.find("../secrets") is None
    assert await stage.queue.cancel("../secrets") is None


async def test_what_a_lost_replica_had_in_hand_is_forgotten_in_the_end(stage: Stage) -> None:
    """Whether or not anybody swept meanwhile: its model is long gone."""
    await stage.enqueue()
    await stage.ready("r1")
    await stage.take()
    await stage.queue.leave(stage.endpoint, "r1")

    await stage.pass_time(RESULT_SECONDS + 1)

    assert await stage.queue.join(stage.endpoint, "r1", "rev-1") is None
