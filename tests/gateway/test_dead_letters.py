"""Dead letters: seen, replayed and purged by whoever holds a token of the endpoint."""

from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record

from runtime.queue.port import Answer
from runtime.wire import AnswerHead, new_request_id

OWN = {"authorization": f"Bearer {OWNER}"}


async def bury(stage: Stage, body: bytes = b"poison") -> str:
    """Send an async request that kills its model three times."""
    answer = await stage.client.post("/e/embed/x", content=body, headers={"x-octoai-async": "1"})
    for _ in range(3):
        taken = await stage.take()
        await stage.queue.give_back("embed", taken.id, taken.attempt, fault="killed by signal 9")
    request_id: str = answer.json()["response_id"]
    return request_id


async def test_dead_letters_are_listed_newest_first(stage: Stage) -> None:
    """With what killed them."""
    first, second = await bury(stage), await bury(stage)

    listed = (await stage.client.get("/v1/endpoints/embed/dead", headers=OWN)).json()["dead"]

    assert [letter["request_id"] for letter in listed] == [second, first]
    assert "killed by signal 9" in listed[0]["error"]
    assert (listed[0]["attempts"], listed[0]["kind"]) == (3, "async")


async def test_replayed_letter_runs_under_its_old_id(stage: Stage) -> None:
    """Its answer is to be had where it always was."""
    request_id = await bury(stage)

    replayed = await stage.client.post(f"/v1/requests/{request_id}/replay", headers=OWN)
    taken = await stage.take()
    await stage.queue.finish("embed", taken.id, taken.attempt, Answer(AnswerHead(200, ()), b"alive"))

    assert (replayed.status_code, replayed.json()["response_id"]) == (202, request_id)
    assert (taken.id, taken.body, taken.attempt > 3) == (request_id, b"poison", True)
    assert (await stage.client.get(f"/v1/responses/{request_id}")).content == b"alive"
    assert (await stage.client.get("/v1/endpoints/embed/dead", headers=OWN)).json() == {"dead": []}


async def test_large_body_is_there_for_the_replay(stage: Stage) -> None:
    """The file stays while its letter does."""
    request_id = await bury(stage, b"x" * 600_000)

    await stage.client.post(f"/v1/requests/{request_id}/replay", headers=OWN)
    taken = await stage.take()

    assert taken.body_ref is not None
    assert await stage.objects.size(taken.body_ref) == 600_000


async def test_only_a_dead_letter_can_be_replayed(stage: Stage) -> None:
    """One that waits is a conflict, an unknown one is not found."""
    waiting = (await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})).json()["response_id"]

    statuses = [
        (await stage.client.post(f"/v1/requests/{request_id}/replay", headers=OWN)).status_code
        for request_id in (waiting, new_request_id("embed"), "nonsense")
    ]

    assert statuses == [409, 404, 404]


async def test_purge_forgets_one_or_all_and_their_bodies(stage: Stage) -> None:
    """Nothing of them stays on disk."""
    one, two, three = [await bury(stage, b"x" * 600_000) for _ in range(3)]

    first = await stage.client.delete(f"/v1/endpoints/embed/dead/{one}", headers=OWN)
    left = [path.name for path in stage.places.objects.iterdir()]
    rest = await stage.client.delete("/v1/endpoints/embed/dead", headers=OWN)

    assert first.json() == {"purged": [one]}
    assert sorted(left) == sorted([f"{two}.body", f"{three}.body"])
    assert sorted(rest.json()["purged"]) == sorted([two, three])
    assert not list(stage.places.objects.iterdir())
    assert (await stage.client.get(f"/v1/requests/{one}")).status_code == 404


async def test_purge_of_what_is_no_letter_of_the_endpoint_is_not_found(stage: Stage) -> None:
    """Neither a waiting request nor another endpoint's."""
    waiting = (await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})).json()["response_id"]

    for request_id in (waiting, new_request_id("chat"), "nonsense"):
        answer = await stage.client.delete(f"/v1/endpoints/embed/dead/{request_id}", headers=OWN)
        assert answer.status_code == 404
    assert (await stage.queue.look("embed")).waiting == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/endpoints/chat/dead"),
        ("DELETE", "/v1/endpoints/chat/dead"),
        ("DELETE", f"/v1/endpoints/chat/dead/chat.{'0' * 32}"),
        ("POST", f"/v1/requests/chat.{'0' * 32}/replay"),
        ("GET", "/v1/endpoints/chat/events"),
    ],
)
async def test_letters_need_a_token_that_opens_the_endpoint(tmp_path: Path, method: str, path: str) -> None:
    """Also where calling needs none."""
    async with gateway_stage(tmp_path, record("chat")) as stage:
        without = await stage.client.request(method, path)
        other = await stage.client.request(method, path, headers={"authorization": f"Bearer {EMBED_ONLY}"})

        assert [without.status_code, other.status_code] == [401, 403]
