"""What every object store does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.chunks import breaking_off, chunks_of, read_all

from runtime.objects import CHUNK_BYTES, BadNameError, NoObjectError, Objects, answer_name, body_name
from runtime.wire import new_request_id

MIB = 1024 * 1024


def fresh_body() -> str:
    """The name of a body that nobody has."""
    return body_name(new_request_id("embed"))


async def test_what_was_written_is_read_back(objects: Objects) -> None:
    """Chunk borders do not matter."""
    name = fresh_body()
    parts = [b"a" * 100_000] * 7 + [b"b"]

    size = await objects.write(name, chunks_of(*parts))

    assert size == 700_001
    assert await objects.size(name) == 700_001
    assert await read_all(objects, name) == b"".join(parts)


@pytest.mark.parametrize(
    "size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 8 * MIB, 8 * MIB + 1, 20 * MIB]
)
async def test_every_size_comes_back_whole(objects: Objects, size: int) -> None:
    """On both sides of each border of pieces and parts."""
    name, data = fresh_body(), (bytes(range(251)) * (size // 251 + 1))[:size]

    written = await objects.write(name, chunks_of(data))

    assert (written, await objects.size(name)) == (size, size)
    assert await read_all(objects, name) == data


async def test_chunks_read_are_bounded(objects: Objects) -> None:
    """However large it was written."""
    name = answer_name(new_request_id("embed"), 1)
    await objects.write(name, chunks_of(b"x" * (3 * CHUNK_BYTES + 1)))

    sizes = [len(chunk) async for chunk in objects.read(name)]

    assert max(sizes) <= CHUNK_BYTES
    assert sum(sizes) == 3 * CHUNK_BYTES + 1


async def test_empty_object_is_an_object(objects: Objects) -> None:
    """Zero bytes are no absence."""
    name = fresh_body()

    assert await objects.write(name, chunks_of()) == 0
    assert await objects.size(name) == 0
    assert await read_all(objects, name) == b""


@pytest.mark.parametrize("size", [1, 3 * CHUNK_BYTES, 9 * MIB])
async def test_broken_write_leaves_nothing(objects: Objects, size: int) -> None:
    """Whole or not at all."""
    name = fresh_body()

    with pytest.raises(ConnectionError):
        await objects.write(name, breaking_off(b"x" * size))

    with pytest.raises(NoObjectError):
        await objects.size(name)


async def test_object_is_not_to_be_seen_before_it_is_whole(objects: Objects) -> None:
    """Also while its last piece is awaited."""
    name, go_on = fresh_body(), asyncio.Event()
    reached = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * (9 * MIB)
        reached.set()
        await go_on.wait()
        yield b"y"

    writing = asyncio.create_task(objects.write(name, slow()))
    await reached.wait()
    with pytest.raises(NoObjectError):
        await read_all(objects, name)
    go_on.set()

    assert await writing == 9 * MIB + 1
    assert (await read_all(objects, name))[-1:] == b"y"


async def test_cancelled_write_leaves_nothing(objects: Objects) -> None:
    """Its client went away."""
    name, reached = fresh_body(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * (9 * MIB)
        reached.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(objects.write(name, endless()))
    await reached.wait()
    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing
    with pytest.raises(NoObjectError):
        await objects.size(name)


async def test_object_written_again_is_the_later_one(objects: Objects) -> None:
    """A retry that nobody knows to be one."""
    name = fresh_body()
    await objects.write(name, chunks_of(b"x" * CHUNK_BYTES * 2))

    await objects.write(name, chunks_of(b"later"))

    assert (await objects.size(name), await read_all(objects, name)) == (5, b"later")


async def test_absent_object_is_a_fault_of_its_own(objects: Objects) -> None:
    """For size and for the first chunk."""
    name = fresh_body()

    with pytest.raises(NoObjectError):
        await objects.size(name)
    with pytest.raises(NoObjectError):
        await read_all(objects, name)


async def test_removing_twice_is_harmless(objects: Objects) -> None:
    """The second finds nothing."""
    name = fresh_body()
    await objects.write(name, chunks_of(b"x"))

    await objects.remove(name)
    await objects.remove(name)

    with pytest.raises(NoObjectError):
        await objects.size(name)


async def test_objects_written_together_do_not_mix(objects: Objects) -> None:
    """Many clients, one store."""
    names = [fresh_body() for _ in range(8)]

    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            group.create_task(objects.write(name, chunks_of(*[bytes([number]) * 200_000] * 5)))

    for number, name in enumerate(names):
        assert await read_all(objects, name) == bytes([number]) * 1_000_000


@pytest.mark.parametrize(
    "name",
    [
        "",
        "secrets.yaml",
        "../tokens.json",
        "embed.00000000000000000000000000000000",
        "embed.00000000000000000000000000000000.body/../../x.body",
        "../embed.00000000000000000000000000000000.body",
        "embed.00000000000000000000000000000000.body\n",
        "embed.00000000000000000000000000000000.exe",
    ],
)
async def test_name_outside_the_pattern_is_refused(objects: Objects, name: str) -> None:
    """Whatever is asked of it."""
    with pytest.raises(BadNameError):
        await objects.write(name, chunks_of(b"x"))
    with pytest.raises(BadNameError):
        await objects.size(name)
    with pytest.raises(BadNameError):
        await objects.remove(name)
    with pytest.raises(BadNameError):
        await read_all(objects, name)
