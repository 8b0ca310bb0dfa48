"""A gateway whose object store is full or away: an honest refusal, nothing accepted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.chunks import chunks_of
from support.failing_objects import FailingObjects
from support.gateway_stage import Stage, gateway_stage

from runtime.objects import ObjectsAwayError, ObjectsFullError, answer_name
from runtime.queue.port import Answer
from runtime.wire import AnswerHead

LARGE = b"x" * (300 * 1024)


@pytest.fixture
def objects(tmp_path: Path) -> FailingObjects:
    """A store that works until it is told not to."""
    return FailingObjects(tmp_path / "objects")


@pytest.fixture
async def stage(tmp_path: Path, objects: FailingObjects) -> AsyncIterator[Stage]:
    """A gateway with that store."""
    async with gateway_stage(tmp_path, objects=objects) as stage:
        yield stage


@pytest.mark.parametrize(
    ("fault", "code"),
    [(ObjectsFullError("full"), "store-full"), (ObjectsAwayError("away"), "store-unavailable")],
)
async def test_large_body_is_refused(
    stage: Stage, objects: FailingObjects, fault: ObjectsFullError | ObjectsAwayError, code: str
) -> None:
    """With when to come again; small ones go on."""
    objects.fault = fault

    large = await stage.client.post("/e/embed/x", content=LARGE, headers={"x-octoai-async": "1"})
    small = await stage.client.post("/e/embed/x", content=b"x", headers={"x-octoai-async": "1"})

    assert (large.status_code, large.json()["error"]["code"]) == (503, code)
    assert int(large.headers["retry-after"]) >= 1
    assert small.status_code == 201
    assert (await stage.queue.look("embed")).waiting == 1


async def test_stored_answer_behind_a_store_that_is_away_can_be_asked_for_again(
    stage: Stage, objects: FailingObjects
) -> None:
    """It is not lost, so it is not answered as if it were."""
    accepted = await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})
    taken = await stage.take()
    name = answer_name(taken.id, taken.attempt)
    await objects.write(name, chunks_of(LARGE))
    await stage.queue.finish("embed", taken.id, taken.attempt, Answer(AnswerHead(200, ()), b"", name))
    where = f"/v1/responses/{accepted.json()['response_id']}"

    objects.fault = ObjectsAwayError("away")
    away = await stage.client.get(where)
    objects.fault = None
    back = await stage.client.get(where)

    assert (away.status_code, away.json()["error"]["code"]) == (503, "store-unavailable")
    assert (back.status_code, back.content) == (200, LARGE)
