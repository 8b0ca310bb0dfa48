"""What only the store in Valkey does: its keys, its bound, its times to live, its end of memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from support.chunks import breaking_off, chunks_of, read_all
from support.valkey_server import ValkeyServer

from runtime.objects import (
    CHUNK_BYTES,
    LIFE_SECONDS,
    NoObjectError,
    ObjectsAwayError,
    ObjectsFullError,
    answer_name,
    body_name,
)
from runtime.objects import valkey as store
from runtime.objects.valkey import UNFINISHED_SECONDS, ValkeyObjects
from runtime.objects.valkey_moves import MOVES
from runtime.scaler.rights import worker_rights
from runtime.wire import new_request_id

MIB = 1024 * 1024


class TightServer(ValkeyServer):
    """One with 24 MiB, some of which it needs itself."""

    def _command(self) -> Sequence[str]:
        return [*super()._command(), "--maxmemory", "24mb"]


@pytest.fixture(scope="module")
def tight_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TightServer]:
    """It fills up."""
    with TightServer(tmp_path_factory.mktemp("tight")) as server:
        yield server


@pytest.fixture
async def client(alone_server: ValkeyServer) -> AsyncIterator[Redis]:
    """A plain client of an empty server."""
    client = Redis(port=alone_server.port)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def objects(alone_server: ValkeyServer, client: Redis) -> AsyncIterator[ValkeyObjects]:
    """A store on that server."""
    assert client is not None
    objects = ValkeyObjects.connect(alone_server.url)
    yield objects
    await objects.close()


def body_of(endpoint: str) -> str:
    """A fresh name."""
    return body_name(new_request_id(endpoint))


async def used(client: Redis, endpoint: str) -> int:
    """What the server counts for an endpoint."""
    command: Any = client.hget(f"moorage:{{{endpoint}}}:object-room", "total")
    return int(await command or 0)


async def test_every_key_lies_under_the_endpoints_hash_tag(objects: ValkeyObjects, client: Redis) -> None:
    """So that a worker's user can be held to it, and one server has them all."""
    await objects.write(body_of("embed"), chunks_of(b"x" * MIB))

    found: Any = await client.keys("*")
    keys = [key.decode() for key in found]

    assert len(keys) == 5
    assert all(key.startswith("moorage:{embed}:object") for key in keys)


async def test_no_value_is_larger_than_a_piece(objects: ValkeyObjects, client: Redis) -> None:
    """However large the object is."""
    name = body_of("embed")
    await objects.write(name, chunks_of(b"x" * (5 * MIB + 1)))

    largest = 0
    for key in await client.keys(f"*{name}:*"):
        command: Any = client.hgetall(key)
        largest = max(largest, *(len(value) for value in (await command).values()))

    assert largest == CHUNK_BYTES


@pytest.mark.parametrize("kind", ["body", "answer"])
async def test_object_goes_by_itself(objects: ValkeyObjects, client: Redis, kind: str) -> None:
    """When nobody may ask for it any more."""
    request_id = new_request_id("embed")
    name = body_name(request_id) if kind == "body" else answer_name(request_id, 1)
    await objects.write(name, chunks_of(b"x" * MIB))

    lives = [await client.ttl(key) for key in await client.keys(f"*{name}*")]

    life = LIFE_SECONDS["body" if kind == "body" else "answer"]
    assert len(lives) == 2
    assert all(life - 60 < each <= life for each in lives)


async def test_unfinished_object_of_a_killed_writer_goes_too(objects: ValkeyObjects, client: Redis) -> None:
    """Later than any answer can come."""
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        reached.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(objects.write(body_of("embed"), endless()))
    await reached.wait()
    async with asyncio.timeout(5):
        while await used(client, "embed") < MIB:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    lives = [await client.ttl(key) for key in await client.keys("*:object:*")]

    assert len(lives) == 1
    assert 24 * 3600 < lives[0] <= UNFINISHED_SECONDS
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_count_is_of_what_is_there(objects: ValkeyObjects, client: Redis) -> None:
    """Written, overwritten, broken off and removed."""
    first, second = body_of("embed"), body_of("embed")
    counts = []
    await objects.write(first, chunks_of(b"x" * 1000))
    counts.append(await used(client, "embed"))
    await objects.write(second, chunks_of(b"x" * MIB))
    counts.append(await used(client, "embed"))
    await objects.write(second, chunks_of(b"x" * 500))
    counts.append(await used(client, "embed"))
    with pytest.raises(ConnectionError):
        await objects.write(body_of("embed"), breaking_off(b"x" * MIB))
    counts.append(await used(client, "embed"))
    await objects.remove(first)
    await objects.remove(first)
    counts.append(await used(client, "embed"))

    assert counts == [1000, 1000 + MIB, 1500, 1500, 500]


async def test_count_of_expired_objects_is_taken_back(objects: ValkeyObjects, client: Redis) -> None:
    """By whoever comes next; their keys have gone by themselves."""
    name = body_of("embed")
    await objects.write(name, chunks_of(b"x" * MIB))
    members: Any = client.zrange("moorage:{embed}:object-ends", 0, -1)
    await client.zadd("moorage:{embed}:object-ends", {(await members)[0]: 1})
    for key in await client.keys(f"*{name}*"):
        await client.delete(key)

    assert await objects.share_room(["embed"], 10 * MIB) == 0


async def test_wrong_count_heals_when_nothing_is_left(objects: ValkeyObjects, client: Redis) -> None:
    """Whatever brought it about."""
    command: Any = client.hset("moorage:{embed}:object-room", "total", 123456)
    await command

    assert await objects.share_room(["embed"], 10 * MIB) == 0


async def test_bound_holds_for_all_endpoints_and_all_who_write(
    objects: ValkeyObjects, alone_server: ValkeyServer
) -> None:
    """Also for a worker, which knows nothing of it, on another connection."""
    worker = ValkeyObjects.connect(alone_server.url)
    endpoints = ["chat", "embed"]
    await objects.share_room(endpoints, 3 * MIB)
    await objects.write(body_of("embed"), chunks_of(b"x" * (2 * MIB)))
    await objects.share_room(endpoints, 3 * MIB)

    with pytest.raises(ObjectsFullError):
        await worker.write(body_of("chat"), chunks_of(b"x" * (1 * MIB + 1)))
    await worker.write(body_of("chat"), chunks_of(b"x" * MIB))

    assert await objects.share_room(endpoints, 3 * MIB) == 3 * MIB
    await worker.close()


async def test_writers_at_once_do_not_pass_the_bound(objects: ValkeyObjects) -> None:
    """The count is kept where the bytes are."""
    await objects.share_room(["embed"], 4 * MIB)

    written = await asyncio.gather(
        *(objects.write(body_of("embed"), chunks_of(b"x" * MIB)) for _ in range(8)), return_exceptions=True
    )

    whole = [size for size in written if size == MIB]
    assert len(whole) <= 4
    assert all(isinstance(size, ObjectsFullError) for size in written if size != MIB)
    assert await objects.share_room(["embed"], 4 * MIB) == len(whole) * MIB


async def test_server_without_memory_refuses_and_keeps_what_it_has(tight_server: TightServer) -> None:
    """Nothing of the refused object stays; what is removed makes room."""
    objects = ValkeyObjects.connect(tight_server.url)
    names = [body_of("embed") for _ in range(20)]
    written: list[str] = []
    with contextlib.suppress(ObjectsFullError):
        for name in names:
            await objects.write(name, chunks_of(b"x" * (2 * MIB)))
            written.append(name)

    assert 2 < len(written) < len(names)
    assert len(await read_all(objects, written[0])) == 2 * MIB
    assert await objects.share_room(["embed"], 1 << 30) == len(written) * 2 * MIB
    await objects.remove(written[0])
    await objects.remove(written[1])
    await objects.write(names[-1], chunks_of(b"x" * (2 * MIB)))
    await objects.close()


async def test_piece_sent_again_counts_once(objects: ValkeyObjects, client: Redis) -> None:
    """The answer to the first was lost."""
    name = body_of("embed")
    for _ in range(2):
        await objects._move("put", "embed", name, "t", 0, 0, 60_000, b"half")
    for _ in range(2):
        await objects._move("commit", "embed", name, "t", 4, 60_000)

    assert await read_all(objects, name) == b"half"
    assert await used(client, "embed") == 4


async def test_object_removed_while_it_is_read_is_a_fault(objects: ValkeyObjects) -> None:
    """Not a short answer that looks whole."""
    name = body_of("embed")
    await objects.write(name, chunks_of(b"x" * (2 * MIB)))
    reading = objects.read(name)
    await anext(reading)

    await objects.remove(name)

    with pytest.raises(NoObjectError):
        async for _ in reading:
            pass


async def test_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was waited for."""
    monkeypatch.setattr(store, "OUTLAST_SECONDS", 0.2)
    objects = ValkeyObjects.connect("valkey://127.0.0.1:1")

    with pytest.raises(ObjectsAwayError):
        await objects.size(body_of("embed"))
    await objects.close()


def test_workers_user_may_send_what_the_moves_need() -> None:
    """Else their first large answer would fail, and only in a cluster."""
    rights = set(worker_rights("key", "embed"))
    needed = {
        word.split("'")[1].lower()
        for name in ("put", "commit", "drop", "remove")
        for word in MOVES[name].split("redis.call(")[1:]
    }

    assert {command for command in needed | {"hget", "hmget"} if f"+{command}" not in rights} == set()
