"""`Idempotency-Key`: a repetition is the same request."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record, until

from runtime.gateway.keys import read_key
from runtime.queue.port import Answer, Bounds, Enqueued, NewRequest, QueueUnavailableError, Taken
from runtime.wire import AnswerHead, RequestState

KEYED = {"idempotency-key": '"order-1"'}
ASYNC = {**KEYED, "x-octoai-async": "1"}


async def finish(stage: Stage, taken: Taken, body: bytes = b"done") -> None:
    """End a request as its worker does: the answer is kept."""
    head = AnswerHead(200, (("content-type", "text/plain"),))
    await stage.queue.finish("embed", taken.id, taken.attempt, Answer(head, body))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A chunked body."""
    for part in parts:
        yield part


async def begin(stage: Stage, **more: str) -> asyncio.Task[httpx.Response]:
    """A keyed sync call that the queue has."""
    call = asyncio.create_task(stage.client.post("/e/embed/x", content=b"a", headers={**KEYED, **more}))
    await until(lambda: bool(stage.gateway.waiters.queued()))
    return call


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("", None),
        ("8e03978e-40d5", "8e03978e-40d5"),
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ('"a \\"b\\" \\\\c"', 'a "b" \\c'),
        ("a" * 255, "a" * 255),
    ],
)
def test_key_is_a_string_in_quotes_or_a_bare_token(value: str, key: str | None) -> None:
    """Both are the same key."""
    assert read_key(value) == key


@pytest.mark.parametrize(
    "value", ['""', '"open', "two words", "a, b", '"a";p=1', "a" * 256, "\u00e9", '"\u00e9"']
)
async def test_key_of_another_form_is_refused(stage: Stage, value: str) -> None:
    """Before anything of the body is read."""
    answer = await stage.client.post("/e/embed/x", headers={b"idempotency-key": value.encode("latin-1")})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed-request")
    assert (await stage.queue.look("embed")).waiting == 0


async def test_sync_repetition_waits_for_the_running_one(stage: Stage) -> None:
    """It runs once, and both have the answer; the second says that it is a repetition."""
    first = await begin(stage)
    again = asyncio.create_task(stage.client.post("/e/embed/x", content=b"a", headers=KEYED))
    taken = await stage.take()
    assert await stage.answer(taken, 200, (), b"done") == 204
    await finish(stage, taken)

    answers = [await first, await again]

    assert [answer.content for answer in answers] == [b"done", b"done"]
    assert len({answer.headers["x-user-request-id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    assert (await stage.queue.look("embed")).demand == 0


async def test_repetition_of_a_completed_request_has_its_stored_answer(stage: Stage) -> None:
    """Also when its body comes in pieces."""
    first = await begin(stage)
    taken = await stage.take()
    await stage.answer(taken, 200, (), b"done")
    await finish(stage, taken)
    await first

    again = await stage.client.post("/e/embed/x", content=pieces(b"", b"a"), headers=KEYED)

    assert (again.status_code, again.content) == (200, b"done")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "text/plain"


async def test_async_repetition_has_the_same_id(stage: Stage) -> None:
    """And so it has when the first call was sync."""
    first = await stage.client.post("/e/embed/x", content=b"a", headers=ASYNC)
    again = await stage.client.post("/e/embed/x", content=b"a", headers=ASYNC)

    assert [first.status_code, again.status_code] == [201, 201]
    assert first.json() == again.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        None,
        "true",
    )
    assert (await stage.queue.look("embed")).waiting == 1


@pytest.mark.parametrize("change", ["method", "path", "query", "body", "large"])
async def test_same_key_with_another_request_is_a_conflict(stage: Stage, change: str) -> None:
    """422, and nothing of it is kept."""
    await stage.client.post("/e/embed/x", content=b"a", headers=ASYNC)

    other = await stage.client.request(
        "PUT" if change == "method" else "POST",
        {"path": "/e/embed/y", "query": "/e/embed/x?z"}.get(change, "/e/embed/x"),
        content={"body": b"b", "large": b"b" * 500_000}.get(change, b"a"),
        headers=ASYNC,
    )

    assert (other.status_code, other.json()["error"]["code"]) == (422, "key-conflict")
    assert (await stage.queue.look("embed")).waiting == 1
    assert not list(stage.places.objects.glob("*"))


async def test_large_repetition_keeps_no_second_body(stage: Stage) -> None:
    """Hashed while it is written, removed when it is known."""
    body = b"x" * 600_000
    first = await stage.client.post("/e/embed/x", content=body, headers=ASYNC)
    again = await stage.client.post("/e/embed/x", content=body, headers=ASYNC)

    assert first.json() == again.json()
    assert [path.name for path in stage.places.objects.iterdir()] == [f"{first.json()['response_id']}.body"]


async def test_callers_and_endpoints_have_keys_of_their_own(tmp_path: Path) -> None:
    """The same text of another caller is another key."""
    async with gateway_stage(tmp_path, record(access="private"), record("chat", access="private")) as stage:
        ids = [
            (await stage.client.post(path, headers={**ASYNC, "authorization": f"Bearer {token}"})).json()[
                "response_id"
            ]
            for path, token in (("/e/embed/x", OWNER), ("/e/embed/x", EMBED_ONLY), ("/e/chat/x", OWNER))
        ]

        assert len(set(ids)) == 3


async def test_client_that_leaves_does_not_cancel_a_keyed_request(stage: Stage) -> None:
    """It comes back with the key and has the answer."""
    connection = await stage.connect()
    connection.write(
        b'POST /e/embed/x HTTP/1.1\r\nhost: x\r\nidempotency-key: "order-1"\r\ncontent-length: 1\r\n\r\na'
    )
    await until(lambda: bool(stage.gateway.waiters.queued()))

    connection.drop()
    await until(lambda: len(stage.gateway.waiters) == 0)
    taken = await stage.take()
    assert await stage.answer(taken) == 410
    await finish(stage, taken)
    again = await stage.client.post("/e/embed/x", content=b"a", headers=KEYED)

    assert again.content == b"done"


async def test_client_that_leaves_keeps_the_large_body_of_a_keyed_request(stage: Stage) -> None:
    """It is still to be run."""
    connection = await stage.connect()
    head = b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\ncontent-length: 524288\r\n\r\n"
    connection.write(head + b"x" * 524_288)
    await until(lambda: bool(stage.gateway.waiters.queued()))

    connection.drop()
    await until(lambda: len(stage.gateway.waiters) == 0)
    taken = await stage.take()

    assert taken.body_ref is not None
    assert await stage.objects.size(taken.body_ref) == 524_288


async def test_repetition_that_leaves_cancels_nothing(stage: Stage) -> None:
    """The first client still waits."""
    first = await begin(stage)
    connection = await stage.connect()
    connection.write(
        b'POST /e/embed/x HTTP/1.1\r\nhost: x\r\nidempotency-key: "order-1"\r\ncontent-length: 1\r\n\r\na'
    )
    await until(lambda: stage.gateway.room.clients == 2)

    connection.drop()
    await until(lambda: stage.gateway.room.clients == 1)
    taken = await stage.take()
    await stage.answer(taken, 200, (), b"done")
    await finish(stage, taken)

    assert (await first).content == b"done"


async def test_answer_that_was_stored_but_not_delivered_still_comes(stage: Stage) -> None:
    """Its worker could not reach this gateway: the next hold finds the answer in the queue."""
    first = await begin(stage)
    taken = await stage.take()
    await finish(stage, taken, b"stored")

    await stage.gateway.holding.renew()

    assert (await first).content == b"stored"


async def test_repetition_of_a_cancelled_request_hears_so_and_frees_the_key(stage: Stage) -> None:
    """The next try is a new request."""
    first = await begin(stage)
    again = asyncio.create_task(stage.client.post("/e/embed/x", content=b"a", headers=KEYED))
    await until(lambda: stage.gateway.room.clients == 2)
    request_id = stage.gateway.waiters.queued()["embed"][0]

    await stage.client.delete(f"/v1/requests/{request_id}")
    third = await stage.client.post("/e/embed/x", content=b"a", headers=ASYNC)

    assert (await first).status_code == 410
    assert (await again).status_code in {410, 503}
    assert third.json()["response_id"] != request_id


async def test_failed_request_is_not_run_again(stage: Stage) -> None:
    """A repetition hears of the same failure."""
    first = await begin(stage)
    taken = await stage.take()
    await stage.queue.fail("embed", taken.id, taken.attempt, "it ran longer than 60 s")
    await stage.gateway.holding.renew()

    again = await stage.client.post("/e/embed/x", content=b"a", headers=KEYED)

    assert [(await first).status_code, again.status_code] == [502, 502]
    view = await stage.queue.find(taken.id)
    assert view is not None
    assert view.state is RequestState.FAILED


async def test_large_body_outlives_a_queue_that_went_away_once_it_had_the_request(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call hears that the queue is away; the second one is that request, and it can be run."""
    enqueue = stage.queue.enqueue
    body = b"a" * 300_000

    async def lose_the_reply(request: NewRequest, bounds: Bounds) -> Enqueued:
        await enqueue(request, bounds)
        raise QueueUnavailableError("the connection was closed")

    with monkeypatch.context() as patch:
        patch.setattr(stage.queue, "enqueue", lose_the_reply)
        refused = await stage.client.post("/e/embed/x", content=body, headers=ASYNC)
    again = await stage.client.post("/e/embed/x", content=body, headers=ASYNC)
    taken = await stage.take()

    assert (refused.status_code, again.status_code) == (503, 201)
    assert again.json()["response_id"] == taken.id
    assert taken.body_ref is not None
    assert b"".join([chunk async for chunk in stage.objects.read(taken.body_ref)]) == body
