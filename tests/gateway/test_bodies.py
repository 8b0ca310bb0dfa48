"""Request bodies: bounded, large ones by reference, and refused before they are read."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from support.gateway_stage import Stage, gateway_stage, record, until

from runtime.objects import NoObjectError

MIB = 1024 * 1024


async def stream_of(size: int) -> AsyncIterator[bytes]:
    """A body of unknown length."""
    for _ in range(0, size, 65_536):
        yield b"x" * 65_536


async def read_object(stage: Stage, name: str) -> bytes:
    """A stored body."""
    return b"".join([chunk async for chunk in stage.objects.read(name)])


async def test_body_up_to_256_kib_stands_in_the_queue(stage: Stage) -> None:
    """No file is written."""
    body = b"x" * 256 * 1024

    call = asyncio.create_task(stage.client.post("/e/embed/x", content=body))
    taken = await stage.serve_one()

    assert (await call).status_code == 200
    assert (taken.body, taken.body_ref) == (body, None)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_larger_body_goes_by_reference(stage: Stage, is_chunked: bool) -> None:
    """With or without a length; its worker removes the file when the model has finished."""
    body = b"x" * MIB

    content = stream_of(MIB) if is_chunked else body
    call = asyncio.create_task(stage.client.post("/e/embed/x", content=content))
    taken = await stage.take()

    assert taken.body == b""
    assert taken.body_ref == f"{taken.id}.body"
    assert await read_object(stage, taken.body_ref) == body
    assert ("content-length", str(MIB)) in taken.head.headers
    assert await stage.answer(taken) == 204
    assert (await call).status_code == 200
    assert await read_object(stage, taken.body_ref) == body


async def test_large_body_goes_with_the_client_that_waited(stage: Stage) -> None:
    """Nobody will ever read it."""
    connection = await stage.connect()
    connection.write(
        b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: 524288\r\n\r\n" + b"x" * 524_288
    )
    await until(lambda: bool(stage.gateway.waiters.queued()))

    connection.drop()

    await until(lambda: not list(stage.places.objects.iterdir()))


async def test_body_of_an_async_request_stays_for_its_worker(stage: Stage) -> None:
    """However long that takes."""
    answer = await stage.client.post("/e/embed/x", content=b"y" * (MIB // 2), headers={"x-octoai-async": "1"})

    taken = await stage.take()

    assert answer.status_code == 201
    assert taken.body_ref is not None
    assert await stage.objects.size(taken.body_ref) == MIB // 2


async def test_size_by_reference_counts_against_the_bound(stage: Stage) -> None:
    """The queue's bound on bytes is of bodies, wherever they are."""
    call = asyncio.create_task(stage.client.post("/e/embed/x", content=b"x" * MIB))
    await stage.until_waiting(1)

    assert (await stage.queue.look("embed")).waiting_bytes == MIB

    await stage.serve_one()
    await call


async def test_declared_length_is_refused_before_the_body_is_read(stage: Stage) -> None:
    """A client that waits for `100 Continue` never sends it."""
    connection = await stage.connect()
    connection.write(
        b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1048577\r\n\r\n"
    )

    head = await connection.read_until(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head
    assert b"body-too-large" in await connection.read_until(b"}}")


async def test_body_that_grows_too_large_is_refused(stage: Stage) -> None:
    """Nothing of it is left behind, and nothing was enqueued."""
    answer = await stage.client.post("/e/embed/x", content=stream_of(3 * MIB))

    assert answer.status_code == 413
    assert "1 MiB" in answer.json()["error"]["message"]
    assert (await stage.queue.look("embed")).waiting == 0
    assert list(stage.places.objects.iterdir()) == []


async def test_client_that_sends_on_still_reads_the_refusal(stage: Stage) -> None:
    """The connection is not closed in its face."""
    answer = await stage.client.post("/e/embed/x", content=b"x" * (20 * MIB))

    assert answer.status_code == 413


async def test_connection_is_closed_after_a_refused_body(stage: Stage) -> None:
    """What remains of the body cannot be taken for a request."""
    connection = await stage.connect()
    connection.write(b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1048580\r\n\r\n")
    connection.write(b"GET /e/embed/smuggled HTTP/1.1\r\nhost: x\r\n\r\n".ljust(1_048_580))

    everything = await connection.read_rest()

    assert everything.count(b"HTTP/1.1") == 1
    assert (await stage.queue.look("embed")).waiting == 0


async def test_full_queue_refuses_before_a_large_body_is_read(tmp_path: Path) -> None:
    """It costs neither time nor disk."""
    async with gateway_stage(tmp_path, record(limits={"waiting": 1, "body_mib": 1})) as stage:
        first = asyncio.create_task(stage.client.post("/e/embed/x"))
        await stage.until_waiting(1)
        connection = await stage.connect()
        connection.write(
            b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 500000\r\n\r\n"
        )

        assert await connection.read_status() == 429
        assert not stage.places.objects.exists()

        await stage.serve_one()
        await first


async def test_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(stage: Stage) -> None:
    """Neither a request nor a file."""
    connection = await stage.connect()
    connection.write(b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
    connection.write(b"x" * 400_000)
    await until(lambda: stage.places.objects.exists() and any(stage.places.objects.iterdir()))

    connection.drop()

    await until(lambda: not list(stage.places.objects.iterdir()))
    assert (await stage.queue.look("embed")).waiting == 0


async def test_body_of_ten_mib_costs_little_memory(tmp_path: Path) -> None:
    """It is passed on as it comes: the peak is far below the body."""
    async with gateway_stage(tmp_path, record(limits={"body_mib": 10})) as stage:
        tracemalloc.start()
        call = asyncio.create_task(stage.client.post("/e/embed/x", content=stream_of(10 * MIB)))
        await stage.until_waiting(1)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 5 * MIB

        await stage.serve_one()
        assert (await call).status_code == 200


async def test_body_of_a_failed_enqueue_is_forgotten(tmp_path: Path) -> None:
    """An async request that was refused leaves no file."""
    async with gateway_stage(tmp_path, record(limits={"waiting": 0})) as stage:
        answer = await stage.client.post(
            "/e/embed/x", content=b"x" * 200_000, headers={"x-octoai-async": "1"}
        )

        assert answer.status_code == 429
        with pytest.raises(NoObjectError):
            await stage.objects.size(f"{answer.headers['x-user-request-id']}.body")


async def test_two_refusals_share_one_look_at_the_queue(tmp_path: Path) -> None:
    """A flood of refusals costs the queue nothing more."""
    async with gateway_stage(tmp_path, record(limits={"waiting": 0})) as stage:
        answers: list[httpx.Response] = [await stage.client.post("/e/embed/x") for _ in range(3)]

        assert {answer.status_code for answer in answers} == {429}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
