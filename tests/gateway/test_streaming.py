"""Answers as they come: unbuffered, with back-pressure, fenced by attempt, and broken off visibly."""

import asyncio
import contextlib

import httpx
import pytest
from support.gateway_stage import Connection, Stage, until

from runtime.gateway.waiters import Phase
from runtime.queue.port import Taken
from runtime.wire import AnswerHead, RequestState
from runtime.wire.answers import frame_head

EVENTS = AnswerHead(200, (("content-type", "text/event-stream"),))
REQUEST = b"GET /e/embed/stream HTTP/1.1\r\nhost: x\r\n\r\n"


async def begun(stage: Stage) -> tuple[Connection, Taken, Connection]:
    """A client whose answer's head has arrived, its request, and the worker's open connection."""
    client = await stage.connect()
    client.write(REQUEST)
    taken = await stage.take()
    worker = await stage.begin_answer(taken, EVENTS)
    assert await client.read_status() == 200
    return client, taken, worker


async def bytes_taken(worker: Connection, seconds: float) -> int:
    """How much of an endless answer is taken in so many seconds."""
    chunk = b"x" * 262_144
    taken = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                worker.write_chunk(chunk)
                await worker.writer.drain()
                taken += len(chunk)
    return taken


async def test_each_event_arrives_before_the_next_is_sent(stage: Stage) -> None:
    """Nothing is collected, and the end is a clean one."""
    client, _, worker = await begun(stage)

    for number in range(5):
        worker.write_chunk(b"data: %d\n\n" % number)
        assert (await client.read_until(b"\n\n\r\n")).endswith(b"data: %d\n\n\r\n" % number)
    worker.end_chunks()

    assert await client.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert await worker.read_status() == 204


async def test_head_alone_reaches_the_client(stage: Stage) -> None:
    """A stream that computes for long before its first event is visibly open."""
    client, _, worker = await begun(stage)

    worker.end_chunks()

    assert await client.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_head_may_come_in_any_pieces(stage: Stage) -> None:
    """Chunk borders mean nothing."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    worker = await stage.begin_answer(await stage.take())

    for byte in frame_head(EVENTS) + b"xyz":
        worker.write_chunk(bytes([byte]))
        await worker.writer.drain()
    worker.end_chunks()

    answer = await call
    assert answer.content == b"xyz"
    assert answer.headers["content-type"] == "text/event-stream"


async def test_slow_client_slows_its_worker(stage: Stage) -> None:
    """What lies in between is bounded by sockets' buffers, however much the worker has."""
    _, _, worker = await begun(stage)
    worker.writer.transport.set_write_buffer_limits(high=0)

    sent = await bytes_taken(worker, seconds=1)

    assert sent < 64 * 1024 * 1024


async def test_client_that_leaves_in_the_middle_is_told_to_the_worker(stage: Stage) -> None:
    """With 410, while it still sends; the request never runs again."""
    client, taken, worker = await begun(stage)

    client.drop()

    assert await worker.read_status() == 410
    await until(lambda: len(stage.gateway.waiters) == 0)
    assert await stage.queue.give_back("embed", taken.id, 1, fault=None) is RequestState.CANCELLED


async def test_client_that_reads_nothing_and_leaves_frees_its_worker(stage: Stage) -> None:
    """Even while the worker's bytes are held up by back-pressure."""
    client, _, worker = await begun(stage)
    for _ in range(64):
        worker.write_chunk(b"x" * 262_144)

    client.drop()

    assert await worker.read_status() == 410


async def test_worker_lost_before_the_first_byte_is_waited_out(stage: Stage) -> None:
    """A later attempt answers, and the client never notices."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    first = await stage.take()
    worker = await stage.begin_answer(first)
    worker.write_chunk(frame_head(EVENTS)[:3])
    waiter = stage.gateway.waiters.find(first.id)
    assert waiter is not None
    await until(lambda: waiter._delivery is not None)

    worker.drop()
    await until(lambda: waiter._delivery is None)
    await stage.queue.give_back("embed", first.id, 1, fault=None)
    second = await stage.serve_one(200, (), b"second")

    assert second.attempt == 2
    assert (await call).content == b"second"


async def test_worker_lost_after_the_first_byte_breaks_the_stream_off(stage: Stage) -> None:
    """Visibly: no clean end; and the request never runs again."""
    client, taken, worker = await begun(stage)
    worker.write_chunk(b"data: 1\n\n")
    await client.read_until(b"data: 1\n\n\r\n")

    worker.drop()

    assert await client.read_rest() == b""
    await until(lambda: len(stage.gateway.waiters) == 0)
    assert await stage.queue.give_back("embed", taken.id, 1, fault="died") is RequestState.CANCELLED


async def test_http_client_sees_a_broken_stream_as_an_error(stage: Stage) -> None:
    """It cannot take half an answer for a whole one."""

    async def read() -> None:
        async with stage.client.stream("GET", "/e/embed/x") as answer:
            async for _ in answer.aiter_bytes():
                pass

    call = asyncio.create_task(read())
    worker = await stage.begin_answer(await stage.take(), EVENTS)
    worker.write_chunk(b"half")
    await until(lambda: any(waiter.phase is Phase.ANSWERING for waiter in stage.gateway.waiters))

    worker.drop()

    with pytest.raises(httpx.RemoteProtocolError):
        await call


@pytest.mark.parametrize("body", [b"short", b"much longer than it said"])
async def test_answer_of_another_length_than_announced_is_broken_off(stage: Stage, body: bytes) -> None:
    """Never passed off as whole."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.take()

    assert await stage.answer(taken, 200, (("content-length", "10"),), body) == 410

    with pytest.raises(httpx.RemoteProtocolError):
        await call


async def test_stream_past_its_time_is_broken_off(stage: Stage) -> None:
    """The gateway's own deadline, should the worker's fail."""
    client, taken, worker = await begun(stage)
    waiter = stage.gateway.waiters.find(taken.id)
    assert waiter is not None

    waiter.wait_until(0)

    assert await client.read_rest() == b""
    assert await worker.read_status() == 410


async def test_wrong_secret_is_refused(stage: Stage) -> None:
    """And the client goes on waiting for the right one."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.take()

    assert await stage.answer(taken, 200, (), b"forged", secret="guess") == 403
    assert await stage.answer(taken, 200, (), b"forged", secret="") == 403
    assert await stage.answer(taken, 200, (), b"true") == 204

    assert (await call).content == b"true"


async def test_answer_to_an_unknown_request_is_refused(stage: Stage) -> None:
    """Nobody here ever asked for it."""
    reply = await stage.inner.post("/answers/embed.0123456789abcdef0123456789abcdef", content=b"")

    assert reply.status_code == 404


async def test_second_answer_is_stale_once_bytes_have_left(stage: Stage) -> None:
    """Also when it is a later attempt's; the first goes on."""
    client, taken, worker = await begun(stage)

    assert await stage.answer(taken, 200, (), b"other", attempt=2) == 409

    worker.write_chunk(b"rest")
    worker.end_chunks()
    assert (await client.read_until(b"0\r\n\r\n")).endswith(b"4\r\nrest\r\n0\r\n\r\n")


async def test_answer_after_the_end_is_stale(stage: Stage) -> None:
    """The client has had its answer."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.take()
    await stage.answer(taken, 200, (), b"first")
    await call
    await until(lambda: len(stage.gateway.waiters) == 0)

    assert await stage.answer(taken, 200, (), b"late", attempt=2) == 409


async def test_earlier_attempt_is_stale_once_a_later_one_has_begun(stage: Stage) -> None:
    """Even if its bytes would come first."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.take()
    early = await stage.begin_answer(taken)
    waiter = stage.gateway.waiters.find(taken.id)
    assert waiter is not None
    await until(lambda: waiter._delivery is not None)

    assert await stage.answer(taken, 200, (), b"later", attempt=2) == 204

    assert (await call).content == b"later"
    assert await early.read_status() == 409


async def test_malformed_answer_is_refused_and_waited_out(stage: Stage) -> None:
    """The client gets the next good one."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.take()
    headers = {"moorage-answer-secret": taken.caller.secret if taken.caller else "", "moorage-attempt": "1"}

    replies = [
        (await stage.inner.post(f"/answers/{taken.id}", content=content, headers=headers)).status_code
        for content in (
            b"",
            b"\x00\x00",
            b"\x00\x00\x00\x04null",
            b"\xff\xff\xff\xff",
            b"\x00\x00\x00\x08[99, []]",
        )
    ]

    assert replies == [400] * 5
    assert await stage.answer(taken) == 204
    assert (await call).status_code == 200


async def test_thousand_events_arrive_in_order(stage: Stage) -> None:
    """None lost, none twice."""
    client, _, worker = await begun(stage)

    for number in range(1000):
        worker.write_chunk(b"data: %d\n\n" % number)
    worker.end_chunks()
    text = await client.read_until(b"0\r\n\r\n")

    numbers = [int(line[6:]) for line in text.splitlines() if line.startswith(b"data: ")]
    assert numbers == list(range(1000))
