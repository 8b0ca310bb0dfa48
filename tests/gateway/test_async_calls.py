"""Submit now, fetch later: the states and answers of async requests, as the original clients read them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record

from runtime.objects import answer_name
from runtime.queue.port import Answer, Taken
from runtime.wire import AnswerHead, Headers, RequestState

ASYNC = {"x-octoai-async": "1"}
JSON: Headers = (("content-type", "application/json"), ("x-model", "m"))


class Clock:
    """A queue's clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The moment."""
        return self.now


async def submit(stage: Stage, **options: Any) -> str:
    """The id of a new async request."""
    answer = await stage.client.post("/e/embed/infer", json={"texts": []}, headers=ASYNC, **options)
    assert answer.status_code == 201
    request_id: str = answer.json()["response_id"]
    return request_id


async def finish(stage: Stage, taken: Taken, answer: Answer) -> None:
    """The worker's end of an async request."""
    await stage.queue.finish("embed", taken.id, taken.attempt, answer)


async def chunks_of(body: bytes) -> AsyncIterator[bytes]:
    """A body as a stream."""
    yield body


async def test_submit_is_answered_with_an_id_and_where_to_poll(stage: Stage) -> None:
    """201, with these two keys, absolute and on the host that the client used."""
    answer = await stage.client.post("/e/embed/infer", headers=ASYNC)

    request_id = answer.json()["response_id"]
    assert answer.status_code == 201
    assert answer.json() == {
        "response_id": request_id,
        "poll_url": f"http://127.0.0.1:{stage.port}/v1/requests/{request_id}",
    }
    assert answer.headers["x-user-request-id"] == request_id


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "api.acme.example"}, "http://api.acme.example"),
        ({"host": "api.acme.example:81", "x-forwarded-proto": "https"}, "https://api.acme.example:81"),
        ({"host": "embed.localhost:8484"}, "http://localhost:8484"),
        ({"host": "[::1]:8484"}, "http://[::1]:8484"),
        ({"host": "evil/path?x"}, "http://moorage.example"),
    ],
)
async def test_poll_url_is_one_that_the_client_can_reach(
    stage: Stage, headers: dict[str, str], base: str
) -> None:
    """Of the platform, by the name the client knows; a Host that is none is not repeated."""
    answer = await stage.client.post("/e/embed/infer", headers={**ASYNC, **headers})

    assert answer.json()["poll_url"].startswith(f"{base}/v1/requests/embed.")


@pytest.mark.parametrize("value", ["", "0", "true", "1 ", "11"])
async def test_no_other_value_switches_async_on(stage: Stage, value: str) -> None:
    """One of the original clients sends the header empty on every call."""
    connection = await stage.connect()
    padded = value.replace(" ", " 1")
    connection.write(f"GET /e/embed/x HTTP/1.1\r\nhost: x\r\nx-octoai-async: {padded}\r\n\r\n".encode())

    await stage.serve_one(200)

    assert await connection.read_status() == 200


async def test_poll_tells_pending_then_running_then_completed(stage: Stage) -> None:
    """202, 202, 200; the waiting ones say why and for how long."""
    first, second = await submit(stage), await submit(stage)
    pending = await stage.client.get(f"/v1/requests/{second}")

    taken = await stage.take()
    running = await stage.client.get(f"/v1/requests/{first}")
    await finish(stage, taken, Answer(AnswerHead(200, JSON), b"{}"))
    completed = await stage.client.get(f"/v1/requests/{first}")

    base = f"http://127.0.0.1:{stage.port}/v1"
    assert pending.status_code == 202
    shown = pending.json()
    assert 0 <= shown.pop("waited_seconds") < 5
    assert shown == {
        "response_id": second,
        "status": "pending",
        "poll_url": f"{base}/requests/{second}",
        "position": 1,
        "estimate_seconds": None,
        "cause": "no replica is running; a request starts one",
    }
    assert (running.status_code, running.json()["status"]) == (202, "running")
    assert completed.status_code == 200
    assert completed.json() == {
        "response_id": first,
        "status": "completed",
        "poll_url": f"{base}/requests/{first}",
        "response_url": f"{base}/responses/{first}",
    }


async def test_response_is_the_models_answer(stage: Stage) -> None:
    """Its status, headers and body; as often as it is asked for."""
    request_id = await submit(stage)
    taken = await stage.take()
    headers = (*JSON, ("set-cookie", "a"), ("set-cookie", "b"), ("connection", "close"))
    await finish(stage, taken, Answer(AnswerHead(422, headers), b'{"output": 1}'))

    answers = [await stage.client.get(f"/v1/responses/{request_id}") for _ in range(2)]

    for answer in answers:
        assert (answer.status_code, answer.content) == (422, b'{"output": 1}')
        assert answer.headers["x-model"] == "m"
        assert answer.headers.get_list("set-cookie") == ["a", "b"]
        assert answer.headers["x-user-request-id"] == request_id
        assert answer.headers["content-length"] == "13"


async def test_large_response_comes_from_the_object_store(stage: Stage) -> None:
    """In chunks, with its true length."""
    request_id = await submit(stage)
    taken = await stage.take()
    body = b"y" * 3_000_000
    name = answer_name(request_id, 1)
    await stage.objects.write(name, chunks_of(body))
    await finish(stage, taken, Answer(AnswerHead(200, (*JSON, ("content-length", "1"))), b"", name))

    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert answer.content == body
    assert answer.headers["content-length"] == "3000000"


async def test_response_whose_object_is_gone_says_so(stage: Stage) -> None:
    """Not an empty answer."""
    request_id = await submit(stage)
    taken = await stage.take()
    await finish(stage, taken, Answer(AnswerHead(200, JSON), b"", answer_name(request_id, 1)))

    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "answer-not-kept")


async def test_response_that_is_not_there_yet_is_an_error(stage: Stage) -> None:
    """The clients poll first; whoever does not is told."""
    request_id = await submit(stage)

    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (425, "not-finished")
    assert answer.json()["error"]["request_id"] == request_id


async def test_failed_request_is_completed_with_an_error(stage: Stage) -> None:
    """`completed` is the only end the clients know; the error is behind response_url."""
    request_id = await submit(stage)
    taken = await stage.take()
    await stage.queue.fail("embed", taken.id, taken.attempt, "it ran longer than 60 s")

    poll = await stage.client.get(f"/v1/requests/{request_id}")
    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert (poll.status_code, poll.json()["status"], poll.json()["state"]) == (200, "completed", "failed")
    assert "ran longer" in poll.json()["error"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "failed")


async def test_dead_letter_is_completed_with_an_error(stage: Stage) -> None:
    """With how the model died."""
    request_id = await submit(stage)
    for _ in range(3):
        taken = await stage.take()
        await stage.queue.give_back("embed", taken.id, taken.attempt, fault="out of memory")

    poll = await stage.client.get(f"/v1/requests/{request_id}")
    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert poll.json()["state"] == RequestState.DEAD
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "dead-letter")
    assert "out of memory" in answer.json()["error"]["message"]


async def test_expired_request_is_completed_with_an_error(tmp_path: Path) -> None:
    """It waited longer than it may."""
    clock = Clock()
    async with gateway_stage(tmp_path, clock=clock) as stage:
        request_id = await submit(stage)
        clock.now += 61
        await stage.queue.sweep("embed")

        poll = await stage.client.get(f"/v1/requests/{request_id}")
        answer = await stage.client.get(f"/v1/responses/{request_id}")

        assert poll.json()["state"] == "expired"
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "waited-too-long")


async def test_cancelled_request_is_completed_with_an_error(stage: Stage) -> None:
    """DELETE tells the state after it."""
    request_id = await submit(stage)

    cancelled = await stage.client.delete(f"/v1/requests/{request_id}")
    poll = await stage.client.get(f"/v1/requests/{request_id}")
    answer = await stage.client.get(f"/v1/responses/{request_id}")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (poll.json()["status"], poll.json()["state"]) == ("completed", "cancelled")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "cancelled")


async def test_cancel_of_a_completed_request_changes_nothing(stage: Stage) -> None:
    """Its answer is still there."""
    request_id = await submit(stage)
    await finish(stage, await stage.take(), Answer(AnswerHead(200, JSON), b"{}"))

    cancelled = await stage.client.delete(f"/v1/requests/{request_id}")

    assert cancelled.json()["state"] == "completed"
    assert (await stage.client.get(f"/v1/responses/{request_id}")).status_code == 200


@pytest.mark.parametrize(
    "request_id",
    [
        "embed.0123456789abcdef0123456789abcdef",
        "other.0123456789abcdef0123456789abcdef",
        "nonsense",
        "a%0d%0ab",
    ],
)
@pytest.mark.parametrize(
    ("method", "kind"), [("GET", "requests"), ("DELETE", "requests"), ("GET", "responses")]
)
async def test_unknown_request_is_not_found(stage: Stage, method: str, kind: str, request_id: str) -> None:
    """Whatever was asked of it."""
    answer = await stage.client.request(method, f"/v1/{kind}/{request_id}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-request")


async def test_requests_of_a_private_endpoint_need_its_token(tmp_path: Path) -> None:
    """Poll, answer and cancel; a token that opens another endpoint does not do."""
    private = record("chat", access="private")
    async with gateway_stage(tmp_path, private) as stage:
        owner = {"authorization": f"Bearer {OWNER}"}
        answer = await stage.client.post("/e/chat/x", headers={**ASYNC, **owner})
        poll = f"/v1/requests/{answer.json()['response_id']}"

        assert (await stage.client.get(poll)).status_code == 401
        assert (await stage.client.delete(poll)).status_code == 401
        other = await stage.client.get(poll, headers={"authorization": f"Bearer {EMBED_ONLY}"})
        assert other.status_code == 403
        assert (await stage.client.get(poll, headers=owner)).status_code == 202


async def test_requests_of_a_public_endpoint_need_none(stage: Stage) -> None:
    """One of the original clients sends no token; the id cannot be guessed."""
    request_id = await submit(stage)

    assert (await stage.client.get(f"/v1/requests/{request_id}")).status_code == 202
