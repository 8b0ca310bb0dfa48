"""Objects in the queue's own Valkey: for a stack without a store of files, within a bound on their bytes.

An object is written in pieces under a token of its own and appears when a record names that token, in one step.
It goes by its time to live; an unfinished one too, for its writer was killed.
"""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Self

from redis.asyncio import Redis, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import OutOfMemoryError

from runtime.objects.port import (
    CHUNK_BYTES,
    LIFE_SECONDS,
    Kind,
    NoObjectError,
    ObjectError,
    ObjectsAwayError,
    ObjectsFullError,
    check_name,
    in_pieces,
)
from runtime.objects.valkey_moves import MOVES
from runtime.queue.valkey import COMMAND_SECONDS, FAULTS, connect_client

OUTLAST_SECONDS = 5.0
"""How long a server that is away is waited for: long enough for one that restarts."""
AGAIN_SECONDS = 0.1
UNFINISHED_SECONDS = 25 * 3600.0
"""How long an unfinished object is kept from its last piece on: longer than a request may run, for its answer may
come slowly."""
MAX_CONNECTIONS = 64
DROP_SECONDS = 2.0
"""Longest wait for a broken-off object to be dropped; it goes by its time to live else."""


class ValkeyObjects:
    """Objects of all endpoints, or of those that the user may touch."""

    def __init__(self, client: "Redis | RedisCluster") -> None:
        self._client = client
        self._scripts: dict[str, AsyncScript] = {}

    @classmethod
    def connect(cls, url: str) -> Self:
        """The store at a queue's address (see `ValkeyQueue.connect`); nothing is sent before the first use."""
        return cls(connect_client(url, MAX_CONNECTIONS))

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """See `Objects.write`."""
        endpoint, kind = check_name(name)
        token = secrets.token_hex(8)
        try:
            size = await self._put_all(endpoint, name, token, chunks)
            life = _ms(LIFE_SECONDS[kind])
            _require(await self._move("commit", endpoint, name, token, size, life), name)
        except BaseException:
            await self._drop(endpoint, name, token)
            raise
        return size

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See `Objects.read`."""
        token, size = await self._find(name)
        key = f"{_key(name)}:{token}"
        for number in range(-(-size // CHUNK_BYTES)):
            piece = await _patiently(functools.partial(self._client.hget, key, str(number)))
            if piece is None:
                raise NoObjectError(name)
            yield piece

    async def size(self, name: str) -> int:
        """See `Objects.size`."""
        return (await self._find(name))[1]

    async def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        endpoint, _ = check_name(name)
        await self._move("remove", endpoint, name)

    async def remove_older_than(self, _seconds: float, _now: float, _kind: Kind) -> int:
        """See `Objects.remove_older_than`; every object has its time to live."""
        return 0

    async def share_room(self, endpoints: Iterable[str], most_bytes: int) -> int:
        """Say how many bytes the endpoints' objects may take together; how many they take comes back.

        Each endpoint lies on one server and is counted there, exactly, by whoever writes. What it may take is
        what the others leave of the bound, as they are now.
        """
        found: dict[str, tuple[int, int]] = {
            name: await self._move("measure", name) for name in sorted(endpoints)
        }
        total = sum(used for used, _ in found.values())
        for name, (used, room) in found.items():
            wanted = max(0, most_bytes - (total - used))
            if room != wanted:
                await self._move("grant", name, wanted)
        return total

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _put_all(self, endpoint: str, name: str, token: str, chunks: AsyncIterator[bytes]) -> int:
        life, number, size = _ms(UNFINISHED_SECONDS), 0, 0
        async for piece in in_pieces(chunks, CHUNK_BYTES):
            _require(await self._move("put", endpoint, name, token, number, size, life, piece), name)
            number, size = number + 1, size + len(piece)
        return size

    async def _drop(self, endpoint: str, name: str, token: str) -> None:
        """Forget what was never finished."""
        with contextlib.suppress(TimeoutError, ObjectError):
            async with asyncio.timeout(DROP_SECONDS):
                await self._move("drop", endpoint, name, token)

    async def _find(self, name: str) -> tuple[str, int]:
        """Token and size of an object."""
        check_name(name)
        token, size = await _patiently(lambda: self._client.hmget(_key(name), "token", "size"))
        if token is None or size is None:
            raise NoObjectError(name)
        return token.decode(), int(size)

    async def _move(self, name: str, endpoint: str, *args: str | bytes | float) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(MOVES[name])
        return await _patiently(lambda: script(keys=[f"moorage:{{{endpoint}}}"], args=args))


async def _patiently(send: Callable[[], Awaitable[Any]]) -> Any:
    """What the server answers; a server that is away for a moment is asked again, for every move may be repeated.

    Raises:
        ObjectsFullError: it has no memory left.
        ObjectsAwayError: it does not answer.
    """
    deadline = asyncio.get_running_loop().time() + OUTLAST_SECONDS
    while True:
        try:
            return await _answered(send())
        except ObjectsAwayError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(AGAIN_SECONDS)


async def _answered(command: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            return await command
    except OutOfMemoryError as exc:
        raise ObjectsFullError("the server has no memory left") from exc
    except FAULTS as exc:
        raise ObjectsAwayError(f"{type(exc).__name__}: {exc}") from exc


def _require(told: bytes, name: str) -> None:
    if told == b"full":
        raise ObjectsFullError("the endpoint's objects take all the room there is for them")
    if told == b"gone":
        raise ObjectsAwayError(f"{name}: what was written of it is not there any more")


def _key(name: str) -> str:
    endpoint, _ = check_name(name)
    return f"moorage:{{{endpoint}}}:object:{name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
